"""Static word vectors: trained with word2vec or fastText (gensim), loaded from and saved to word2vec's own formats."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vizinho.errors import ModelError, TextError
from vizinho.progress import Advance, silent

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

            near = process.extractOne(word, self.words[:50_000])
            raise TextError(
                f"no vector for {word!r}", fix=f"did you mean {near[0]!r}?" if near else "train on more text"
            )
        return self._index[word]

    def __getitem__(self, word: str) -> Matrix:
        """The vector (D,) of a word; TextError as `row`."""
        return np.asarray(self.matrix[self.row(word)])


def tokenize(lines: Iterable[str]) -> list[list[str]]:
    """Lines to lower-case words of letters only."""
    from gensim.utils import tokenize as words

    return [list(words(line, lowercase=True)) for line in lines]


def train_vectors(
    sentences: Sequence[Sequence[str]], options: VectorOptions | None = None, *, progress: Advance = silent
) -> WordVectors:
    """Train on tokenised sentences; `progress` moves by epochs. Raises TextError when no word is frequent enough."""
    from gensim.models import FastText, Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec

    options = options or VectorOptions()

    class Report(CallbackAny2Vec):  # type: ignore[misc]
        def on_epoch_end(self, model: Any) -> None:
            progress(1, "")

    common: dict[str, Any] = {
        "vector_size": options.dim,
        "window": options.window,
        "min_count": options.min_count,
        "epochs": options.epochs,
        "negative": options.negative,
        "sg": 1,
        "seed": options.seed,
        "workers": options.threads,
        "callbacks": [Report()],
    }
    try:
        if options.kind == "fasttext":
            model = FastText(list(sentences), **common)
        else:  # Python's own hash of a string changes from process to process
            model = Word2Vec(list(sentences), hashfxn=_stable_hash, **common)
    except RuntimeError as error:
        raise TextError(
            f"no word occurs {options.min_count} times in {len(sentences)} sentences",
            fix="give more text, or a smaller min_count",
        ) from error
    return WordVectors(tuple(model.wv.index_to_key), np.array(model.wv.vectors, dtype=np.float32))


def _stable_hash(word: str) -> int:
    return zlib.crc32(word.encode())


def save_vectors(path: Path, vectors: WordVectors) -> None:
    """Write word2vec's text format (.vec) or its binary one (.bin), whole or not at all."""
    from gensim.models import KeyedVectors

    check_suffix(path)
    keyed = KeyedVectors(vectors.matrix.shape[1])
    keyed.add_vectors(list(vectors.words), vectors.matrix)
    for rank, word in enumerate(vectors.words):  # gensim writes words by falling count
        keyed.set_vecattr(word, "count", len(vectors.words) - rank)
    path.parent.mkdir(parents=True, exist_ok=True)
    writing = path.with_name(f".{path.name}.writing")
    try:
        keyed.save_word2vec_format(str(writing), binary=path.suffix == ".bin", write_header=True)
        writing.replace(path)
    finally:
        writing.unlink(missing_ok=True)


def load_vectors(path: Path) -> WordVectors:
    """Read a .vec or .bin file. Raises ModelError for a missing, truncated or foreign file.

    gensim's own .kv files are pickles, which can run code of whoever wrote them, and are refused.
    """
    from gensim.models import KeyedVectors

    check_suffix(path)
    try:
        keyed = KeyedVectors.load_word2vec_format(str(path), binary=path.suffix == ".bin")
    except FileNotFoundError as error:
        raise ModelError("no such file of vectors", where=path, fix="check the path") from error
    except (EOFError, ValueError, UnicodeDecodeError, OSError, IndexError, MemoryError) as error:
        raise ModelError(f"cannot be read as word vectors ({error})", where=path, fix="write the file anew") from error
    if not len(keyed):
        raise ModelError("the file holds no vectors", where=path, fix="write the file anew")
    return WordVectors(tuple(keyed.index_to_key), np.array(keyed.vectors, dtype=np.float32))


def check_suffix(path: Path) -> None:
    """Raises ModelError for a file that is neither .vec nor .bin, before anything is trained in vain."""
    if path.suffix not in (".vec", ".bin"):
        raise ModelError(
            f"unknown kind of vectors {path.suffix!r}", where=path, fix="use word2vec's formats, .vec (text) or .bin"
        )
