"""The commands as a user types them."""

import json
import sys
from itertools import product

import pytest
from grammar import sentences

from vizinho.cli.main import main


@pytest.fixture
def vizinho(capsys, monkeypatch):
    def call(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["vizinho", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            main()
        printed = capsys.readouterr()
        assert (done.value.code or 0) == code, printed.err
        return printed.out if code == 0 else printed.err

    return call


@pytest.fixture
def texts(tmp_path):
    spanish = {"o": "el", "velho": "viejo", "vende": "venden", "pão": "pan"}
    clauses = sentences(1200)  # four a line: held-out lines must not stand in the rest
    portuguese = [[word for clause in clauses[i : i + 4] for word in clause] for i in range(0, len(clauses), 4)]
    for name, lines in (
        ("pt", portuguese),
        ("es", [[spanish.get(word, word) for word in line] for line in portuguese]),
        ("dev", sentences(20, seed=3)),
    ):
        (tmp_path / f"{name}.txt").write_text("\n".join(map(" ".join, lines)) + "\n", encoding="utf-8")
    return tmp_path


def test_a_model_is_trained_moved_and_evaluated(vizinho, texts):
    small = ["--steps", 6, "--width", 8, "--hidden", 8, "--layers", 1, "--quiet"]
    vizinho("lm", "train", texts / "es.txt", "--kind", "lstm", "--lang", "es", "--out", texts / "es", *small)
    moving = ["lm", "transfer", texts / "es", texts / "pt.txt", "--to", "pt", "--out", texts / "pt"]
    planned = json.loads(vizinho(*moving, "--dry-run", "--json"))
    assert not (texts / "pt").exists()
    assert {"copy", "row copy", "feature row", "drop"} <= set(planned["counts"])
    shown = vizinho(*moving, "--dry-run")
    assert "is spelt like" in shown
    made = json.loads(vizinho(*moving, "--dev", texts / "dev.txt", "--steps", 4, "--quiet", "--json"))
    assert made["plan"] == planned["counts"]
    assert len((texts / "pt" / "plan.jsonl").read_text().splitlines()) == sum(made["plan"].values())
    card = json.loads((texts / "pt" / "card.json").read_text())
    assert (card["donor"], card["language"], card["curve"][0]["step"]) == ("es", "pt", 0)
    found = json.loads(vizinho("lm", "evaluate", texts / "pt", texts / "dev.txt", "--json"))
    assert found["perplexity"] == pytest.approx(made["dev_perplexity"], rel=1e-3)
    assert not list(texts.glob(".*run*"))


def test_an_lstm_spells_as_an_edited_orthography_says(vizinho, texts):
    words = ("ma1", "ma2", "na1", "na2", "la1")
    (texts / "tones.txt").write_text("\n".join(map(" ".join, product(words, repeat=3))), encoding="utf-8")
    (texts / "es.toml").write_text('language = "es"\nletters = "abcdefghijklmnopqrstuvwxyz"\ntones = "12"\n')
    small = ["--steps", 2, "--width", 8, "--hidden", 8, "--layers", 1, "--quiet", "--orthography", texts / "es.toml"]
    vizinho("lm", "train", texts / "tones.txt", "--kind", "lstm", "--lang", "es", "--out", texts / "t", *small)
    from vizinho.text_models.lstm_folder import load_model

    loaded = load_model(texts / "t")
    assert loaded.normalizer.orthography.tones == "12" and "ma1" in loaded.words.tokens


def test_words_in_context_from_text_to_measure(vizinho, texts):
    making = ["--kind", "contextual", "--steps", 2, "--dim", 8, "--hidden", 8, "--quiet"]
    vizinho("vectors", "train", texts / "pt.txt", "--lang", "pt", "--out", texts / "m", *making)
    found = json.loads(
        vizinho("vectors", "senses", "Manga", "--model", texts / "m", "--corpus", texts / "pt.txt", "--json")
    )
    assert found["word"] == "manga"
    assert sum(group["size"] for group in found["groups"]) == found["occurrences"] > 100
    shown = vizinho("vectors", "senses", "manga", "--model", texts / "m", "--corpus", texts / "pt.txt")
    assert "[manga]" in shown
    measured = json.loads(vizinho("vectors", "evaluate", texts / "m", "--senses", "--json"))
    assert measured["occurrences"] == 100
    assert "layer 0 (no context)" in vizinho("vectors", "evaluate", texts / "m", "--senses")


def test_what_a_user_gets_wrong_is_said_in_one_line_and_exit_code_2(vizinho, texts):
    (texts / "empty.txt").write_text("\n\n")
    error = vizinho("lm", "train", texts / "empty.txt", "--kind", "lstm", "--lang", "pt", "--out", texts / "x", code=2)
    assert "no line has a word" in error
    assert "no such folder" in vizinho("lm", "evaluate", texts / "none", texts / "pt.txt", code=2)
    (texts / "foreign").mkdir()
    (texts / "foreign" / "config.json").write_text('{"model_type": "bert"}')
    error = vizinho("vectors", "senses", "x", "--model", texts / "foreign", "--corpus", texts / "pt.txt", code=2)
    assert "no language model that vizinho wrote" in error
    error = vizinho(
        "lm", "train", texts / "pt.txt", "--kind", "lstm", "--lang", "pt", "--out", texts / "foreign", code=2
    )
    assert "no language model that vizinho wrote" in error  # and what is there is left as it is
    error = vizinho(
        "lm", "transfer", texts / "foreign", texts / "pt.txt", "--to", "pt", "--out", texts / "x",
        "--donor-vectors", texts / "a.bin", code=2,
    )  # fmt: skip
    assert "no language model that vizinho wrote" in error
