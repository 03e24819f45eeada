from collections import Counter

import numpy as np
import pytest
from grammar import TWO_WAY, fresh
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_score

from vizinho.errors import TextError
from vizinho.text.normalize import get_normalizer
from vizinho.text_models.polysemy import (
    context_means,
    labelled_sentences,
    measure,
    read_labelled,
    separation,
    silhouette,
)
from vizinho.vectors.static import WordVectors


@pytest.mark.parametrize("language", ["pt-br", "es"])
def test_the_shipped_sentences_are_balanced_and_all_different(language):
    items = labelled_sentences(language)
    counts = Counter((i.word, i.sense) for i in items)
    assert set(counts.values()) == {10}
    assert len({i.word for i in items}) == 5
    assert {"banco", "manga", "canto"} <= {i.word for i in items}
    assert len({i.occurrence.sentence for i in items}) == len(items)
    assert all(i.occurrence.sentence[i.occurrence.place] == i.word for i in items)


def test_vectors_that_know_the_sense_are_right_and_ones_that_know_nothing_are_at_chance():
    items = labelled_sentences("pt")
    rng = np.random.default_rng(1)
    senses = sorted({(i.word, i.sense) for i in items})
    knowing = np.eye(len(senses), dtype=np.float32)[[senses.index((i.word, i.sense)) for i in items]]
    right = measure("knows", knowing + 0.05 * rng.normal(size=knowing.shape).astype(np.float32), items)
    assert right.accuracy == 1
    assert right.silhouette > 0.9
    assert right.floor[1] < 0.7
    same = measure("knows nothing", np.ones((len(items), 3), dtype=np.float32), items)
    assert same.accuracy == pytest.approx(9 / 19)
    assert same.silhouette == pytest.approx(0)


@given(st.integers(0, 1000), st.integers(2, 4))
@settings(max_examples=20)
def test_the_silhouette_is_that_of_scikit_learn(seed, kinds):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(12, 3))
    labels = np.array([f"s{i}" for i in [*range(kinds), *rng.integers(kinds, size=12 - kinds)]])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, 0)
    assert silhouette(distances, labels) == pytest.approx(silhouette_score(distances, labels, metric="precomputed"))


def test_layer_0_is_at_chance_for_any_model():
    found = {s.method: s for s in separation(fresh(TWO_WAY), labelled_sentences("pt"))}
    assert found["layer 0 (no context)"].accuracy == pytest.approx(9 / 19)
    assert set(found) == {
        "layer 0 (no context)",
        "layer 1",
        "layer 2",
        "sum of all layers",
        "sum of layers above 0",
    }


def test_the_baseline_averages_the_words_around_but_not_the_word():
    items = [i for i in labelled_sentences("pt") if i.word == "banco"][:1]
    words = items[0].occurrence.sentence
    static = WordVectors(("banco", words[0]), np.array([[1, 0], [0, 2]], dtype=np.float32))
    assert np.allclose(context_means(items, static), [[0, 1]])


def test_lines_that_are_not_of_the_form_are_named(tmp_path):
    path = tmp_path / "s.tsv"
    path.write_text("word\tsense\tsentence\nbanco\tbank\tO banco abriu.\nmanga\tfruit\tNada aqui.\n")
    with pytest.raises(TextError, match=r"s\.tsv:3: not a word, its sense and a sentence"):
        read_labelled(path, get_normalizer("pt"))
    with pytest.raises(TextError, match="no labelled sentences for 'de'"):
        labelled_sentences("de")
