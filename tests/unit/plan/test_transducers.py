"""What docs/donors.md says of transducers as targets: the plan carries RNN-T, and refuses TDT by name."""

import donor_zoo
import pytest
import transformers as hf

from vizinho.errors import PlanError
from vizinho.model.checkpoint import weights
from vizinho.plan.apply import shapes_of
from vizinho.plan.plan import build_plan
from vizinho.plan.tokens import RowOptions, match_tokens
from vizinho.text.tokens import TokenInventory

BY_TOKEN = ["decoder.embedding.weight", "joint.head.weight", "joint.head.bias"]


def inventory(letters: str) -> TokenInventory:
    return TokenInventory(("<pad>", "|", *letters), ("blank", "space", *["letter"] * len(letters)))


def shapes(config: type, network: type, tokens: int) -> dict:
    encoder = donor_zoo.parakeet_encoder_config().to_dict()
    settings = config(
        encoder_config=encoder, vocab_size=tokens, decoder_hidden_size=8, pad_token_id=0, blank_token_id=0
    )
    return shapes_of(weights(network(settings)))


def planned(config: type, network: type):
    ours, theirs = inventory("abcdefghi"), inventory("abcdefg")
    sources = match_tokens(ours, theirs, RowOptions("neighbours"), None)
    target, donor = (shapes(config, network, len(i.tokens)) for i in (ours, theirs))
    return build_plan(target, donor, sources, theirs.tokens, BY_TOKEN)


def test_rnnt_is_planned_row_by_row():
    counts = planned(hf.ParakeetRNNTConfig, hf.ParakeetForRNNT).counts()
    assert counts["row copy"] == 9 * len(BY_TOKEN)
    assert counts["fresh"] == 2 * len(BY_TOKEN)


def test_tdt_has_rows_of_durations_behind_the_tokens():
    with pytest.raises(PlanError, match=r"joint\.head\.weight: the target has 11 tokens but \(16,\) rows"):
        planned(hf.ParakeetTDTConfig, hf.ParakeetForTDT)
