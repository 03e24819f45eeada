"""Several donors: starts are mixed by shares that dev chooses, never worse there than the best start alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tones import tone_corpus

from vizinho import train, transfer
from vizinho.audio.augment import NO_AUGMENT
from vizinho.errors import SpecError, StoreError
from vizinho.job.card import recorded_job
from vizinho.job.run import Reporting
from vizinho.job.start import make_ready, sound_similarity
from vizinho.store.card import read_card
from vizinho.store.store import Store
from vizinho.training.mixing import SHARES, choose_shares, mix
from vizinho.training.options import TrainingOptions

FAST = TrainingOptions(
    steps=4, batch_seconds=4, evaluate_every=4, checkpoint_every=4, workers=0, augment=NO_AUGMENT
)  # fmt: skip
QUIET = Reporting(quiet=True)


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=4), st.floats(-3, 3))
def test_the_chosen_mixture_is_never_worse_than_the_best_start_alone(places, best):
    model = torch.nn.Linear(1, 1, bias=False)
    before = model.weight.detach().clone()

    def measure() -> float:
        return abs(float(model.weight.detach()) - best)

    starts = [{"weight": torch.full((1, 1), place)} for place in places]
    shares, alone = choose_shares(model, starts, measure)
    assert torch.equal(model.weight, before)
    assert sum(shares) == pytest.approx(1) and min(shares) >= 0
    mixture = float(mix(starts, shares)["weight"])
    assert abs(mixture - best) <= min(alone) + 1e-5


def test_two_starts_on_both_sides_of_the_best_are_mixed_and_counters_stay():
    model = torch.nn.BatchNorm1d(1)
    starts = [{**model.state_dict(), "weight": torch.tensor([place])} for place in (0.0, 1.0)]
    shares, alone = choose_shares(model, starts, lambda: abs(float(model.weight.detach()) - 0.35))
    assert shares == pytest.approx([1 - SHARES[1], SHARES[1]]) and alone == pytest.approx([0.35, 0.65])
    assert mix(starts, shares)["num_batches_tracked"].dtype == torch.long


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A home with models of two neighbours and one of another size, and a corpus of the target."""
    folder = tmp_path_factory.mktemp("mixture")
    for lang, letters in (("es", "abcdefg"), ("it", "abcdefh"), ("pt", "abcdefgh")):
        parts = ("train", "train", "train", "dev")
        tone_corpus(folder / lang, count=12, lang=lang, letters=letters, splits=parts, seed=ord(lang[0]))
    for lang, preset in (("es", "micro"), ("it", "micro"), ("fr", "tiny")):
        source = folder / "es" / "es.jsonl" if lang == "fr" else folder / lang / f"{lang}.jsonl"
        train(
            lang="es" if lang == "fr" else lang, corpus=source, preset=preset, name=lang,
            recipe=replace(FAST, steps=1, evaluate_every=1, seed=ord(lang[0])), store=Store(folder / "home"),
            reporting=QUIET,
        )  # fmt: skip
    return folder


def test_a_transfer_from_two_donors_is_recorded_and_begins_the_same_again(place):
    store, corpus = Store(place / "home"), place / "pt" / "pt.jsonl"
    outcome = transfer("es@1+it", to="pt", corpus=corpus, recipe=FAST, store=store, reporting=QUIET)
    (note,) = (line for line in outcome.ready.plan.notes if line.startswith("start: "))
    assert "es@1" in note and "it@1" in note and "dev CER alone" in note
    card = read_card(store.resolve("pt"))
    assert card.donor["ref"] == "es@1"
    (other,) = card.job["others"]
    assert other["ref"] == "it@1" and 0 <= other["share"] <= 1
    assert {source["corpus"] for source in card.data["sources"]} == {"es.jsonl", "it.jsonl", "pt.jsonl"}
    again = make_ready(recorded_job(store, "pt@1", card), sound_similarity)
    for name, tensor in outcome.ready.start.items():
        assert torch.equal(tensor, again.start[name]), name
    assert f"{other['share']:.3g} it@1" in " ".join(again.plan.notes)


def test_donors_that_cannot_be_mixed_are_refused(place):
    store, corpus = Store(place / "home"), place / "pt" / "pt.jsonl"
    arguments = {"to": "pt", "corpus": corpus, "recipe": FAST, "store": store, "reporting": QUIET, "name": "never"}
    with pytest.raises(SpecError, match="fr@1: its network is of another kind or size than that of es@1"):
        transfer("es@1+fr@1", **arguments)
    with pytest.raises(StoreError, match="nobody"):
        transfer("es@1+nobody", **arguments)
    assert not (store.models / "never").exists()
