"""How well an alignment translates words: by frequency, beside the spaces unmapped and a floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vizinho.errors import TextError
from vizinho.vectors.align import csls, normalize, procrustes, relational_similarity, width_checked
from vizinho.vectors.isomorphism import eigenvector_similarity, gromov_hausdorff_bound
from vizinho.vectors.retrieval import Share, share
from vizinho.vectors.static import WordVectors

BANDS = (1000, 3000, 10_000)
"""Ranks of the donor word at which one band of frequency ends and the next begins."""
MOST_SHAPED = 1000
"""Most pairs from which the shapes of the spaces are compared."""
LEAST_TESTED = 10

Pair = tuple[str, str]
"""(target word, donor word), as `read_dictionary` and `identical_seeds` give them."""
Start = Literal["unmapped", "floor", "aligned"]


@dataclass(frozen=True, slots=True)
class Row:
    """Precision at 1 of one way to map and one band of frequency, by CSLS and by plain nearest neighbour."""

    mapping: Start
    band: str
    csls: Share
    nearest: Share


@dataclass(frozen=True, slots=True)
class Shape:
    """One measure of how alike the spaces are, with what spaces without any likeness give."""

    name: str
    value: float
    floor: float
    nearer: Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Translation:
    """What `evaluate_alignment` found."""

    rows: tuple[Row, ...]
    shapes: tuple[Shape, ...]
    seeds: int
    tested: int
    """Donor words with a translation among the candidates."""
    untested: int
    """Pairs of the dictionary without vectors, or whose translation is too rare to be a candidate."""


def evaluate_alignment(
    ours: WordVectors,
    theirs: WordVectors,
    seeds: Sequence[Pair],
    dictionary: Sequence[Pair],
    *,
    candidates: int = 10_000,
    seed: int = 1,
) -> Translation:
    """Translate the donor words of `dictionary` by their nearest among the most frequent target words.

    Three mappings: none; "floor", a rotation learnt from the same seeds with partners shuffled; and the rotation learnt
    from the seeds (Procrustes). A donor word with several translations is right with any. Seeds with a tested word are
    left out. Raises ModelError for vectors of different widths, TextError for too few seeds or words to test on.
    """
    width_checked(theirs, ours)
    queries, right, untested = _testable(ours, theirs, dictionary, candidates)
    tested_ours = {ours.words[i] for rows in right for i in rows}
    tested_theirs = {theirs.words[i] for i in queries}
    kept = [(a, b) for a, b in seeds if a not in tested_ours and b not in tested_theirs]
    first, second = normalize(ours.matrix), normalize(theirs.matrix)
    our_rows, their_rows = [ours.row(a) for a, _ in kept], [theirs.row(b) for _, b in kept]
    rng = np.random.default_rng(seed)
    rotation = procrustes(second[their_rows], first[our_rows])
    shuffled = procrustes(second[their_rows], first[list(rng.permutation(our_rows))])
    mapped: dict[Start, Any] = {"unmapped": second, "floor": second @ shuffled, "aligned": second @ rotation}
    rows: list[Row] = []
    for name, space in mapped.items():
        rows += _rows(name, space[queries], first[:candidates], queries, right, rng)
    return Translation(tuple(rows), _shapes(first, second, queries, right, rng), len(kept), len(queries), untested)


def _testable(
    ours: WordVectors, theirs: WordVectors, dictionary: Sequence[Pair], candidates: int
) -> tuple[list[int], list[set[int]], int]:
    """Donor rows, the right target rows of each, and how many pairs were left out."""
    found: dict[int, set[int]] = {}
    untested = 0
    for target, donor in dictionary:
        if target in ours and donor in theirs and ours.row(target) < candidates:
            found.setdefault(theirs.row(donor), set()).add(ours.row(target))
        else:
            untested += 1
    if len(found) < LEAST_TESTED:
        raise TextError(
            f"only {len(found)} words to test on",
            where="dictionary",
            fix=f"give {LEAST_TESTED} or more that have vectors",
        )
    queries = sorted(found)
    return queries, [found[q] for q in queries], untested


def _rows(
    mapping: Start, queries: Any, candidates: Any, ranks: Sequence[int], right: Sequence[set[int]], rng: Any
) -> list[Row]:
    scaled, plain = (_right(scores, right) for scores in (csls(queries, candidates), queries @ candidates.T))
    made = [Row(mapping, "all", share(scaled, rng), share(plain, rng))]
    for low, high in zip((0, *BANDS), (*BANDS, None), strict=True):
        places = [i for i, rank in enumerate(ranks) if low <= rank and (high is None or rank < high)]
        if places:
            name = f"{low + 1}-{high}" if high else f"{low + 1}-"
            made.append(Row(mapping, name, share(scaled[places], rng), share(plain[places], rng)))
    return made


def _right(scores: Any, right: Sequence[set[int]]) -> npt.NDArray[np.float64]:
    best = scores.argmax(axis=1)
    return np.array([float(int(found) in rows) for found, rows in zip(best, right, strict=True)])


def _shapes(first: Any, second: Any, queries: Sequence[int], right: Sequence[set[int]], rng: Any) -> tuple[Shape, ...]:
    """Of the tested words and their translations; the floor are points drawn at random in as many dimensions."""
    pairs = [(min(rows), query) for query, rows in zip(queries, right, strict=True)][:MOST_SHAPED]
    seen: set[int] = set()
    pairs = [(a, b) for a, b in pairs if not (a in seen or seen.add(a))]  # type: ignore[func-returns-value]
    ours, theirs = first[[a for a, _ in pairs]], second[[b for _, b in pairs]]
    noise = normalize(rng.standard_normal(ours.shape).astype(np.float32))
    shuffled = theirs[rng.permutation(len(theirs))]
    return (
        Shape(
            "relational similarity",
            relational_similarity(ours, theirs),
            relational_similarity(ours, shuffled),
            "higher",
        ),
        Shape("spectral distance", eigenvector_similarity(ours, theirs), eigenvector_similarity(ours, noise), "lower"),
        Shape(
            "Gromov-Hausdorff bound", gromov_hausdorff_bound(ours, theirs), gromov_hausdorff_bound(ours, noise), "lower"
        ),
    )
