"""Finding a sentence's translation among many by its vector, both ways, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.errors import TextError
from vizinho.vectors.align import csls_of

RESAMPLES = 1000
Hits = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Share:
    """A share of queries that were answered rightly, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Precision at 1 from the first side to the second, back, and the mean of both; `floor` is one in S sentences."""

    forward: Share
    back: Share
    both: Share
    floor: float


def retrieve(first: Any, second: Any, *, scaled: bool = True, seed: int = 1) -> Retrieval:
    """How many rows of `first` (S, D) have their partner in `second` (S, D) as their nearest, and the other way round.

    Rows of unit length; nearest by CSLS (Conneau et al. 2018), or by cosine where not `scaled`. A row of zeros is
    answered wrongly. Raises TextError when the sides differ in number or have fewer than two rows.
    """
    if len(first) != len(second) or len(first) < 2:
        raise TextError(f"{len(first)} and {len(second)} sentences", fix="give two or more pairs")
    return retrieve_by(np.asarray(first) @ np.asarray(second).T, scaled=scaled, seed=seed)


def retrieve_by(cosines: Any, *, scaled: bool = True, seed: int = 1) -> Retrieval:
    """As `retrieve`, from the cosines (S, S) of all pairs."""
    scores = csls_of(np.asarray(cosines)) if scaled else np.asarray(cosines)
    forward, back = hits(scores), hits(scores.T)
    rng = np.random.default_rng(seed)
    return Retrieval(share(forward, rng), share(back, rng), share((forward + back) / 2, rng), 1 / len(forward))


def hits(scores: Any) -> Hits:
    """1 for each row (S,) whose diagonal is its highest score, 0 where another is higher or as high."""
    right = np.diagonal(scores)  # sentence i of one side translates sentence i of the other
    others = np.array(scores, dtype=np.float64)
    np.fill_diagonal(others, -np.inf)
    return np.asarray(right > others.max(axis=1), dtype=np.float64)


def share(right: Hits, rng: np.random.Generator) -> Share:
    """Mean of the hits (S,), 1 for a right answer, and the percentile interval of its bootstrap over them."""
    # Few values occur, so that drawing how often each comes is drawing the hits.
    values, counts = np.unique(right, return_counts=True)
    means = rng.multinomial(len(right), counts / len(right), size=RESAMPLES) @ values / len(right)
    low, high = np.quantile(means, [0.025, 0.975])
    return Share(float(right.mean()), float(low), float(high), len(right))


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Sentence pairs, one a line with a tab between. Raises TextError for a missing file and for another line."""
    if not path.is_file():
        raise TextError("no such file of sentence pairs", where=path, fix="check the path")
    pairs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != 2 or not all(cells):
            raise TextError("not two sentences with a tab between them", where=f"{path}:{number}", fix="mend the line")
        pairs.append((cells[0], cells[1]))
    return pairs


def distinct(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs that repeat no side of an earlier pair: a sentence that occurs twice has no single right answer."""
    seen: tuple[set[str], set[str]] = (set(), set())
    unique = []
    for pair in pairs:
        if not any(text in side for text, side in zip(pair, seen, strict=True)):
            unique.append(pair)
        for text, side in zip(pair, seen, strict=True):
            side.add(text)
    return unique
