import contextlib
import os
import pickle
import subprocess
import sys
from unittest.mock import patch

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vizinho.errors import ModelError, TextError
from vizinho.vectors.epochs import save_epoch
from vizinho.vectors.static import VectorOptions, WordVectors, load_vectors, save_vectors, tokenize, train_vectors

SMALL = VectorOptions(dim=8, min_count=1, epochs=2)


@pytest.mark.parametrize("suffix", [".vec", ".bin", ".kv"])
@given(matrix=arrays(np.float32, (3, 4), elements=st.floats(-2, 2, width=32)))
def test_vectors_come_back_as_they_were_saved(tmp_path_factory, suffix, matrix):
    path = tmp_path_factory.mktemp("v") / f"a{suffix}"
    save_vectors(path, WordVectors(("casa", "ação", "être"), matrix))
    again = load_vectors(path)
    assert again.words == ("casa", "ação", "être")
    assert np.allclose(again.matrix, matrix, atol=1e-5)


def test_a_cut_file_and_a_foreign_one_are_refused(tmp_path):
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
    with pytest.raises(ModelError, match=r"unknown kind of vectors '\.npy'"):
        load_vectors(tmp_path / "d.npy")
    save_vectors(tmp_path / "e.bin", WordVectors(("casa", "mesa"), np.array([[1, 2], [np.nan, 1]], dtype=np.float32)))
    with pytest.raises(ModelError, match="1 vectors with components that are no numbers, such as that of 'mesa'"):
        load_vectors(tmp_path / "e.bin")


@pytest.mark.parametrize("suffix", [".bin", ".kv", ".vec"])
@given(data=st.data())
def test_damage_is_an_error_of_ours_or_does_no_harm(tmp_path_factory, suffix, data):
    path = tmp_path_factory.mktemp("v") / f"a{suffix}"
    save_vectors(path, WordVectors(("casa", "ação"), np.eye(2, dtype=np.float32)))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(ModelError):
        assert np.isfinite(load_vectors(path).matrix).all()


def test_gensims_files_are_read_and_what_they_may_not_name_is_refused(tmp_path):
    keyed = KeyedVectors(3)
    keyed.add_vectors(["casa", "mesa"], np.arange(6, dtype=np.float32).reshape(2, 3))
    keyed.save(str(tmp_path / "one.kv"))
    keyed.save(str(tmp_path / "two.kv"), separately=["vectors"])
    assert (tmp_path / "two.kv.vectors.npy").is_file()
    for name in ("one.kv", "two.kv"):
        assert load_vectors(tmp_path / name)["mesa"].tolist() == [3, 4, 5]
    save_vectors(tmp_path / "ours.kv", load_vectors(tmp_path / "one.kv"))
    assert KeyedVectors.load(str(tmp_path / "ours.kv"))["mesa"].tolist() == [3, 4, 5]

    harm = tmp_path / "harm"
    (tmp_path / "evil.kv").write_bytes(pickle.dumps(_Harmful(str(harm))))
    with pytest.raises(ModelError, match=r"refused: it names \w+\.mkdir"):
        load_vectors(tmp_path / "evil.kv")
    assert not harm.exists()


class _Harmful:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


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
    assert sum(seen) == pytest.approx(2)
    assert len(seen) > 4
    with pytest.raises(TextError, match="no word occurs 5 times"):
        train_vectors([["casa"]], VectorOptions())


@pytest.mark.parametrize("kind", ["word2vec", "fasttext"])
def test_an_interrupted_training_ends_with_the_same_vectors(tmp_path, kind):
    sentences = tokenize(["um gato e um cão na casa", "a casa é grande", "o cão come"] * 30)
    options = VectorOptions(kind=kind, dim=8, min_count=1, epochs=4)
    whole = train_vectors(sentences, options)

    class StopError(Exception):
        pass

    def stop(_path, _model, epoch, _digest):
        save_epoch(_path, _model, epoch, _digest)
        if epoch == 2:
            raise StopError

    with patch("vizinho.vectors.static.save_epoch", stop), pytest.raises(StopError):
        train_vectors(sentences, options, state=tmp_path / "state")
    seen = []
    again = train_vectors(sentences, options, state=tmp_path / "state", progress=lambda n, _: seen.append(n))
    assert seen[0] == 2 and sum(seen) == pytest.approx(4)
    assert np.array_equal(whole.matrix, again.matrix)
    assert not (tmp_path / "state").exists()


def test_a_state_of_other_text_or_a_damaged_one_is_not_used(tmp_path):
    sentences = tokenize(["um gato e um cão na casa"] * 30)
    whole = train_vectors(sentences, SMALL)
    for content in (b"no state", b""):
        (tmp_path / "state").write_bytes(content)
        assert np.array_equal(train_vectors(sentences, SMALL, state=tmp_path / "state").matrix, whole.matrix)


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


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("O gato, a 2ª casa!", ["o", "gato", "a", "ª", "casa"]),
        ("O ca\u0303o,", ["o", "ca\u0303o"]),
        ("नमस्ते, दुनिया 12", ["नमस्ते", "दुनिया"]),
        ("ภาษาที่ดี", ["ภาษาที่ดี"]),
    ],
)
def test_words_are_letters_with_their_marks(line, words):
    assert tokenize([line]) == [words]
