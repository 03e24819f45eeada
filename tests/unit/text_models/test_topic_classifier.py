import json
import pickle

import numpy as np
import pytest
from encoders import model, tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from vizinho.cli.main import app
from vizinho.errors import ModelError, TextError
from vizinho.text_models.topic_classifier import (
    WINDOW_WORDS,
    fit,
    load_classifier,
    save_classifier,
    train_classifier,
    windows,
)
from vizinho.text_models.topics import Labelled, read_transcripts
from vizinho.vectors.sentences import load_sentences
from vizinho.vectors.static import WordVectors, save_vectors
from vizinho.vectors.transformer import save_encoder

RNG = np.random.default_rng(8)
KITCHEN, SEA = ("pão", "sopa", "faca", "forno"), ("barco", "onda", "peixe", "vela")
# Words of one kind lie together; the last component means nothing.
MATRIX = np.concatenate([np.tile([1, 0], (4, 1)), np.tile([0, 1], (4, 1))]) + 0.1 * RNG.standard_normal((8, 2))
VECTORS = WordVectors(KITCHEN + SEA, MATRIX.astype(np.float32))


def sentences(count=8):
    made = []
    for topic, words in (("cozinha", KITCHEN), ("mar", SEA)):
        for document in range(count):
            made += [Labelled(topic, f"{topic}/{document}", " ".join(RNG.choice(words, 3))) for _ in range(3)]
    return made


@pytest.fixture
def vectors(tmp_path):
    save_vectors(tmp_path / "pt.bin", VECTORS)
    return tmp_path / "pt.bin"


def run(*arguments, **options):
    return CliRunner().invoke(app, ["topics", *map(str, arguments)], **options)


def test_a_classifier_comes_back_equal_and_holds_no_pickle(tmp_path, vectors):
    made = train_classifier(sentences(), sentences(2), load_sentences(vectors))
    save_classifier(tmp_path / "c", made, vectors)
    vectors.unlink()  # the folder holds all it needs
    again = load_classifier(tmp_path / "c")
    for text in ("pão e sopa", "a onda e o barco", "peixe no forno"):
        assert again.classify(text) == made.classify(text)
    assert made.classify("pão e sopa")[0][0] == "cozinha"
    assert sum(p for _, p in made.classify("peixe no forno")) == pytest.approx(1)
    for path in (tmp_path / "c").rglob("*"):
        if path.is_file():
            with pytest.raises(Exception), path.open("rb") as stream:  # noqa: B017
                pickle.load(stream)
    with pytest.raises(ModelError, match="it exists already"):
        save_classifier(tmp_path / "c", made, vectors)


def test_two_topics_and_more_give_scikit_learns_probabilities():
    for topics in (2, 4):
        rows = RNG.standard_normal((80, 5)).astype(np.float32)
        labels = [f"t{i % topics}" for i in range(80)]
        expected = LogisticRegression(C=10.0, max_iter=2000).fit(rows, labels).predict_proba(rows)
        assert np.allclose(fit(rows, labels).probabilities(rows), expected, atol=1e-5)
    with pytest.raises(TextError, match="1 topics"):
        fit(rows, ["a"] * 80)


@settings(max_examples=25)
@given(lines=st.lists(st.lists(st.text("ab", min_size=1, max_size=3), max_size=90), max_size=4))
def test_windows_hold_every_word_once_in_order(lines):
    text = "\n".join(" ".join(words) for words in lines)
    made = windows(text)
    assert [w for run in made for w in run.split()] == text.split()
    assert all(0 < len(run.split()) <= WINDOW_WORDS for run in made)


def test_a_long_text_is_the_mean_of_its_parts(vectors):
    made = train_classifier(sentences(), sentences(2), load_sentences(vectors))
    half = " ".join(["pão"] * WINDOW_WORDS), " ".join(["onda"] * WINDOW_WORDS)
    parts = [dict(made.classify(text)) for text in half]
    whole = dict(made.classify("\n".join(half)))
    assert whole["mar"] == pytest.approx((parts[0]["mar"] + parts[1]["mar"]) / 2)
    # A part in which nothing is known says nothing.
    assert dict(made.classify(half[0] + "\nxyz xyz"))["mar"] == pytest.approx(parts[0]["mar"])
    with pytest.raises(TextError, match="no words to classify"):
        made.classify(" \n")
    with pytest.raises(TextError, match="no word of 'xyz' is known"):
        made.classify("xyz")


def test_folders_that_are_broken_are_refused(tmp_path, vectors):
    made = train_classifier(sentences(), sentences(2), load_sentences(vectors))
    save_classifier(tmp_path / "c", made, vectors)
    with pytest.raises(ModelError, match="no topic classifier"):
        load_classifier(tmp_path / "nothing")
    save_vectors(tmp_path / "wide.bin", WordVectors(("a", "b"), np.eye(2, 7, dtype=np.float32)))
    with pytest.raises(ModelError, match="vectors of 7 components for a classifier of 2"):
        load_classifier(tmp_path / "c", vectors=tmp_path / "wide.bin")
    (tmp_path / "c" / "vectors.bin").unlink()
    with pytest.raises(ModelError, match="has no vectors"):
        load_classifier(tmp_path / "c")
    card = tmp_path / "c" / "classifier.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "version": 9}))
    with pytest.raises(ModelError, match="written as version 9"):
        load_classifier(tmp_path / "c")


def test_it_may_be_fed_with_a_transformer(tmp_path):
    save_encoder(tmp_path / "e", model(), tokenizer())
    made = train_classifier(sentences(), sentences(2), load_sentences(tmp_path / "e"))
    save_classifier(tmp_path / "c", made, tmp_path / "e")
    assert load_classifier(tmp_path / "c").classify("pão") == made.classify("pão")


def test_transcripts_are_texts_or_what_transcribe_prints():
    assert read_transcripts("bom dia", "a.txt") == [("a.txt", "bom dia")]
    printed = {"model": "pt", "transcripts": [{"id": "a", "text": "bom dia"}, {"id": "b", "text": ""}], "failed": []}
    assert read_transcripts(json.dumps(printed), "-") == [("a", "bom dia"), ("b", "")]
    assert read_transcripts("{riso} bom dia", "-") == [("-", "{riso} bom dia")]
    with pytest.raises(TextError, match="without transcripts"):
        read_transcripts('{"text": "bom dia"}', "-")


def test_commands_from_table_to_topics(tmp_path, vectors):
    table = tmp_path / "t.tsv"
    lines = [f"{e.topic}\t{e.document}\t{e.text}\n" for e in sentences()]
    table.write_text("".join([*lines, "outro\toutro/1\tpão\n"]), encoding="utf-8")
    done = run("train", table, "--vectors", vectors, "--out", tmp_path / "c", "--json")
    card = json.loads(done.stdout)
    assert card["test"]["accuracy"] == 1.0 and card["left_out_topics"] == ["outro"]
    (tmp_path / "a.txt").write_text("o barco e a vela", encoding="utf-8")
    assert run("predict", tmp_path / "a.txt", "--classifier", tmp_path / "c").stdout.split()[1] == "mar"
    assert run("predict", "--classifier", tmp_path / "c", "-", input="sopa").stdout.split()[1] == "cozinha"
    printed = json.dumps({"transcripts": [{"id": "a", "text": "onda"}, {"id": "b", "text": ""}]})
    done = run("predict", "-", "--classifier", tmp_path / "c", "--json", input=printed)
    found = json.loads(done.stdout)
    assert found["transcripts"][0]["topics"][0]["topic"] == "mar"
    assert found["failed"][0]["id"] == "b" and done.exit_code == 2
    assert isinstance(run("predict", tmp_path / "no.txt", "--classifier", tmp_path / "c").exception, TextError)
