"""How well an alignment translates words: by frequency, compared with the spaces unmapped and with a floor."""

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
    """The result of `evaluate_alignment`."""

    rows: tuple[Row, ...]
    shapes: tuple[Shape, ...]
    seeds: int
    tested: int
    """Donor words with a translation among the candidates."""
    untested: int
    """Pairs of the dictionary without vectors, or whose translation is too rare to be a candidate."""


def evaluate_alignment(
    target: WordVectors,
    donor: WordVectors,
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
    width_checked(donor, target)
    queries, right, untested = _testable(target, donor, dictionary, candidates)
    tested = {target.words[i] for rows in right for i in rows}
    tested_donor = {donor.words[i] for i in queries}
    fair = [(a, b) for a, b in seeds if a not in tested and b not in tested_donor]
    first, second = normalize(target.matrix), normalize(donor.matrix)
    rows, donor_rows = [target.row(a) for a, _ in fair], [donor.row(b) for _, b in fair]
    rng = np.random.default_rng(seed)
    rotation = procrustes(second[donor_rows], first[rows])
    # The floor has a rotation too, learnt from as many pairs: what any rotation can reach.
    shuffled = procrustes(second[donor_rows], first[list(rng.permutation(rows))])
    mapped: dict[Start, Any] = {"unmapped": second, "floor": second @ shuffled, "aligned": second @ rotation}
    table: list[Row] = []
    for name, space in mapped.items():
        table += _rows(name, space[queries], first[:candidates], queries, right, rng)
    return Translation(tuple(table), _shapes(first, second, queries, right, rng), len(fair), len(queries), untested)


def _testable(
    target: WordVectors, donor: WordVectors, dictionary: Sequence[Pair], candidates: int
) -> tuple[list[int], list[set[int]], int]:
    """Donor rows, the right target rows of each, and how many pairs were left out."""
    right: dict[int, set[int]] = {}
    untested = 0
    for word, donor_word in dictionary:
        if word in target and donor_word in donor and target.row(word) < candidates:
            right.setdefault(donor.row(donor_word), set()).add(target.row(word))
        else:
            untested += 1
    if len(right) < LEAST_TESTED:
        fix = f"give {LEAST_TESTED} or more that have vectors"
        raise TextError(f"only {len(right)} words to test on", where="dictionary", fix=fix)
    queries = sorted(right)
    return queries, [right[q] for q in queries], untested


def _rows(
    mapping: Start, queries: Any, candidates: Any, ranks: Sequence[int], right: Sequence[set[int]], rng: Any
) -> list[Row]:
    scaled, plain = (_right(scores, right) for scores in (csls(queries, candidates), queries @ candidates.T))
    rows = [Row(mapping, "all", share(scaled, rng), share(plain, rng))]
    for low, high in zip((0, *BANDS), (*BANDS, None), strict=True):  # rows of vectors are ranks
        places = [i for i, rank in enumerate(ranks) if low <= rank and (high is None or rank < high)]
        if places:
            name = f"{low + 1}-{high}" if high else f"{low + 1}-"
            rows.append(Row(mapping, name, share(scaled[places], rng), share(plain[places], rng)))
    return rows


def _right(scores: Any, right: Sequence[set[int]]) -> npt.NDArray[np.float64]:
    return np.array([float(int(best) in rows) for best, rows in zip(scores.argmax(axis=1), right, strict=True)])


def _shapes(first: Any, second: Any, queries: Sequence[int], right: Sequence[set[int]], rng: Any) -> tuple[Shape, ...]:
    """Of the tested words and their translations; the floor are points drawn at random in as many dimensions."""
    pairs: dict[int, int] = {}  # a target word once: two equal rows have no shape
    for query, rows in zip(queries[:MOST_SHAPED], right, strict=False):
        pairs.setdefault(min(rows), query)
    target, donor = first[list(pairs)], second[list(pairs.values())]
    noise = normalize(rng.standard_normal(target.shape).astype(np.float32))
    shuffled = donor[rng.permutation(len(donor))]
    similarity, chance = relational_similarity(target, donor), relational_similarity(target, shuffled)
    spectral, bound = eigenvector_similarity, gromov_hausdorff_bound
    return (
        Shape("relational similarity", similarity, chance, "higher"),
        Shape("spectral distance", spectral(target, donor), spectral(target, noise), "lower"),
        Shape("Gromov-Hausdorff bound", bound(target, donor), bound(target, noise), "lower"),
    )
