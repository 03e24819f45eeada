"""Static word vectors: trained with word2vec or fastText (gensim), in word2vec's files and gensim's."""

from __future__ import annotations

import hashlib
import pickle
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vizinho.errors import ModelError, TextError
from vizinho.files import replacing
from vizinho.progress import Advance, silent
from vizinho.vectors.epochs import load_epoch, save_epoch
from vizinho.vectors.keyed import ForeignPickleError, read_keyed, write_keyed

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class VectorOptions:
    """How vectors are trained. One thread gives the same vectors every time; more are faster and do not."""

    kind: Literal["word2vec", "fasttext"] = "word2vec"
    dim: int = 100
    """Components of a vector (D)."""
    window: int = 5
    min_count: int = 5
    """Rarer words get no vector."""
    epochs: int = 5
    negative: int = 5
    """Negative samples a word (Mikolov et al. 2013)."""
    seed: int = 1
    threads: int = 1


@dataclass(frozen=True, slots=True)
class WordVectors:
    """Words, the most frequent first, and their vectors (V, D)."""

    words: tuple[str, ...]
    matrix: Matrix
    _index: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ModelError when words and rows do not fit."""
        if len(self.words) != len(self.matrix) or self.matrix.ndim != 2:
            raise ModelError(f"{len(self.words)} words but a matrix of {self.matrix.shape}", fix="give one row a word")
        self._index.update({word: i for i, word in enumerate(self.words)})

    def __contains__(self, word: object) -> bool:
        return word in self._index

    def row(self, word: str) -> int:
        """Row of a word. Raises TextError for an unknown one, naming the nearest spelling."""
        if word not in self._index:
            from rapidfuzz import process

            near = process.extractOne(word, self.words[:50_000])  # rarer words are rarely what was meant
            raise TextError(
                f"no vector for {word!r}", fix=f"did you mean {near[0]!r}?" if near else "train on more text"
            )
        return self._index[word]

    def __getitem__(self, word: str) -> Matrix:
        """The vector (D,) of a word; TextError as `row`."""
        return np.asarray(self.matrix[self.row(word)])


def tokenize(lines: Iterable[str]) -> list[list[str]]:
    """Lines to lower-case words of letters and their marks."""
    from gensim.utils import tokenize as words

    # gensim takes marks for spaces, which leaves pieces of words in scripts with vowel signs.
    return [_words(line) if any(map(_is_mark, line)) else list(words(line, lowercase=True)) for line in lines]


def _words(line: str) -> list[str]:
    in_word = ((c, _is_mark(c) or c == "_" or (c.isalnum() and not c.isdecimal())) for c in line.lower())
    return "".join(c if inside else " " for c, inside in in_word).split()


@cache
def _is_mark(c: str) -> bool:
    return unicodedata.category(c).startswith("M")


def train_vectors(
    sentences: Sequence[Sequence[str]],
    options: VectorOptions | None = None,
    *,
    progress: Advance = silent,
    state: Path | None = None,
) -> WordVectors:
    """Train on tokenised sentences; `progress` moves by epochs, in small parts.

    With `state`, every epoch is saved there, a run that was interrupted goes on after the last whole epoch, and the
    file is removed at the end; with one thread the vectors are the same as without an interruption. Raises TextError
    when no word is frequent enough.
    """
    options = options or VectorOptions()
    watched = _Watched(sentences, progress)  # silent while the vocabulary is built, which reads everything once
    model = _new_model(options)
    model.build_vocab(watched)
    if not len(model.wv):
        raise TextError(
            f"no word occurs {options.min_count} times in {len(sentences)} sentences",
            fix="give more text, or a smaller min_count",
        )
    digest = _digest(sentences, options) if state else ""
    done = load_epoch(state, model, digest) if state else 0
    model.finished_epochs = done  # the learning rate falls over all epochs, not over those that are left
    watched.watched = True
    progress(done, "")
    if done < options.epochs:
        model.train(
            watched,
            total_examples=model.corpus_count,
            total_words=model.corpus_total_words,
            epochs=options.epochs - done,
            callbacks=[_saver(state, done, digest)] if state else [],
        )
    if state:
        state.unlink(missing_ok=True)
    return WordVectors(tuple(model.wv.index_to_key), np.array(model.wv.vectors, dtype=np.float32))


class _Watched:
    """Sentences that report how many of them were read."""

    def __init__(self, sentences: Sequence[Sequence[str]], progress: Advance) -> None:
        self._sentences, self._progress = sentences, progress
        self.watched = False

    def __iter__(self) -> Iterator[Sequence[str]]:
        size, told = len(self._sentences), 0
        for number, sentence in enumerate(self._sentences, 1):
            yield sentence
            if self.watched and (number % max(1, size // 100) == 0 or number == size):
                self._progress((number - told) / size, "")
                told = number


def _new_model(options: VectorOptions) -> Any:
    from gensim.models import FastText, Word2Vec

    base: Any = FastText if options.kind == "fasttext" else Word2Vec

    class Resumable(base):  # type: ignore[misc]
        finished_epochs = 0
        epochs: int

        def _get_next_alpha(self, epoch_progress: float, cur_epoch: int) -> Any:
            """The rate that an uninterrupted run has here."""
            remaining, self.epochs = self.epochs, options.epochs
            try:
                return super()._get_next_alpha(epoch_progress, cur_epoch + self.finished_epochs)
            finally:
                self.epochs = remaining

    common: dict[str, Any] = {
        "vector_size": options.dim,
        "window": options.window,
        "min_count": options.min_count,
        "epochs": options.epochs,
        "negative": options.negative,
        "sg": 1,  # skip-gram
        "seed": options.seed,
        "workers": options.threads,
    }
    # Python's own hash of a string changes from process to process.
    return Resumable(**common) if options.kind == "fasttext" else Resumable(hashfxn=_stable_hash, **common)


def _saver(path: Path, done: int, digest: str) -> Any:
    from gensim.models.callbacks import CallbackAny2Vec

    class Saver(CallbackAny2Vec):  # type: ignore[misc]
        finished = done

        def on_epoch_end(self, model: Any) -> None:
            self.finished += 1
            save_epoch(path, model, self.finished, digest)

    return Saver()


def _digest(sentences: Sequence[Sequence[str]], options: VectorOptions) -> str:
    digest = hashlib.sha256(repr(options).encode())
    for sentence in sentences:
        digest.update(" ".join(sentence).encode() + b"\n")
    return digest.hexdigest()


def _stable_hash(word: str) -> int:
    return zlib.crc32(word.encode())


def save_vectors(path: Path, vectors: WordVectors) -> None:
    """Write word2vec's text format (.vec), its binary one (.bin) or gensim's own (.kv), whole or not at all."""
    from gensim.models import KeyedVectors

    check_suffix(path)
    keyed = KeyedVectors(vectors.matrix.shape[1])
    keyed.add_vectors(list(vectors.words), vectors.matrix)
    for rank, word in enumerate(vectors.words):  # gensim writes words by falling count
        keyed.set_vecattr(word, "count", len(vectors.words) - rank)
    with replacing(path) as temporary:
        if path.suffix == ".kv":
            write_keyed(temporary, keyed)
        else:
            keyed.save_word2vec_format(str(temporary), binary=path.suffix == ".bin", write_header=True)


_UNREADABLE = (
    EOFError, ValueError, OSError, LookupError, MemoryError, OverflowError, TypeError, AttributeError,
    pickle.UnpicklingError,
)  # fmt: skip
"""What gensim and pickle raise for damaged files."""


def load_vectors(path: Path) -> WordVectors:
    """Read a .vec, .bin or .kv file. Raises ModelError for a missing, truncated or foreign file.

    gensim's .kv files are pickles: they are read by a reader that can make arrays and nothing else (`keyed.py`).
    """
    check_suffix(path)
    try:
        words, matrix = read_keyed(path) if path.suffix == ".kv" else _read_word2vec(path)
    except FileNotFoundError as error:
        raise ModelError("no such file of vectors", where=path, fix="check the path") from error
    except ForeignPickleError as error:
        raise ModelError(f"refused: {error}", where=path, fix="save it as .bin or .vec with gensim") from error
    except _UNREADABLE as error:
        raise ModelError(f"cannot be read as word vectors ({error})", where=path, fix="write the file again") from error
    if not words:
        raise ModelError("the file has no vectors", where=path, fix="write the file again")
    vectors = WordVectors(tuple(words), np.array(matrix, dtype=np.float32))
    wrong = np.flatnonzero(~np.isfinite(vectors.matrix).all(axis=1))
    if len(wrong):
        what = f"{len(wrong)} vectors with components that are no numbers, such as that of {words[int(wrong[0])]!r}"
        raise ModelError(what, where=path, fix="write the file again")
    return vectors


def _read_word2vec(path: Path) -> tuple[list[str], Any]:
    from gensim.models import KeyedVectors

    keyed = KeyedVectors.load_word2vec_format(str(path), binary=path.suffix == ".bin")
    return list(keyed.index_to_key), keyed.vectors


def check_suffix(path: Path) -> None:
    """Raises ModelError for a file that is not .vec, .bin or .kv, before anything is trained."""
    if path.suffix not in (".vec", ".bin", ".kv"):
        raise ModelError(
            f"unknown kind of vectors {path.suffix!r}",
            where=path,
            fix="use word2vec's formats, .vec (text) or .bin, or gensim's .kv",
        )
