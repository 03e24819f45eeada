"""Transfer of a language model to another language: words by name, by aligned vectors or by spelling, by the plan."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from vizinho.plan.apply import apply_plan, plant, shapes_of
from vizinho.plan.plan import TokenAxis, TransferPlan, plan_axes
from vizinho.plan.tokens import NEAREST, NeighbourTable, RowOptions, match_tokens
from vizinho.text_models.lstm import LanguageModel, build
from vizinho.text_models.lstm_folder import TrainedModel
from vizinho.text_models.words import TokenList
from vizinho.vectors.align import csls, identical_seeds, normalize, procrustes
from vizinho.vectors.static import WordVectors

SEEDS = 1500
"""Most words spelt alike that the rotation of one space onto the other is learnt from."""
LEAST_SPELLING = 0.7
"""Least similarity of spelling (1 minus edit distance by length) of words that stand in for each other."""
SHORTEST = 4
"""Letters of the shortest word that is matched by its spelling; shorter ones are similar by accident."""
_BLOCK = 1000

WORD_PARAMETERS = ("words.weight", "words.bias")
CHARACTER_PARAMETERS = ("encoder.characters.weight",)


@dataclass(frozen=True, slots=True)
class AlignedVectors:
    """Static vectors of both languages, and the pairs (target, donor) that one space is rotated onto the other by."""

    target: WordVectors
    donor: WordVectors
    pairs: tuple[tuple[str, str], ...] = ()
    """Without pairs, words spelt alike are taken."""


def word_neighbours(targets: Sequence[str], donors: Collection[str], vectors: AlignedVectors | None) -> NeighbourTable:
    """For target words that the donor does not have: the donor words used alike, or else those spelt alike.

    Raises TextError as `procrustes` when too few words are known to both spaces.
    """
    new = [w for w in targets if w not in donors]
    neighbours: dict[str, tuple[tuple[str, float], ...]] = {}
    how: dict[str, str] = {}
    tables = [("is used like", _used_alike(new, donors, vectors))] if vectors is not None else []
    tables.append(("is spelt like", _spelt_alike([w for w in new if len(w) >= SHORTEST], donors)))
    # The first table that has a word wins: use says more than spelling.
    for phrase, table in tables:
        for word, near in table.items():
            if near and word not in neighbours:
                neighbours[word], how[word] = near, phrase
    return NeighbourTable(neighbours, how, "vectors, else spelling" if vectors is not None else "spelling")


def _used_alike(
    new: Sequence[str], donors: Collection[str], vectors: AlignedVectors
) -> dict[str, tuple[tuple[str, float], ...]]:
    """Nearest by CSLS, which corrects for words that are near to many; their weight is the cosine, at least zero."""
    target, donor = vectors.target, vectors.donor
    target_rows, donor_rows = normalize(target.matrix), normalize(donor.matrix)
    pairs = list(vectors.pairs) or identical_seeds(target, donor, SEEDS, set())
    donor_places, target_places = [donor.row(b) for _, b in pairs], [target.row(a) for a, _ in pairs]
    # Rotate the donor's space onto the target's: both are of unit vectors, and a rotation keeps cosines.
    donor_rows = donor_rows @ procrustes(donor_rows[donor_places], target_rows[target_places])
    candidates = [w for w in donor.words if w in donors]
    rows = donor_rows[[donor.row(w) for w in candidates]]
    known = [w for w in new if w in target]
    neighbours: dict[str, tuple[tuple[str, float], ...]] = {}
    for start in range(0, len(known), _BLOCK):
        words = known[start : start + _BLOCK]
        queries = target_rows[[target.row(w) for w in words]]
        # In blocks, because the scores of all words with all candidates would not fit into memory.
        order = np.argsort(-csls(queries, rows), axis=1)[:, :NEAREST]
        for word, query, best in zip(words, queries, order, strict=True):
            cosines = rows[best] @ query
            near = zip(best, cosines, strict=True)
            neighbours[word] = tuple((candidates[int(i)], max(0.0, float(c))) for i, c in near)
    return neighbours


def _spelt_alike(new: Sequence[str], donors: Collection[str]) -> dict[str, tuple[tuple[str, float], ...]]:
    """The donor words with the smallest edit distance by length, at most NEAREST."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    candidates = [w for w in donors if len(w) >= SHORTEST]
    neighbours: dict[str, tuple[tuple[str, float], ...]] = {}
    for start in range(0, len(new), _BLOCK):
        words = new[start : start + _BLOCK]
        alike = cdist(words, candidates, scorer=Levenshtein.normalized_similarity, score_cutoff=LEAST_SPELLING)
        for word, scores in zip(words, alike, strict=True):
            best = np.argsort(-scores, kind="stable")[:NEAREST]  # of equals the more frequent word
            neighbours[word] = tuple((candidates[int(i)], float(scores[i])) for i in best if scores[i] > 0)
    return neighbours


def plan_transfer(
    target: LanguageModel,
    words: TokenList,
    characters: TokenList | None,
    donor: TrainedModel,
    rows: RowOptions,
    vectors: AlignedVectors | None = None,
) -> TransferPlan:
    """The plan of every parameter. Raises PlanError when the two models differ in shape.

    A model that reads characters has a row per word only in its output.
    """
    table = (
        word_neighbours(words.tokens, dict.fromkeys(donor.words.tokens), vectors) if rows.new_rows != "fresh" else None
    )
    sources = match_tokens(words.inventory, donor.words.inventory, rows, table)
    axes = [TokenAxis(tuple(sources), donor.words.tokens, {n: n for n in WORD_PARAMETERS})]
    if characters is not None and donor.characters is not None:
        letters = match_tokens(characters.inventory, donor.characters.inventory, RowOptions())
        axes.append(TokenAxis(tuple(letters), donor.characters.tokens, {n: n for n in CHARACTER_PARAMETERS}))
    return plan_axes(shapes_of(target.state_dict()), shapes_of(donor.model.state_dict()), axes)


def transferred(
    donor: TrainedModel,
    words: TokenList,
    characters: TokenList | None,
    rows: RowOptions,
    vectors: AlignedVectors | None = None,
    *,
    seed: int = 1,
) -> tuple[LanguageModel, TransferPlan]:
    """A model of the donor's shape for other words, at its start, and the plan of where its parameters come from."""
    # Fresh weights first: rows that the plan does not fill keep them.
    target = build(donor.model.shape, len(words), len(characters) if characters is not None else None, seed)
    plan = plan_transfer(target, words, characters, donor, rows, vectors)
    plant(target, apply_plan(plan, donor.model.state_dict(), target.state_dict()))
    return target, plan
