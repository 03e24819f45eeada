"""One model from start to finish: data, tokens, plan, training, weights chosen on dev."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from vizinho.audio.features import make_extractor
from vizinho.corpora.manifest import fingerprint, read_manifest, select
from vizinho.corpora.shards.gather import ShardedExamples, Withheld
from vizinho.corpora.shards.index import ShardIndex, first_texts, index_path, read_index
from vizinho.errors import CorpusError, SpecError
from vizinho.evaluation.collapse import Course, Finding, diagnose
from vizinho.languages.phonetics import base_letter_similarity, letter_similarity
from vizinho.model.adapters import Adapter, attach, merge, take
from vizinho.model.checkpoint import Checkpoint, like, load_donor, save_checkpoint, weights
from vizinho.model.layers import layer_of, layer_order
from vizinho.model.phonemes import save_head, with_head
from vizinho.model.presets import SUBSAMPLING, build_model
from vizinho.parallel import is_main_process
from vizinho.progress import Advance, Log, silent
from vizinho.recognizer import Recognizer
from vizinho.records import Utterance
from vizinho.text.alphabets import alphabet, base_language
from vizinho.text.normalize import Normalizer, get_normalizer
from vizinho.text.tokens import bpe_tokenizer, character_tokenizer, characters_of
from vizinho.training.data import Prepared, Preparing, prepare, prepare_shards
from vizinho.training.loop import train
from vizinho.training.mixing import mix_with_start
from vizinho.training.options import TrainingOptions, as_dict, differing
from vizinho.training.phonemes import PhonemeTask, phoneme_task
from vizinho.training.selection import DevSet, TrainingResult, dev_rates
from vizinho.training.set_aside import read_set_aside
from vizinho.transfer.apply import apply_plan, plant, shapes_of, token_parameters
from vizinho.transfer.movement import Movement, movement
from vizinho.transfer.plan import TransferPlan, build_plan
from vizinho.transfer.tokens import RowOptions, SimilarityTable, match_tokens

HELD_OUT_SHARE = 0.1
"""Share of the utterances kept for dev where a corpus has no dev split."""

Similarity = Callable[[str, str, Sequence[str], Sequence[str]], SimilarityTable | None]
"""(target language, donor language, target letters, donor letters) to their similarity, or None where unknown."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to train and from what. Without a donor the network starts from scratch."""

    language: str
    corpora: tuple[Path, ...]
    donor: Path | None = None
    """A model folder or a .nemo archive."""
    donor_language: str | None = None
    donor_adapter: str | None = None
    """Language of the donor's adapter to start from, where it has one per language (MMS)."""
    minutes: float | None = None
    """Target speech to use; None uses all of it."""
    beside: tuple[Path, ...] = ()
    """More corpora of the language (synthetic speech) whose train part is taken whole, beside the minutes."""
    repeat: tuple[int, ...] = ()
    """How often the train part of each corpus, those beside last, comes in an epoch, each time augmented anew; once if
    left out."""
    preset: str = "tiny"
    """Size of a network from scratch; a transfer keeps the donor's."""
    tokens: str = "characters"
    pieces: int = 256
    """Number of BPE pieces, where tokens are "bpe"."""
    rows: RowOptions = field(default_factory=RowOptions)
    options: TrainingOptions = field(default_factory=TrainingOptions)


@dataclass(frozen=True, slots=True)
class Source:
    """What a job takes from one of its corpora: utterances of train and dev."""

    place: Path
    """The manifest, or the folder of a sharded corpus."""
    utterances: tuple[Utterance, ...]
    """Of shards those of dev alone."""
    beside: bool = False
    """Of the corpora that are taken whole, beside the minutes."""
    shards: ShardIndex | None = None


@dataclass(frozen=True, slots=True)
class TargetData:
    """Utterances to train and to choose on. `held_out` says that dev was cut from train."""

    train: tuple[Utterance, ...]
    dev: tuple[Utterance, ...]
    held_out: bool
    fingerprint: str
    normalizer: Normalizer
    sources: tuple[Source, ...]
    """The same utterances corpus by corpus, none of them repeated."""
    shards: tuple[ShardIndex, ...] = ()
    """Sharded corpora, whose utterances are read as they are needed; `train` is empty then."""

    def texts(self) -> Iterator[str]:
        """Normalised texts to make tokens of: all of train, or of shards the first ones."""
        for text in (u.text for u in self.train) if not self.shards else first_texts(self.shards):
            yield self.normalizer(text)


@dataclass(frozen=True, slots=True)
class Heard:
    """How much a job trains on, each recording once however often it comes."""

    utterances: int
    minutes: float
    speakers: int

    def as_json(self) -> dict[str, Any]:
        """As cards and results have it, minutes to the hundredth."""
        return {"utterances": self.utterances, "minutes": round(self.minutes, 2), "speakers": self.speakers}


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


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """A trained network, how it went, how far its weights moved from the plan's start, and what looks wrong."""

    ready: ReadyJob
    result: TrainingResult
    movement: Movement
    findings: tuple[Finding, ...] = ()
    """Signs of collapse on dev; none without a dev set."""
    adapter: Adapter | None = None
    """What was learnt beside the donor, where the options ask for an adapter; the network has it merged."""
    set_aside: tuple[tuple[str, str], ...] = ()
    """(Utterance id, reason) of all that was not trained on, found before training or on the way."""


def read_data(
    corpora: Sequence[Path],
    language: str,
    minutes: float | None,
    seed: int,
    repeat: Sequence[int] = (),
    beside: Sequence[Path] = (),
) -> TargetData:
    """Read the train and dev splits of manifests; test is never looked at.

    The train part of the corpora `beside` is added whole, whatever the minutes; their dev part is not used. With
    `repeat`, the train part of each corpus is taken that often, so that a small real one can stand beside a large
    synthetic one.

    A sharded corpus among `corpora` is not read: `sharded_data` says what goes with it.

    Raises CorpusError when the corpora are of another language than `language`, when ids repeat between them, or when
    a dev speaker and text also stand in train.
    """
    indexes = [read_index(path) for path in corpora if index_path(path) is not None]
    if indexes:
        if minutes is not None or repeat or beside:
            raise SpecError(
                "minutes, repeat and beside choose among utterances in memory; these corpora are shards",
                where=indexes[0].folder,
                fix="choose first, then `vizinho corpus shard` what was chosen",
            )
        return sharded_data(indexes, [path for path in corpora if index_path(path) is None], language)
    by_corpus = [read_manifest(path) for path in (*corpora, *beside)]
    everything = [u for utterances in by_corpus[: len(corpora)] for u in utterances]
    added = [u for utterances in by_corpus[len(corpora) :] for u in utterances]
    _check_language(everything + added, language, (*corpora, *beside))
    _check_ids(everything + added, (*corpora, *beside))
    train_part = select(everything, split="train", minutes=minutes, seed=seed)
    dev = [u for u in everything if u.split == "dev"]
    held_out = not dev
    if held_out:
        train_part, dev = _hold_out(train_part, seed)
    train_part = [*train_part, *(u for u in added if u.split == "train")]
    times = {u.id: n for n, utterances in zip(repeat, by_corpus, strict=True) for u in utterances} if repeat else {}
    used = {u.id for u in (*train_part, *dev)}
    sources = tuple(
        Source(path, tuple(u for u in utterances if u.id in used), number >= len(corpora))
        for number, (path, utterances) in enumerate(zip((*corpora, *beside), by_corpus, strict=True))
    )
    train_part = [copy for u in train_part for copy in _repeated(u, times.get(u.id, 1))]
    return TargetData(
        tuple(train_part), tuple(dev), held_out, fingerprint([*train_part, *dev]), get_normalizer(language), sources
    )


def target_minutes(corpora: Sequence[Path], minutes: float | None) -> float:
    """Minutes of target speech that a job with these corpora and this limit trains on, practice beside left out.

    Raises CorpusError for a limit that is no amount.
    """
    if minutes is not None and not minutes > 0:
        raise CorpusError(f"{minutes} minutes were asked for", where="minutes", fix="give a number above 0")
    seconds = 0.0
    for path in corpora:
        if index_path(path) is not None:
            seconds += read_index(path).seconds
        else:
            seconds += sum(u.duration_seconds for u in read_manifest(path) if u.split == "train")
    return seconds / 60 if minutes is None else min(minutes, seconds / 60)


def sharded_data(indexes: Sequence[ShardIndex], manifests: Sequence[Path], language: str) -> TargetData:
    """Shards to train on, with the dev splits that stand beside them or in further manifests.

    Raises CorpusError for another language, and when there is no dev, or train in a manifest.
    """
    beside = [read_manifest(path) if (path := index.manifest("dev")) is not None else [] for index in indexes]
    by_corpus = [*beside, *map(read_manifest, manifests)]
    named = [u for utterances in by_corpus for u in utterances]
    places = (*(i.folder for i in indexes), *manifests)
    _check_language(named, language, places)
    _check_ids(named, places)
    for index in indexes:
        if index.lang.split("-")[0] != language.split("-")[0]:
            raise CorpusError(
                f"the shards are in {index.lang!r}, not in {language!r}",
                where=index.folder,
                fix="give the corpus of the target language",
            )
    dev = [u for u in named if u.split == "dev"]
    if any(u.split == "train" for u in named):
        raise CorpusError(
            "a manifest with a train part beside shards",
            where=", ".join(map(str, manifests)),
            fix="`vizinho corpus shard` it too; several sharded corpora can be given",
        )
    if not dev:
        raise CorpusError(
            "no dev split to choose the weights on", where=places[0], fix="give a manifest of one: --corpus dev.jsonl"
        )
    digest = hashlib.sha256("|".join([*(i.fingerprint for i in indexes), fingerprint(dev)]).encode())
    sources = tuple(
        Source(place, tuple(u for u in utterances if u.split == "dev"), shards=index)
        for place, utterances, index in zip(places, by_corpus, [*indexes, *(None for _ in manifests)], strict=True)
    )
    return TargetData((), tuple(dev), False, digest.hexdigest()[:16], get_normalizer(language), sources, tuple(indexes))


def _repeated(utterance: Utterance, times: int) -> list[Utterance]:
    """Copies with ids of their own: augmentation follows the id."""
    return [utterance, *(replace(utterance, id=f"{utterance.id}~{n}") for n in range(1, times))]


def _check_language(utterances: Sequence[Utterance], language: str, corpora: Sequence[Path]) -> None:
    wanted = language.split("-")[0]
    other = [u for u in utterances if base_language(u.lang) != wanted]
    if other:
        raise CorpusError(
            f"{len(other)} utterances are in {other[0].lang!r}, not in {wanted!r}; the first: {other[0].id}",
            where=", ".join(map(str, corpora)),
            fix="give the corpus of the target language",
        )


def _check_ids(utterances: Sequence[Utterance], corpora: Sequence[Path]) -> None:
    seen: set[str] = set()
    for utterance in utterances:
        if utterance.id in seen:
            raise CorpusError(
                f"the id {utterance.id!r} stands in two corpora",
                where=", ".join(map(str, corpora)),
                fix="rename the ids of one of them",
            )
        seen.add(utterance.id)


def _hold_out(utterances: Sequence[Utterance], seed: int) -> tuple[list[Utterance], list[Utterance]]:
    ranked = sorted(utterances, key=lambda u: hashlib.sha256(f"dev:{seed}:{u.id}".encode()).digest())
    count = max(1, round(HELD_OUT_SHARE * len(ranked)))
    if len(ranked) < 2:
        raise CorpusError("one utterance cannot be split into train and dev", fix="give more utterances")
    kept = {u.id for u in ranked[:count]}
    return [u for u in utterances if u.id not in kept], [u for u in utterances if u.id in kept]


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


def run(ready: ReadyJob, folder: Path, *, progress: Advance = silent, log: Log = lambda _line: None) -> FinishedJob:
    """Train a ready job; `folder` keeps the checkpoints, and a run found there goes on.

    Under torchrun all processes do this together; only the main one looks for signs of collapse.
    """
    model, options = ready.checkpoint.model, ready.job.options
    handle = attach(model, options.adapter, options.seed) if options.adapter is not None else None
    references = {u.id: ready.data.normalizer(u.text) for u in ready.data.dev}
    front = ready.checkpoint.front
    for utterance in ready.data.dev:
        if not front.can_hear(utterance.duration_seconds):
            log(f"left {utterance.id} out of dev: {utterance.duration_seconds:.1f} s are too long for this network")
            del references[utterance.id]
    dev = DevSet([u for u in ready.data.dev if references.get(u.id)], {i: t for i, t in references.items() if t})
    phonemes = ready.phonemes
    with nullcontext() if phonemes is None else with_head(model, phonemes.head):
        result = train(
            ready.checkpoint,
            ready.prepared.examples,
            dev if dev.utterances else None,
            options,
            folder,
            phonemes=phonemes,
            progress=progress,
            log=log,
        )
    adapter = None
    if handle is not None:
        adapter = take(handle)
        merge(handle)
    if options.start_shares and ready.plan is not None and dev.utterances:
        result = mix_with_start(
            model, ready.start, options.start_shares, result, lambda: dev_rates(ready.checkpoint, dev)[0], log
        )
    moved = movement(ready.start, weights(model))
    findings = _findings(ready, result, dev) if is_main_process() else ()
    set_aside = (*ready.prepared.set_aside, *read_set_aside(folder))
    return FinishedJob(ready, result, moved, findings, adapter, set_aside)


def save(folder: Path, ready: ReadyJob) -> None:
    """Write the recogniser of a job as it stands, and what it learnt beside the letters, into a model folder."""
    save_checkpoint(folder, ready.checkpoint)
    if ready.phonemes is not None:
        save_head(folder, ready.phonemes.head)


def _findings(ready: ReadyJob, result: TrainingResult, dev: DevSet) -> tuple[Finding, ...]:
    if not dev.utterances:
        return ()
    heard = Recognizer(ready.checkpoint).transcribe_corpus(dev.utterances)
    course = Course(
        [p.train_loss for p in result.curve if p.train_loss is not None],
        result.skipped_batches,
        ready.prepared.letters,
    )
    return tuple(diagnose(course, dev.references, {id_: t.text for id_, t in heard.items()}))


def sound_similarity(target: str, donor: str, targets: Sequence[str], donors: Sequence[str]) -> SimilarityTable:
    """The similarity of letters as the plan wants it: by sound, or by looks where eSpeak NG or a voice is lacking."""
    found, source = letter_similarity(target, donor, targets, donors), "by sound, eSpeak NG and panphon"
    if found is None:
        found, source = base_letter_similarity(targets, donors), "by base letter"
    return SimilarityTable(found.targets, found.donors, found.values, source)
