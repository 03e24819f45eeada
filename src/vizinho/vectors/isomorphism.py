"""How nearly two clouds of points have one shape, whatever their turn: spectra and distances, without any alignment."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse.csgraph
import scipy.spatial.distance

NEIGHBOURS = 10
"""Neighbours of a word in the graph whose spectrum is compared."""
ENERGY = 0.9
"""Share of a spectrum that the compared eigenvalues make up (Soegaard et al. 2018)."""

Matrix = npt.NDArray[np.float32]


def eigenvector_similarity(first: Matrix, second: Matrix) -> float:
    """Distance of the Laplacian spectra of the nearest-neighbour graphs of two sets of unit rows (N, D); 0 alike.

    Soegaard, Ruder and Vulic 2018: the mean squared difference of the k largest eigenvalues, k the fewest that make up
    nine tenths of either spectrum. (They sum; the mean does not grow with the number of words.)
    """
    spectra = _spectrum(first), _spectrum(second)
    k = min(map(_count, spectra))
    return float(((spectra[0][:k] - spectra[1][:k]) ** 2).mean())


def _spectrum(rows: Matrix) -> npt.NDArray[np.float64]:
    cosines = np.asarray(rows @ rows.T, dtype=np.float64)
    np.fill_diagonal(cosines, -np.inf)
    k = min(NEIGHBOURS, len(rows) - 1)
    graph = np.zeros(cosines.shape)
    nearest = np.argpartition(cosines, -k, axis=1)[:, -k:]
    np.put_along_axis(graph, nearest, 1.0, axis=1)
    graph = np.maximum(graph, graph.T)  # neighbours are mutual where either is near
    # Eigenvalues of the Laplacian D - A, the largest first.
    return np.sort(np.linalg.eigvalsh(np.diag(graph.sum(axis=1)) - graph))[::-1]


def _count(spectrum: npt.NDArray[np.float64]) -> int:
    # The first place where the cumulated share reaches ENERGY.
    return int(np.searchsorted(np.cumsum(spectrum) / spectrum.sum(), ENERGY)) + 1


def gromov_hausdorff_bound(first: Matrix, second: Matrix) -> float:
    """A lower bound of the Gromov-Hausdorff distance of two sets of as many rows (N, D), 0 alike (Patra et al. 2019).

    Half the bottleneck distance between the persistence diagrams of how the points join into clusters as the radius
    grows. All such classes are born at 0 and die at the edges of the minimum spanning tree, so that matching the sorted
    edges is a best matching, or leaving both of a pair unmatched where that is cheaper.
    """
    edges, others = _joining(first), _joining(second)
    apart = np.abs(edges - others)
    unmatched = np.maximum(edges, others) / 2
    return float(np.minimum(apart, unmatched).max() / 2)


def _joining(rows: Matrix) -> npt.NDArray[np.float64]:
    """Lengths of the N - 1 edges of the minimum spanning tree, sorted."""
    distances: Any = scipy.spatial.distance.squareform(scipy.spatial.distance.pdist(rows.astype(np.float64)))
    # Points that coincide would have no edge: to the tree's algorithm (nearly) zero means none.
    tree = scipy.sparse.csgraph.minimum_spanning_tree(np.maximum(distances, 1e-6)).tocoo()
    return np.sort(np.asarray(tree.data, dtype=np.float64))
