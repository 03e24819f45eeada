from dataclasses import replace
from pathlib import Path

import pytest

from vizinho.server.protocols.cards import facts
from vizinho.server.served import ServedModel
from vizinho.store.card import Card, read_card
from vizinho.store.store import BUNDLED

CARD = Card("pt", "pt", "2026-01-01T00:00:00+00:00", 36, "pt-v2", 100, 1)
DEV = {"split": "dev", "cer": 0.25, "wer": 0.5, "signature": "step 3|used for choosing"}
TEST = {"split": "test", "data": "pt.jsonl", "cer": 0.3, "wer": 0.61, "cer_ci": [0.28, 0.33], "utterances": 120,
        "signature": "norm:pt-v2"}  # fmt: skip


def facts_of(card):
    return facts("pt", ServedModel("pt", 3, Path("pt"), "pt"), card)


def test_the_last_test_score_is_named_with_its_data():
    shown = facts_of(replace(CARD, scores=[DEV, TEST | {"cer": 0.9}, TEST]))
    assert shown.ref == "pt@3"
    assert (
        shown.quality
        == "On pt.jsonl, 120 utterances: 30.0 % (28.0 to 33.0) of the letters are wrong, 61.0 % of the words."
    )


def test_a_score_that_chose_the_weights_is_no_test():
    assert facts_of(replace(CARD, scores=[DEV])).quality.startswith("Not tested. On the sentences that chose")
    assert facts_of(CARD).quality == "Not tested."
    assert "no card" in facts_of(None).quality


@pytest.mark.parametrize(
    ("licences", "warned"), [(["synthesised"], True), (["synthesised", "cc0-1.0"], False), ([], False)], ids=str
)
def test_a_model_of_synthetic_speech_alone_says_so(licences, warned):
    card = replace(CARD, data={"sources": [{"corpus": "x.jsonl", "licence": licence} for licence in licences]})
    assert bool(facts_of(card).warning) == warned


@pytest.mark.parametrize("name", ["es-demo", "en-demo"])
def test_bundled_donors_are_demo_models(name):
    assert facts_of(read_card(BUNDLED / name / "2")).warning == (
        "Demo model, trained on synthetic speech: expect errors on people."
    )
