"""Transducers as targets: rows of the embedding and of the joint's output layer, token by token; durations stay."""

import donor_zoo
import pytest
import transformers as hf

from vizinho.errors import PlanError
from vizinho.model.networks import EMBEDDING, OUTPUTS, weights
from vizinho.plan.apply import shapes_of, transducer_axes
from vizinho.plan.plan import plan_axes
from vizinho.plan.tokens import RowOptions, match_tokens
from vizinho.text.tokens import TokenInventory

BY_TOKEN = [EMBEDDING, *OUTPUTS]


def inventory(letters: str) -> TokenInventory:
    return TokenInventory(("<pad>", "|", *letters), ("blank", "space", *["letter"] * len(letters)))


def shapes(config: type, network: type, tokens: int) -> dict:
    encoder = donor_zoo.parakeet_encoder_config().to_dict()
    settings = config(
        encoder_config=encoder, vocab_size=tokens, decoder_hidden_size=8, pad_token_id=0, blank_token_id=0
    )
    return shapes_of(weights(network(settings)))


def planned(config: type, network: type, durations: tuple[int, ...] = ()):
    ours, theirs = inventory("abcdefghi"), inventory("abcdefg")
    sources = match_tokens(ours, theirs, RowOptions("neighbours"), None)
    target, donor = (shapes(config, network, len(i.tokens)) for i in (ours, theirs))
    return plan_axes(target, donor, transducer_axes(sources, theirs.tokens, durations))


def test_rnnt_is_planned_row_by_row():
    counts = planned(hf.ParakeetRNNTConfig, hf.ParakeetForRNNT).counts()
    assert counts["row copy"] == 9 * len(BY_TOKEN)
    assert counts["fresh"] == 2 * len(BY_TOKEN)


def test_tdts_rows_of_durations_stay_as_they_are():
    plan = planned(hf.ParakeetTDTConfig, hf.ParakeetForTDT, (0, 1, 2, 3, 4))
    counts = plan.counts()
    assert counts["row copy"] == 9 * len(BY_TOKEN) + 5 * 2
    assert counts["fresh"] == 2 * len(BY_TOKEN)
    kept = [row for row in plan.rows if row.reason == "same duration"]
    assert [row.target for row in kept] == ["joint.head.weight"] * 5 + ["joint.head.bias"] * 5
    assert kept[0].source == "joint.head.weight[<0 frames>]"


def test_durations_that_nobody_named_are_refused():
    with pytest.raises(PlanError, match=r"joint\.head\.weight: the target has 11 tokens but \(16,\) rows"):
        planned(hf.ParakeetTDTConfig, hf.ParakeetForTDT)
