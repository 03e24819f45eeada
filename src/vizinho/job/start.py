"""A job at its start: tokens, the transfer plan, and the network before its first step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vizinho.audio.features import make_extractor
from vizinho.corpora.manifest import to_choose_on
from vizinho.errors import SpecError
from vizinho.job.data import Dataset, SpeechAmount, read_dataset
from vizinho.job.job import Job
from vizinho.job.tokens import choose_tokens
from vizinho.model.checkpoint import like, load_donor
from vizinho.model.frontends import is_whole_whisper
from vizinho.model.networks import Checkpoint, Donor, durations_of, is_transducer, weights
from vizinho.model.presets import build_model
from vizinho.plan.apply import apply_plan, output_axis, plant, renewed, shapes_of, transducer_axes
from vizinho.plan.plan import TokenAxis, TransferPlan, plan_axes
from vizinho.plan.tokens import SimilarityTable, TokenSource, folded, match_tokens
from vizinho.records import Utterance
from vizinho.text.normalize import Normalizer
from vizinho.training.data import Prepared, prepare, prepare_shards
from vizinho.training.options import TrainingOptions, differing
from vizinho.training.speech_task import DevSet, SpeechTask, dev_rates

if TYPE_CHECKING:
    from vizinho.training.phonemes import PhonemeTask

Similarity = Callable[[str, str, Sequence[str], Sequence[str]], SimilarityTable | None]
"""(target language, donor language, target letters, donor letters) to their similarity, or None where unknown."""
Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class ReadyJob:
    """A job whose inputs have been read and checked and whose network has the weights it starts from."""

    job: Job
    dataset: Dataset
    prepared: Prepared
    checkpoint: Checkpoint
    plan: TransferPlan | None
    donor: dict[str, Any] | None
    """What the donor is: kind, size, front end, tokens by role."""
    start: dict[str, torch.Tensor]
    """The weights before the first step, to measure movement against."""
    phonemes: PhonemeTask | None = None
    """The phone classifier that is trained together with the letters, where the options ask for it."""

    @property
    def target(self) -> SpeechAmount:
        """Target speech that is trained on: without skipped utterances and without practice speech."""
        return self.dataset.amount(practice=False, skipped=self._skipped)

    @property
    def practice(self) -> SpeechAmount:
        """Practice speech that is trained on."""
        return self.dataset.amount(practice=True, skipped=self._skipped)

    @property
    def dev(self) -> tuple[Utterance, ...]:
        """The utterances of dev that choose the weights."""
        return to_choose_on(self.dataset.dev, self.job.options.dev_minutes)

    @property
    def _skipped(self) -> frozenset[str]:
        return frozenset(id_ for id_, _ in self.prepared.skipped)

    @property
    def identity(self) -> str:
        """16 hexadecimal digits that change with anything that changes the outcome; they name the run's folder."""
        digest = hashlib.sha256(self.dataset.fingerprint.encode() + self.dataset.normalizer.name.encode())
        # Options at their default are left out: one that a later version adds must not make this another run.
        chosen = differing(asdict(self.job.options), asdict(TrainingOptions()))
        digest.update(json.dumps(chosen, sort_keys=True, default=str).encode())
        phoneme_weights = {} if self.phonemes is None else self.phonemes.start
        for name, tensor in (*self.start.items(), *phoneme_weights.items()):
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


def make_ready(
    job: Job,
    similarity: Similarity | None = None,
    *,
    dataset: Dataset | None = None,
    pinned: Sequence[Utterance] = (),
) -> ReadyJob:
    """Check everything a job needs and give its network the weights it starts from. Nothing is written.

    Args:
        job: What to do.
        similarity: How alike letters of two languages are; without it new tokens start from base letters or at random.
        dataset: The job's corpora where they are open already; read from `job.corpora` otherwise.
        pinned: Test recordings, which shards may turn out to contain: they are skipped as those of dev are.
    """
    if job.options.adapter is not None and job.donor is None:
        raise SpecError(
            "an adapter needs a donor", where="adapter", fix="use `vizinho transfer`, or leave [adapter] out"
        )
    if dataset is None:
        dataset = read_dataset(
            job.corpora, job.language, job.minutes, job.options.seed, job.repeat, job.beside, job.normalizer
        )
    begun = _from_scratch(job, dataset) if job.donor is None else from_donor(job, dataset, similarity)
    if job.others:
        begun, job = _mixed(job, dataset, similarity, begun)
    checkpoint, plan = begun.checkpoint, begun.plan
    # An utterance must fit the network at every speed that augmentation may give it.
    speed_range = job.options.augment.speed_range if job.options.augment.speed_share else 0.0
    task = task_of(checkpoint.model)
    preparer = task.preparer(checkpoint, dataset.normalizer, speed_range, begun.as_written)
    if dataset.shards:
        from vizinho.corpora.shards.source import ShardedExamples, Withheld

        withheld = Withheld.of([*dataset.dev, *pinned])
        prepared = prepare_shards(ShardedExamples(dataset.shards, preparer, withheld))
    else:
        prepared = prepare(dataset.train, preparer)
    # A copy: movement is measured against it after training, and the run's identity is its hash.
    start = {name: tensor.clone() for name, tensor in weights(checkpoint.model).items()}
    # The phone classifier has rows of its own in the plan, after the letters'.
    phonemes = _phonemes(job, dataset, checkpoint)
    if phonemes is not None and plan is not None:
        plan = replace(plan, rows=(*plan.rows, *phonemes.plan))
    # What was decided is recorded, so that the job made again from its card decides nothing.
    job = replace(job, tokens=begun.tokens)
    return ReadyJob(job, dataset, prepared, checkpoint, plan, begun.donor, start, phonemes)


def _phonemes(job: Job, dataset: Dataset, checkpoint: Checkpoint) -> PhonemeTask | None:
    options = job.options
    if not options.phonemes.weight:
        return None
    from vizinho.training.phonemes import phoneme_task

    texts, model = dataset.texts(), checkpoint.model
    return phoneme_task(options.phonemes, job.language, texts, checkpoint.tokenizer, model, job.donor, options.seed)


@dataclass(frozen=True, slots=True)
class Start:
    """A job's network before its first step, and where it comes from."""

    checkpoint: Checkpoint
    tokens: str
    """Whose tokens it writes, as in TokenChoice."""
    as_written: Callable[[str], str] | None = None
    """See TokenChoice."""
    plan: TransferPlan | None = None
    donor: dict[str, Any] | None = None
    """What the donor is."""


def _from_scratch(job: Job, dataset: Dataset) -> Start:
    choice, seed = choose_tokens(job, dataset), job.options.seed
    tokenizer = choice.tokenizer
    model = build_model(job.preset, len(tokenizer), tokenizer.pad_token_id, tokens=choice.kind, seed=seed)
    return Start(Checkpoint(model, make_extractor(), tokenizer), choice.kind, choice.as_written)


def from_donor(job: Job, dataset: Dataset, similarity: Similarity | None) -> Start:
    """The target's network after the transfer plan, the plan, and what the donor is; of the dataset only the texts."""
    assert job.donor is not None
    donor = load_donor(job.donor, job.donor_adapter, ctc=job.head == "ctc")
    if is_whole_whisper(donor.model):
        from vizinho.job.whisper import start_of

        target, plan = start_of(job, (u.text for u in dataset.train), donor)
        return Start(target, "donor", plan=plan, donor=donor.describe())
    choice = choose_tokens(job, dataset, donor)
    # A vocabulary that stays keeps its rows, also those of no token, and its blank.
    tokenizer, same = choice.tokenizer, choice.kind == "donor"
    grouped = choice.kind in ("donor", "extended")
    target = Checkpoint(like(donor.model, None if same else tokenizer, job.options.seed), donor.extractor, tokenizer)
    # The table (V_new, V_donor) is only needed, and eSpeak only started, where the donor lacks a letter.
    donor_letters = donor.inventory.letters
    known = set(donor_letters)
    new = [letter for letter in target.inventory.letters if letter not in known]
    table = None
    if similarity is not None and job.donor_language and new:
        table = similarity(job.language, job.donor_language, new, donor_letters)
    sources = match_tokens(target.inventory, donor.inventory, job.rows, table)
    # The plan accounts for every parameter of both sides before a single value is written.
    fresh, donated = weights(target.model), donor.weights()
    reasons: dict[str, Any] = {
        "lacking": donor.lacking,
        "unused": donor.unused,
        "renewed": renewed(fresh, job.rows.fresh_layers),
    }
    plan = plan_axes(shapes_of(fresh), shapes_of(donated), _axes(donor, sources, fresh, donated, grouped), **reasons)
    plant(target.model, apply_plan(plan, donated, fresh))
    notes = (choice.note,) if choice.note else ()
    return Start(target, choice.kind, choice.as_written, replace(plan, notes=notes), donor.describe())


def _mixed(job: Job, dataset: Dataset, similarity: Similarity | None, first: Start) -> tuple[Start, Job]:
    """The start with the other donors' starts mixed in, and the job with the shares that were chosen on dev.

    Every donor comes to the target by a plan of its own; the plan that is shown is the first one's.
    """
    from vizinho.training.mixing import check_shapes, choose_shares, mix

    names = [_ref_of(job.donor), *(other.ref for other in job.others)]
    alone = replace(job, others=())
    starts = [weights(first.checkpoint.model)]
    for other in job.others:
        of_other = replace(alone, donor=other.folder, donor_language=other.language, tokens=first.tokens)
        start = from_donor(of_other, dataset, similarity).checkpoint
        # Donors that keep their pieces may have as many of them, in another order or of another language.
        if start.inventory != first.checkpoint.inventory:
            fix = "use --tokens characters"
            raise SpecError(f"its tokens are not those of {names[0]}", where=other.ref, fix=fix)
        starts.append(weights(start.model))
    # Only now: donors with other alphabets have one shape once each has rows for the target's tokens.
    check_shapes(starts, names)
    model, note = first.checkpoint.model, ""
    shares = [other.share for other in job.others]
    if None in shares:
        dev = dev_set(to_choose_on(dataset.dev, job.options.dev_minutes), dataset.normalizer)
        if dev.utterances:
            chosen, cers = choose_shares(model, starts, lambda: dev_rates(first.checkpoint, dev)[0])
            note = f"; dev CER alone {', '.join(f'{cer:.3f}' for cer in cers)}"
        else:
            chosen, note = [1 / len(starts)] * len(starts), "; no dev to choose on"
    else:
        # A job made again from its card decides nothing.
        recorded = [share for share in shares if share is not None]
        chosen = [1 - sum(recorded), *recorded]
    plant(model, mix(starts, chosen))
    parts = " + ".join(f"{share:.3g} {name}" for share, name in zip(chosen, names, strict=True))
    assert first.plan is not None
    plan = replace(first.plan, notes=(*first.plan.notes, f"start: {parts}{note}; the rows below are of {names[0]}"))
    others = tuple(replace(other, share=share) for other, share in zip(job.others, chosen[1:], strict=True))
    return replace(first, plan=plan), replace(job, others=others)


def _ref_of(folder: Path | None) -> str:
    """NAME@VERSION of a folder of the store, else the folder's name."""
    assert folder is not None
    return f"{folder.parent.name}@{folder.name}" if folder.name.isdigit() else folder.name


def _axes(
    donor: Donor, sources: Sequence[TokenSource], fresh: Weights, donated: Weights, grouped: bool
) -> list[TokenAxis]:
    """The parameters with a row per token; `grouped` gives a vocabulary that stays one line of the plan."""
    tokens = donor.inventory.tokens
    if is_transducer(donor.model):
        return transducer_axes(sources, tokens, durations_of(donor.model), grouped=grouped)
    return [output_axis(sources, tokens, fresh, donated, grouped=grouped)]


def dev_set(utterances: Sequence[Utterance], normalizer: Normalizer, precision: str = "no") -> DevSet:
    """Utterances that have a text, to choose on."""
    references = {u.id: text for u in utterances if (text := normalizer(u.text))}
    return DevSet([u for u in utterances if u.id in references], references, normalizer.recognised, precision)


def sound_similarity(target: str, donor: str, targets: Sequence[str], donors: Sequence[str]) -> SimilarityTable:
    """How alike letters are by sound, or by looks where eSpeak NG or a voice is missing. Shape (targets, donors)."""
    from vizinho.g2p.letters import base_letter_similarity, letter_similarity  # wanted where the donor lacks letters

    # Sounds are known of small letters; a capital beside its own small letter stays one that has none.
    known = set(donors)
    plain = [letter if folded(letter) in known else folded(letter) for letter in donors]
    similar, source = letter_similarity(target, donor, targets, plain), "by sound, eSpeak NG and panphon"
    if similar is None:
        similar, source = base_letter_similarity(targets, plain), "by base letter"
    return SimilarityTable(similar.targets, tuple(donors), similar.values, source)


def task_of(model: Any) -> type[SpeechTask]:
    """The task of a network's kind."""
    if is_transducer(model):
        from vizinho.training.transducer_task import TransducerTask

        return TransducerTask
    if is_whole_whisper(model):
        from vizinho.training.written_task import WrittenTask

        return WrittenTask
    return SpeechTask
