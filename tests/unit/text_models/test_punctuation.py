"""Marks and capitals by a tagger of text."""

import json

import pytest
import torch
from taggers import lines, tagger, train

from vizinho.errors import ModelError, TextError
from vizinho.text.normalize import get_normalizer
from vizinho.text_models.punctuation import WINDOW, is_punctuation, labels_of, load_punctuation, read_labels, written
from vizinho.text_models.punctuation_job import scores

torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("Hoje, a Ana disse: «vem!»", "Hoje, a Ana disse, vem."),
        ("A ONU tem 21 países", "A ONU tem vinte e um países."),
        ("Onde está – perguntou o Rui?", "Onde está perguntou o Rui?"),
    ],
)
def test_lines_become_words_with_marks_and_capitals(line, read):
    assert " ".join(map(written, read_labels(line, get_normalizer("pt")))) == read


def test_what_is_learnt_is_written():
    words = " ".join(lines(40, seed=2)).lower()
    spoken = [word.strip(".,?") for word in words.split()]
    assert " ".join(tagger().texts(spoken)) == " ".join(lines(40, seed=2))
    labelled = [list(read_labels(line, get_normalizer("pt"))) for line in lines(40, seed=2)]
    measured = scores(tagger(), labelled)
    assert measured.marks == measured.capitals == measured.by_mark["?"] == 1.0


@pytest.mark.parametrize("count", [0, 1, WINDOW, WINDOW + 1, 3 * WINDOW])
def test_texts_of_any_length_have_a_label_for_each_word(count):
    words = ["pão", "ana"] * count
    texts = tagger().texts(words[:count])
    assert [text.strip(".,?").lower() for text in texts] == words[:count]
    assert not texts or (texts[0][0].isupper() and texts[-1][-1] in ".?")


def test_a_pause_ends_a_sentence():
    words = ["ana", "come", "come", "rui"]
    pauses = [0.0, 60.0, 0.0, 0.0]
    unsure = tagger().label(words)
    sure = tagger().label(words, pauses)
    assert sure[1].mark >= unsure[1].mark and sure[-1].mark >= 2


def test_a_neighbours_tagger_is_where_training_begins(tmp_path):
    train(tmp_path)
    card = train(tmp_path, lang="gl", donor=tmp_path / "pt-tagger", steps=1)
    scratch = json.loads((tmp_path / "pt-tagger" / "card.json").read_text())
    first, from_scratch = (c["curve"][0]["dev_loss"] for c in (card, scratch))
    assert first < from_scratch / 2 and card["donor"] == "pt-tagger"
    assert {"copy", "row copy"} <= set(card["plan"])
    assert len((tmp_path / "gl-tagger" / "plan.jsonl").read_text().splitlines()) == sum(card["plan"].values())


def test_folders_and_texts_that_do_not_fit_are_named(tmp_path):
    with pytest.raises(ModelError, match="no such folder"):
        load_punctuation(tmp_path / "none")
    (tmp_path / "config.json").write_text('{"format": "vizinho language model"}')
    assert not is_punctuation(tmp_path)
    with pytest.raises(ModelError, match="no tagger"):
        load_punctuation(tmp_path)
    (tmp_path / "empty.txt").write_text("...\n")
    with pytest.raises(TextError, match="no line has a word"):
        labels_of([tmp_path / "empty.txt"], get_normalizer("pt"))
