import json

import pytest
import torch
import transformers
from neural_lms import WORDS, causal_folder, masked_folder

from vizinho.errors import ModelError
from vizinho.text_models.scorers import load_scorer

SENTENCES = ["o pato come", "", "a rata", "a", "o pato come a rata " * 5]


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    return causal_folder(tmp_path_factory.mktemp("causal"))


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    return masked_folder(tmp_path_factory.mktemp("masked"))


def rows_of(sentence):
    return [WORDS.index(word) for word in sentence.split()]


@torch.no_grad()
def test_a_causal_model_scores_what_follows_word_by_word(causal):
    model = transformers.AutoModelForCausalLM.from_pretrained(causal).eval()
    scores = load_scorer(causal).score(SENTENCES)
    for sentence, score in zip(SENTENCES, scores, strict=True):
        row = [1, *rows_of(sentence), 2]
        expected = sum(
            float(model(torch.tensor([row[:place]])).logits[0, -1].log_softmax(-1)[row[place]])
            for place in range(1, len(row))
        )
        assert score == pytest.approx(expected, abs=1e-4)


@torch.no_grad()
def test_a_masked_model_scores_each_word_from_both_sides(masked):
    model = transformers.AutoModelForMaskedLM.from_pretrained(masked).eval()
    scores = load_scorer(masked).score(SENTENCES)
    assert scores[1] == 0.0
    for sentence, score in zip(SENTENCES, scores, strict=True):
        expected = 0.0
        for place, word in enumerate(rows_of(sentence), start=1):
            row = torch.tensor([[1, *rows_of(sentence), 2]])
            row[0, place] = 3
            expected += float(model(row).logits[0, place].log_softmax(-1)[word])
        assert score == pytest.approx(expected, abs=1e-4)


def test_scores_do_not_depend_on_what_else_is_scored(causal):
    scorer = load_scorer(causal)
    together = scorer.score(SENTENCES * 8)
    assert together[: len(SENTENCES)] == pytest.approx([scorer.score([s])[0] for s in SENTENCES], abs=1e-4)
    assert scorer.score([]) == []


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({}, "no configuration can be read"),
        ({"config.json": "{"}, "no configuration can be read"),
        ({"config.json": json.dumps({"architectures": ["ParakeetForCTC"]})}, "ParakeetForCTC predicts no text"),
        ({"config.json": json.dumps({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"})}, "cannot be loaded"),
    ],
)
def test_what_is_no_language_model_is_refused(tmp_path, files, what):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match=what):
        load_scorer(tmp_path)
