"""Two monolingual spaces into one: orthogonal Procrustes on seed pairs, retrieval by CSLS, and how alike they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

from vizinho.errors import ModelError, TextError
from vizinho.vectors.static import WordVectors

NEIGHBOURS = 10
"""Neighbours that CSLS takes the density of a word's surroundings from."""
LEAST_SEEDS = 20
Matrix = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]


def normalize(matrix: Matrix) -> Matrix:
    """Rows to unit length, columns centred, rows to unit length again (Artetxe et al. 2018): (V, D)."""
    rows = _unit(matrix)
    # Common directions make every two words alike; without them cosines say more (Mu and Viswanath 2018).
    return _unit(rows - rows.mean(axis=0))


def _unit(matrix: Any) -> Matrix:
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.maximum(lengths, 1e-9), dtype=np.float32)


def identical_seeds(target: WordVectors, donor: WordVectors, most: int, leave_out: set[str]) -> list[tuple[str, str]]:
    """The most frequent words of four letters or more that both have, spelt alike, without those of `leave_out`."""
    # Shorter words are often spelt alike by accident.
    return [(w, w) for w in target.words if len(w) >= 4 and w in donor and w not in leave_out][:most]


def read_dictionary(path: Path, target: WordVectors, donor: WordVectors) -> list[tuple[str, str]]:
    """(target word, donor word) from lines "donor word, tab, target word" whose words both have vectors.

    Raises TextError for a missing file and a line without a tab.
    """
    if not path.is_file():
        raise TextError("no such dictionary", where=str(path), fix="check the path")
    pairs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        donor_word, tab, word = line.partition("\t")
        if line.strip() and not tab:
            raise TextError("not two words with a tab between them", where=f"{path}:{number}", fix="mend the line")
        if donor_word in donor and word in target:
            pairs.append((word, donor_word))
    return pairs


def procrustes(donor: Matrix, target: Matrix) -> Matrix:
    """The rotation (D, D) that brings donor rows (N, D) nearest to target rows (Schoenemann 1966). Raises TextError."""
    if len(donor) < LEAST_SEEDS:
        fix = f"at least {LEAST_SEEDS} words must be known to both spaces"
        raise TextError(f"only {len(donor)} seed pairs", fix=fix)
    rotation, _ = scipy.linalg.orthogonal_procrustes(donor, target)
    return np.asarray(rotation, dtype=np.float32)


def csls(queries: Matrix, candidates: Matrix) -> Matrix:
    """Cross-domain similarity local scaling of unit rows (Conneau et al. 2018): (Q, C), higher is nearer.

    A word that is near to everything is pushed away: twice the cosine, less the mean cosine of each to its neighbours.
    """
    return csls_of(queries @ candidates.T)


def csls_of(cosines: Matrix) -> Matrix:
    """As `csls`, from the cosines (Q, C)."""
    k = min(NEIGHBOURS, cosines.shape[0], cosines.shape[1])
    around_queries = np.partition(cosines, -k, axis=1)[:, -k:].mean(axis=1)  # (Q,): mean of the k greatest
    around_candidates = np.partition(cosines, -k, axis=0)[-k:].mean(axis=0)  # (C,)
    return np.asarray(2 * cosines - around_queries[:, None] - around_candidates[None], dtype=np.float32)


def width_checked(donor: WordVectors, target: WordVectors) -> None:
    """Raises ModelError for vectors of different widths: no rotation leads from one space to the other."""
    widths = donor.matrix.shape[1], target.matrix.shape[1]
    if widths[0] != widths[1]:
        raise ModelError(f"vectors of {widths[0]} and of {widths[1]} components", fix="train both with the same --dim")


def hits(scores: Matrix, right: Rows) -> npt.NDArray[np.float64]:
    """1 where the best candidate of a query is the right one: scores (Q, C), right (Q,)."""
    return np.asarray(scores.argmax(axis=1) == right, dtype=np.float64)


def relational_similarity(target: Matrix, donor: Matrix) -> float:
    """Correlation of the cosines among N words with those among their translations (RSIM, Vulic et al. 2020)."""
    upper = np.triu_indices(len(target), 1)  # each pair once, no word with itself
    return float(np.corrcoef((target @ target.T)[upper], (donor @ donor.T)[upper])[0, 1])


def sentence_vectors(sentences: Sequence[Sequence[str]], vectors: WordVectors, matrix: Matrix) -> Matrix:
    """Unit means of the rows of `matrix` for each sentence's words, rarer words weighing more: (S, D).

    Weights a / (a + share) with a = 1e-3 (Arora et al. 2017), shares by Zipf's law from the rank. A sentence without a
    known word is zero.
    """
    # Word lists are in the order of frequency, but hold no counts.
    ranks = np.arange(1, len(vectors.words) + 1)
    shares = 1 / ranks / (1 / ranks).sum()
    weights = 1e-3 / (1e-3 + shares)
    sums = np.zeros((len(sentences), matrix.shape[1]), dtype=np.float32)
    for i, sentence in enumerate(sentences):
        rows = [vectors.row(w) for w in sentence if w in vectors]
        if rows:
            sums[i] = (weights[rows, None] * matrix[rows]).sum(axis=0)
    return _unit(sums)
