"""The start of a transfer from a donor with a decoder (Whisper), which keeps its decoder and its tokens."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from vizinho.job.job import Job
from vizinho.model.networks import Checkpoint, Donor, weights
from vizinho.model.whisper import TOKEN_PARAMETERS, extended, language_token, languages_of, written_rows
from vizinho.plan.apply import apply_plan, plant, renewed, shapes_of
from vizinho.plan.plan import TokenAxis, TransferPlan, plan_axes
from vizinho.plan.tokens import NeighbourTable, match_tokens
from vizinho.text.families import related


def start_of(job: Job, texts: Iterable[str], donor: Donor) -> tuple[Checkpoint, TransferPlan]:
    """The target's network and its plan; a language that the donor lacks gets a token of its own."""
    tokenizer = copy.deepcopy(donor.tokenizer)
    assert tokenizer is not None
    token = language_token(job.language)
    known = languages_of(donor.inventory.tokens)
    if known and token not in donor.inventory.tokens:
        tokenizer.add_tokens([token], special_tokens=True)
    spelt = {row for text in texts for row in written_rows(tokenizer, text)}
    network = extended(donor.model, tokenizer, job.language, spelt, job.options.seed)
    target = Checkpoint(network, donor.extractor, tokenizer)
    near = job.language_like or related(job.language, known)
    neighbours = NeighbourTable(
        {token: tuple((language_token(code), share) for code, share in near)},
        {token: "is a language like"},
        "--language-like" if job.language_like else "by the family tree",
    )
    fresh, donated = weights(network), donor.weights()
    sources = match_tokens(target.inventory, donor.inventory, job.rows, neighbours)
    names = {name: name for name in TOKEN_PARAMETERS if name in fresh}
    axis = TokenAxis(tuple(sources), donor.inventory.tokens, names, grouped=True)
    plan = plan_axes(shapes_of(fresh), shapes_of(donated), [axis], renewed=renewed(fresh, job.rows.fresh_layers))
    plant(network, apply_plan(plan, donated, fresh))
    return target, plan
