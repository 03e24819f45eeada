"""A job at its start: tokens, transfer plan, and the network before its first step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from vizinho.audio.features import make_extractor
from vizinho.corpora.shards.gather import ShardedExamples, Withheld
from vizinho.errors import SpecError
from vizinho.g2p.letters import base_letter_similarity, letter_similarity
from vizinho.job.data import Heard, TargetData, read_data
from vizinho.job.job import Job
from vizinho.model.checkpoint import Checkpoint, like, load_donor, weights
from vizinho.model.layers import layer_of, layer_order
from vizinho.model.presets import SUBSAMPLING, build_model
from vizinho.records import Utterance
from vizinho.text.alphabets import alphabet
from vizinho.text.tokens import bpe_tokenizer, character_tokenizer, characters_of
from vizinho.training.data import Prepared, Preparing, prepare, prepare_shards
from vizinho.training.options import TrainingOptions, as_dict, differing
from vizinho.training.phonemes import PhonemeTask, phoneme_task
from vizinho.transfer.apply import apply_plan, plant, shapes_of, token_parameters
from vizinho.transfer.plan import TransferPlan, build_plan
from vizinho.transfer.tokens import SimilarityTable, match_tokens

Similarity = Callable[[str, str, Sequence[str], Sequence[str]], SimilarityTable | None]
"""(target language, donor language, target letters, donor letters) to their similarity, or None where unknown."""


@dataclass(frozen=True, slots=True)
class ReadyJob:
    """A job whose inputs have been read and checked and whose network stands at its start."""

    job: Job
    data: TargetData
    prepared: Prepared
    checkpoint: Checkpoint
    plan: TransferPlan | None
    donor: dict[str, Any] | None
    """What the donor is: kind, size, what it hears, tokens by role."""
    start: dict[str, torch.Tensor]
    phonemes: PhonemeTask | None = None
    """What is learnt beside the letters, where the options ask for it."""

    @property
    def target(self) -> Heard:
        """Speech of the corpora; what is set aside and the practice beside are no part of it."""
        shards = self.data.shards  # all of a corpus, by their indexes
        if not shards:
            return self._heard(beside=False)
        seconds = sum(s.seconds for s in shards)
        return Heard(sum(s.utterances for s in shards), seconds / 60, sum(s.speakers for s in shards))

    @property
    def practice(self) -> Heard:
        """Speech of the corpora that are taken whole, beside the target's."""
        return self._heard(beside=True)

    def _heard(self, *, beside: bool) -> Heard:
        trained = {u.id for u in self.data.train} - {id_ for id_, _ in self.prepared.set_aside}
        found = [u for s in self.data.sources if s.beside is beside for u in s.utterances if u.id in trained]
        seconds = sum(u.duration_seconds for u in found)
        return Heard(len(found), seconds / 60, len({u.speaker for u in found}))

    @property
    def identity(self) -> str:
        """16 hexadecimal digits that change with anything that changes the outcome; names the run's folder."""
        digest = hashlib.sha256(self.data.fingerprint.encode())
        # What is at its default is left out: an option that a later version adds must not make this another run.
        said = differing(as_dict(self.job.options), as_dict(TrainingOptions()))
        digest.update(json.dumps(said, sort_keys=True, default=str).encode())
        beside = {} if self.phonemes is None else self.phonemes.start
        for name, tensor in (*self.start.items(), *beside.items()):
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


def make_ready(job: Job, similarity: Similarity | None = None, *, withheld: Sequence[Utterance] = ()) -> ReadyJob:
    """Read and check everything a job needs, and put its network at its start. Nothing is written.

    Recordings `withheld` (pinned test sets) are set aside where shards turn out to hold them, as those of dev are.
    """
    if job.options.adapter is not None and job.donor is None:
        raise SpecError(
            "an adapter needs a donor", where="adapter", fix="use `vizinho transfer`, or leave [adapter] out"
        )
    data = read_data(job.corpora, job.language, job.minutes, job.options.seed, job.repeat, job.beside)
    if job.donor is None:
        checkpoint, plan, facts = _from_scratch(job, data), None, None
    else:
        checkpoint, plan, facts = _from_donor(job, data, similarity)
    preparing = Preparing(
        checkpoint.tokenizer,
        data.normalizer,
        checkpoint.front,
        job.options.augment.speed_range if job.options.augment.speed_share else 0.0,
    )
    if data.shards:
        prepared = prepare_shards(ShardedExamples(data.shards, preparing, Withheld.of([*data.dev, *withheld])))
    else:
        prepared = prepare(data.train, preparing)
    start = {name: tensor.clone() for name, tensor in weights(checkpoint.model).items()}
    phonemes = _phonemes(job, data, checkpoint)
    if phonemes is not None and plan is not None:
        plan = replace(plan, rows=(*plan.rows, *phonemes.plan))
    return ReadyJob(job, data, prepared, checkpoint, plan, facts, start, phonemes)


def _phonemes(job: Job, data: TargetData, checkpoint: Checkpoint) -> PhonemeTask | None:
    options = job.options
    if not options.phonemes.weight:
        return None
    texts, model = data.texts(), checkpoint.model
    return phoneme_task(options.phonemes, job.language, texts, checkpoint.tokenizer, model, job.donor, options.seed)


def _tokenizer(job: Job, data: TargetData) -> Any:
    """Tokens are made from the language's alphabet and the training texts alone, never from dev or test."""
    if job.tokens == "bpe":
        return bpe_tokenizer(data.texts(), job.pieces)
    if job.tokens != "characters":
        raise SpecError(f"unknown kind of tokens {job.tokens!r}", fix=f"choose one of {', '.join(SUBSAMPLING)}")
    used = [letter for index in data.shards for letter in index.letters] or characters_of(data.texts())
    return character_tokenizer(sorted({*alphabet(job.language), *used}))


def _from_scratch(job: Job, data: TargetData) -> Checkpoint:
    tokenizer = _tokenizer(job, data)
    model = build_model(job.preset, len(tokenizer), tokenizer.pad_token_id, tokens=job.tokens, seed=job.options.seed)
    return Checkpoint(model, make_extractor(), tokenizer)


def _from_donor(
    job: Job, data: TargetData, similarity: Similarity | None
) -> tuple[Checkpoint, TransferPlan, dict[str, Any]]:
    assert job.donor is not None
    donor = load_donor(job.donor, job.donor_adapter)
    tokenizer = _tokenizer(job, data)
    target = Checkpoint(like(donor.model, tokenizer, job.options.seed), donor.extractor, tokenizer)
    ours, theirs = target.inventory, donor.inventory
    table = None
    if similarity is not None and job.donor_language and theirs.letters and set(ours.letters) - set(theirs.letters):
        table = similarity(job.language, job.donor_language, ours.letters, theirs.letters)
    sources = match_tokens(ours, theirs, job.rows, table)
    fresh, given = weights(target.model), donor.weights()
    plan = build_plan(
        shapes_of(fresh),
        shapes_of(given),
        sources,
        theirs.tokens,
        token_parameters(fresh),
        token_parameters(given),
        lacking=donor.lacking,
        unused=donor.unused,
        renewed=_renewed(fresh, job.rows.fresh_layers),
    )
    plant(target.model, apply_plan(plan, given, fresh))
    return target, plan, donor.describe()


def _renewed(parameters: Iterable[str], layers: Sequence[str]) -> dict[str, str]:
    """Parameters of the layers that are to start fresh, with the reason. Raises SpecError for a layer it has not."""
    names = list(parameters)
    there = [layer for layer in layer_order(names) if layer != "head"]
    unknown = sorted(set(layers) - set(there))
    if unknown:
        raise SpecError(f"no layer named {', '.join(unknown)}", where="fresh_layers", fix=f"layers: {', '.join(there)}")
    return {name: "its layer is to start fresh" for name in names if layer_of(name) in layers}


def sound_similarity(target: str, donor: str, targets: Sequence[str], donors: Sequence[str]) -> SimilarityTable:
    """The similarity of letters as the plan wants it: by sound, or by looks where eSpeak NG or a voice is lacking."""
    found, source = letter_similarity(target, donor, targets, donors), "by sound, eSpeak NG and panphon"
    if found is None:
        found, source = base_letter_similarity(targets, donors), "by base letter"
    return SimilarityTable(found.targets, found.donors, found.values, source)
