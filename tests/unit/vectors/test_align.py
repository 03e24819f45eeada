import numpy as np
import pytest
import scipy.stats

from vizinho.errors import TextError
from vizinho.vectors.align import (
    csls,
    hits,
    identical_seeds,
    normalize,
    procrustes,
    relational_similarity,
    sentence_vectors,
)
from vizinho.vectors.static import WordVectors

RNG = np.random.default_rng(1)


def space(count=200, dim=12):
    return RNG.standard_normal((count, dim)).astype(np.float32)


def test_a_turned_space_is_turned_back():
    ours = normalize(space())
    rotation = scipy.stats.ortho_group.rvs(12, random_state=2).astype(np.float32)
    theirs = ours @ rotation.T
    found = procrustes(theirs[:60], ours[:60])
    assert np.allclose(theirs @ found, ours, atol=1e-4)
    assert np.allclose(found @ found.T, np.eye(12), atol=1e-5)
    assert hits(csls(theirs[60:] @ found, ours), np.arange(60, 200)).mean() == 1.0
    assert hits(csls(theirs[60:], ours), np.arange(60, 200)).mean() < 0.2


def test_relations_do_not_depend_on_the_turn():
    ours = normalize(space())
    rotation = scipy.stats.ortho_group.rvs(12, random_state=3).astype(np.float32)
    assert relational_similarity(ours, ours @ rotation) == pytest.approx(1.0, abs=1e-4)
    assert abs(relational_similarity(ours, ours[RNG.permutation(200)])) < 0.1


def test_csls_pushes_away_what_is_near_to_everything():
    queries = normalize(space(40))
    hub = queries.mean(axis=0, keepdims=True)
    hub = hub / np.linalg.norm(hub)
    candidates = np.concatenate([queries + 0.4 * space(40) / 3, hub]).astype(np.float32)
    candidates = candidates / np.linalg.norm(candidates, axis=1, keepdims=True)
    plain = (queries @ candidates.T).argmax(axis=1)
    assert (csls(queries, candidates).argmax(axis=1) == 40).sum() <= (plain == 40).sum()


def test_seeds_are_long_words_of_both_and_none_of_those_left_out():
    ours = WordVectors(("casa", "de", "mesa", "porta"), np.ones((4, 2), dtype=np.float32))
    theirs = WordVectors(("mesa", "de", "casa"), np.ones((3, 2), dtype=np.float32))
    assert identical_seeds(ours, theirs, 10, {"mesa"}) == [("casa", "casa")]
    with pytest.raises(TextError, match="only 1 seed pairs"):
        procrustes(np.ones((1, 2)), np.ones((1, 2)))


def test_sentences_are_unit_means_and_unknown_ones_zero():
    vectors = WordVectors(("a", "b"), np.array([[1, 0], [0, 1]], dtype=np.float32))
    made = sentence_vectors([["a", "b", "z"], ["z"]], vectors, vectors.matrix)
    assert np.linalg.norm(made[0]) == pytest.approx(1.0, abs=1e-5)
    assert made[0, 1] > made[0, 0] > 0
    assert not made[1].any()
