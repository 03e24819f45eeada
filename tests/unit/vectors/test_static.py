import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vizinho.errors import ModelError, TextError
from vizinho.vectors.static import VectorOptions, WordVectors, load_vectors, save_vectors, tokenize, train_vectors

SMALL = VectorOptions(dim=8, min_count=1, epochs=2)


@pytest.mark.parametrize("suffix", [".vec", ".bin"])
@given(matrix=arrays(np.float32, (3, 4), elements=st.floats(-2, 2, width=32)))
def test_vectors_come_back_as_they_were_saved(tmp_path_factory, suffix, matrix):
    path = tmp_path_factory.mktemp("v") / f"a{suffix}"
    save_vectors(path, WordVectors(("casa", "ação", "être"), matrix))
    again = load_vectors(path)
    assert again.words == ("casa", "ação", "être")
    assert np.allclose(again.matrix, matrix, atol=1e-5)


def test_a_cut_file_a_foreign_one_and_a_pickle_are_refused(tmp_path):
    path = tmp_path / "a.bin"
    save_vectors(path, WordVectors(("casa", "mesa"), np.ones((2, 50), dtype=np.float32)))
    path.write_bytes(path.read_bytes()[:-120])
    with pytest.raises(ModelError, match="cannot be read as word vectors"):
        load_vectors(path)
    (tmp_path / "b.vec").write_text("no vectors here\n")
    with pytest.raises(ModelError, match="cannot be read as word vectors"):
        load_vectors(tmp_path / "b.vec")
    with pytest.raises(ModelError, match="no such file"):
        load_vectors(tmp_path / "c.vec")
    with pytest.raises(ModelError, match=r"unknown kind of vectors '\.kv'"):
        load_vectors(tmp_path / "d.kv")


def test_an_unknown_word_is_answered_with_the_nearest_spelling():
    vectors = WordVectors(("casa", "mesa"), np.eye(2, dtype=np.float32))
    assert "casa" in vectors and "caza" not in vectors
    with pytest.raises(TextError, match="did you mean 'casa'"):
        vectors["caza"]
    with pytest.raises(ModelError, match="2 words but"):
        WordVectors(("a", "b"), np.ones((3, 2), dtype=np.float32))


@pytest.mark.parametrize("kind", ["word2vec", "fasttext"])
def test_training_reports_epochs_and_needs_words(kind):
    seen = []
    options = VectorOptions(kind=kind, dim=8, min_count=1, epochs=2)
    made = train_vectors(tokenize(["a casa é grande"] * 20), options, progress=lambda n, _: seen.append(n))
    assert made.matrix.shape == (4, 8)
    assert seen == [1, 1]
    with pytest.raises(TextError, match="no word occurs 5 times"):
        train_vectors([["casa"]], VectorOptions())


def test_the_same_text_gives_the_same_vectors_in_another_process():
    code = (
        "from vizinho.vectors.static import *; m = train_vectors(tokenize(['um gato e um cão na casa'] * 30), "
        "VectorOptions(dim=8, min_count=1, epochs=2)); print(m.matrix.tobytes().hex())"
    )
    made = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "src"},
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert made[0] == made[1] != ""
