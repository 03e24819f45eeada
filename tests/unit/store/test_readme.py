import json
from dataclasses import replace

import pytest

from vizinho.store.card import Card
from vizinho.store.folder import limits, quality, readme, write_card

CARD = Card(
    name="pt",
    version=2,
    language="pt",
    created="2026-11-30T00:00:00+00:00",
    tokens=40,
    normalizer="pt-v2",
    steps=400,
    seed=1,
    donor={"ref": "es@1", "language": "es"},
    data={
        "utterances": 410,
        "minutes": 8.0,
        "speakers": 2,
        "practice": {"utterances": 900, "minutes": 84.2, "speakers": 30},
        "sources": [{"corpus": "pt.jsonl", "language": "pt", "licence": "CC0-1.0", "restrictions": ["not for export"]}],
    },
    scores=[{"split": "dev", "cer": 0.5, "wer": 1.0, "signature": "norm:pt|step 40|used for choosing"}],
)


@pytest.mark.parametrize(
    ("architecture", "loader", "tag"),
    [
        ("ParakeetForCTC", "AutoModelForCTC", "- ctc"),
        ("WhisperForConditionalGeneration", "AutoModelForSpeechSeq2Seq", "- whisper"),
        (None, "AutoModelForCTC", "- ctc"),
    ],
)
def test_it_names_the_class_that_loads_the_model(tmp_path, architecture, loader, tag):
    if architecture:
        (tmp_path / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    write_card(tmp_path, CARD)
    lines = (tmp_path / "README.md").read_text().splitlines()
    assert f"In transformers: `{loader}.from_pretrained(folder)` and `AutoProcessor.from_pretrained(folder)`." in lines
    assert tag in lines


def test_use_quality_limits_data_and_licence_have_a_section_each(tmp_path):
    text = readme(CARD, tmp_path)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Use",
        "## How good it is",
        "## Limits",
        "## Training data and licence",
    ]
    assert "- It learnt its language from 2 voices: expect more errors on other voices." in text
    assert "- 84 minutes of what it learnt from are synthetic or respelt speech." in text
    assert "- Restriction of the speech it learnt from: not for export." in text
    assert "Licence of the weights: not stated; that of the data decides." in text


def test_dev_scores_are_said_to_be_no_test():
    assert quality(CARD) == (
        "Not tested. On the sentences that chose its weights: 50.0 % of the letters are wrong, 100.0 % of the words."
    )
    tested = {"split": "test", "cer": 0.552, "wer": 1.0, "cer_ci": [0.515, 0.592], "signature": "norm:pt"}
    assert quality(replace(CARD, scores=[*CARD.scores, tested])).startswith("On test: 55.2 % (51.5 to 59.2)")


def test_many_voices_are_no_limit():
    assert not any("voices" in limit for limit in limits(replace(CARD, data={"speakers": 40})))
