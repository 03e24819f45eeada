import numpy as np
import pytest
from grammar import FORWARD, TWO_WAY, fresh, sentences

from vizinho.errors import ModelError, TextError
from vizinho.text_models.contextual import layers, occurrences, senses, weighted_sum


def test_one_word_in_two_contexts_has_one_vector_without_context_and_two_with():
    trained = fresh(TWO_WAY)
    first, second = layers(trained, [["o", "gato", "come", "manga"], ["a", "manga", "do", "casaco"]])
    assert first.shape == (3, 4, 16)
    assert np.array_equal(first[0, 3], second[0, 1])
    for layer in (1, 2):
        assert not np.allclose(first[layer, 3], second[layer, 1], atol=1e-3)


def test_weights_choose_layers():
    vectors = np.random.default_rng(1).normal(size=(3, 4, 6)).astype(np.float32)
    only = weighted_sum(vectors, [0, 2, 0])
    assert np.allclose(np.linalg.norm(only, axis=-1), 1, atol=1e-6)
    assert np.allclose(only, vectors[1] / np.linalg.norm(vectors[1], axis=-1, keepdims=True), atol=1e-6)
    with pytest.raises(ModelError, match="2 weights for 3 layers"):
        weighted_sum(vectors, [1, 1])


def test_a_model_that_reads_one_way_has_no_vectors_in_context():
    with pytest.raises(ModelError, match="reads one way only"):
        layers(fresh(FORWARD), [["o"]])


def test_occurrences_are_grouped_and_each_is_in_one_group():
    trained = fresh(TWO_WAY)
    texts = sentences(60)
    found = senses(trained, "manga", texts)
    members = sorted(i for group in found.groups for i in group.members)
    assert members == list(range(len(found.occurrences)))
    assert len(set(found.occurrences)) == len(found.occurrences) == 3
    assert found.cosines[0] < found.cosines[1] <= 1.0001
    assert all(word != "manga" for group in found.groups for word, _ in group.neighbours)


def test_a_word_that_is_not_there_or_too_rare_is_an_error():
    with pytest.raises(TextError, match="'lua' does not occur"):
        occurrences("lua", sentences(5))
    with pytest.raises(TextError, match="too few for 4 groups"):
        senses(fresh(TWO_WAY), "manga", sentences(60), groups=4)
