"""Texts of a language model: read, normalised, split into train and held-out parts."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vizinho.errors import TextError
from vizinho.text.normalize import Normalizer
from vizinho.text_models.words import Sentence

LONGEST_SENTENCE = 60
"""Words; a longer sentence is cut into pieces, and nothing is lost."""
BLOCK = 100
"""Neighbouring sentences that stay on one side of a split, because they are mostly of one document."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Sentences as normalised words, and a line for each line of text that could not be normalised."""

    sentences: list[list[str]]
    skipped: tuple[str, ...] = ()

    @property
    def words(self) -> int:
        """Running words."""
        return sum(map(len, self.sentences))


def read_texts(paths: Sequence[Path], normalizer: Normalizer) -> Texts:
    """Words of each line, normalised as a recogniser's texts are; empty lines left out.

    Raises TextError for a missing file, one that is not UTF-8, and when no line has a word.
    """
    sentences: list[list[str]] = []
    skipped: list[str] = []
    for path in paths:
        texts = to_sentences(lines_of(path), normalizer, str(path))
        sentences += texts.sentences
        skipped += texts.skipped
    if not sentences:
        raise no_words(paths)
    return Texts(sentences, tuple(skipped))


def lines_of(path: Path) -> list[str]:
    """Lines of a text file. Raises TextError for a missing file and for one that is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise TextError("no such text file", where=path, fix="check the path") from error
    except UnicodeDecodeError as error:
        raise TextError(f"not UTF-8 ({error.reason})", where=path, fix="convert it") from error


def no_words(paths: Sequence[Path]) -> TextError:
    """The error of texts of which no line has a word."""
    return TextError("no line has a word", where=", ".join(map(str, paths)), fix="give one sentence a line")


def to_sentences(lines: Sequence[str], normalizer: Normalizer, where: str = "") -> Texts:
    """Normalised words of each line that has some, cut after LONGEST_SENTENCE words."""
    sentences: list[list[str]] = []
    skipped = []
    for number, line in enumerate(lines, 1):
        try:
            words = normalizer(line).split()
        except TextError as error:
            skipped.append(f"{where}:{number}: {error.what}")
            continue
        # Long lines are cut: LSTM steps are sequential, and one long sentence would pad a whole batch.
        sentences += [words[i : i + LONGEST_SENTENCE] for i in range(0, len(words), LONGEST_SENTENCE)]
    return Texts(sentences, tuple(skipped))


def fingerprint(sentences: Sequence[Sentence]) -> str:
    """Digest of the sentences in their order."""
    digest = hashlib.sha256()
    for sentence in sentences:
        digest.update(" ".join(sentence).encode() + b"\n")
    return digest.hexdigest()[:16]


def hold_out(sentences: Sequence[Sentence], shares: Sequence[float], seed: int) -> list[list[Sentence]]:
    """The rest, then one part for each share; blocks of neighbouring sentences stay together.

    A sentence that occurs in several parts stays in the last one only, so that no part contains what another is
    tested on. Raises TextError when the text is too small for every part to get a block.
    """
    blocks = [sentences[i : i + BLOCK] for i in range(0, len(sentences), BLOCK)]
    if len(blocks) <= len(shares):
        fix = f"give more than {len(shares) * BLOCK} sentences, or a file to choose on"
        raise TextError(f"{len(sentences)} sentences cannot be split into {len(shares) + 1} parts", fix=fix)
    order = list(range(len(blocks)))
    random.Random(f"hold out {seed}").shuffle(order)
    counts = [max(1, round(share * len(blocks))) for share in shares]
    parts: list[list[int]] = []
    # From the last part on: what is left is for training.
    for count in reversed(counts):
        parts.insert(0, sorted(order[:count]))
        order = order[count:]
    sides: list[list[Sentence]] = []
    taken: set[str] = set()
    for part in reversed([sorted(order), *parts]):
        side = [s for block in part for s in blocks[block] if " ".join(s) not in taken]
        taken |= {" ".join(s) for s in side}
        sides.insert(0, side)
    return sides


def in_order(sentences: Sequence[Sentence], batch_words: int) -> list[list[int]]:
    """Every sentence once, by length: indices of the sentences of each batch, at most `batch_words` with padding."""
    batches: list[list[int]] = []
    # From short to long, so the last sentence of a batch is its longest; its end counts as a word.
    for index in sorted(range(len(sentences)), key=lambda i: len(sentences[i])):
        if batches and (len(batches[-1]) + 1) * (len(sentences[index]) + 1) <= batch_words:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
