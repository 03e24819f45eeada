"""Texts of a language model: read, normalised, split into train and held-out parts, served in batches."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vizinho.errors import TextError
from vizinho.text.normalize import Normalizer
from vizinho.text_models.words import Batch, Sentence, TokenList, make_batch

LONGEST_SENTENCE = 60
"""Words; a longer sentence is cut into pieces, and nothing is lost."""
BLOCK = 100
"""Sentences that follow one another and stay on one side of a split, as those of one document mostly do."""
_SORTED = 20
"""Batches among which sentences are sorted by length, so that little of a batch is padding."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Sentences as normalised words, and a line for each line of text that could not be normalised."""

    sentences: list[list[str]]
    set_aside: tuple[str, ...] = ()

    @property
    def words(self) -> int:
        """Running words."""
        return sum(map(len, self.sentences))


def read_texts(paths: Sequence[Path], normalizer: Normalizer) -> Texts:
    """Words of each line, normalised as a recogniser's texts are; empty lines left out.

    Raises TextError for a missing file, one that is not UTF-8, and when no line has a word.
    """
    found: list[list[str]] = []
    set_aside: list[str] = []
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError as error:
            raise TextError("no such text file", where=path, fix="check the path") from error
        except UnicodeDecodeError as error:
            raise TextError(f"not UTF-8 ({error.reason})", where=path, fix="convert it") from error
        made = to_sentences(lines, normalizer, str(path))
        found += made.sentences
        set_aside += made.set_aside
    if not found:
        raise TextError("no line has a word", where=", ".join(map(str, paths)), fix="give one sentence a line")
    return Texts(found, tuple(set_aside))


def to_sentences(lines: Sequence[str], normalizer: Normalizer, where: str = "") -> Texts:
    """Normalised words of each line that has some, cut after LONGEST_SENTENCE words."""
    found: list[list[str]] = []
    set_aside = []
    for number, line in enumerate(lines, 1):
        try:
            words = normalizer(line).split()
        except TextError as error:
            set_aside.append(f"{where}:{number}: {error.what}")
            continue
        found += [words[i : i + LONGEST_SENTENCE] for i in range(0, len(words), LONGEST_SENTENCE)]
    return Texts(found, tuple(set_aside))


def fingerprint(sentences: Sequence[Sentence]) -> str:
    """Digest of the sentences in their order."""
    digest = hashlib.sha256()
    for sentence in sentences:
        digest.update(" ".join(sentence).encode() + b"\n")
    return digest.hexdigest()[:16]


def hold_out(sentences: Sequence[Sentence], shares: Sequence[float], seed: int) -> list[list[Sentence]]:
    """The rest, then one part for each share; blocks of neighbouring sentences stay together.

    A sentence that stands in several parts is left in the last alone, so that no part holds what another is tested
    on. Raises TextError when the text is too small for every part to get a block.
    """
    blocks = [sentences[i : i + BLOCK] for i in range(0, len(sentences), BLOCK)]
    if len(blocks) <= len(shares):
        raise TextError(
            f"{len(sentences)} sentences cannot be split into {len(shares) + 1} parts",
            fix=f"give more than {len(shares) * BLOCK} sentences, or a file to choose on",
        )
    order = list(range(len(blocks)))
    random.Random(f"hold out {seed}").shuffle(order)
    counts = [max(1, round(share * len(blocks))) for share in shares]
    parts: list[list[int]] = []
    for count in reversed(counts):
        parts.insert(0, sorted(order[:count]))
        order = order[count:]
    made: list[list[Sentence]] = []
    taken: set[str] = set()
    for part in reversed([sorted(order), *parts]):
        kept = [s for block in part for s in blocks[block] if " ".join(s) not in taken]
        taken |= {" ".join(s) for s in kept}
        made.insert(0, kept)
    return made


def batches(
    sentences: Sequence[Sentence],
    words: TokenList,
    characters: TokenList | None,
    *,
    batch_words: int,
    seed: int,
    first: int = 0,
) -> Iterator[Batch]:
    """Batches without end, the one numbered `first` to begin with; each depends on seed and number alone."""
    epoch = number = 0
    while True:
        for chosen in _epoch(sentences, batch_words, f"{seed} {epoch}"):
            if number >= first:
                yield make_batch([sentences[i] for i in chosen], words, characters)
            number += 1
        epoch += 1


def in_order(sentences: Sequence[Sentence], batch_words: int) -> list[list[int]]:
    """Every sentence once, by length: indices of the sentences of each batch, at most `batch_words` with padding."""
    return _fill(sorted(range(len(sentences)), key=lambda i: len(sentences[i])), sentences, batch_words)


def _epoch(sentences: Sequence[Sentence], batch_words: int, seed: str) -> list[list[int]]:
    generator = random.Random(seed)
    order = list(range(len(sentences)))
    generator.shuffle(order)
    mean = sum(map(len, sentences)) / len(sentences) + 1
    stretch = max(1, round(_SORTED * batch_words / mean))
    made: list[list[int]] = []
    for start in range(0, len(order), stretch):
        made += _fill(sorted(order[start : start + stretch], key=lambda i: len(sentences[i])), sentences, batch_words)
    generator.shuffle(made)
    return made


def _fill(order: Sequence[int], sentences: Sequence[Sentence], batch_words: int) -> list[list[int]]:
    made: list[list[int]] = []
    for index in order:  # from short to long, so the last sentence of a batch is its longest
        if made and (len(made[-1]) + 1) * (len(sentences[index]) + 1) <= batch_words:
            made[-1].append(index)
        else:
            made.append([index])
    return made
