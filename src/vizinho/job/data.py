"""Corpora read once into a Dataset: the utterances that a job trains on and those it chooses on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vizinho.corpora.manifest import fingerprint, read_manifest, select
from vizinho.corpora.shards.index import ShardIndex, first_texts, index_path, read_index
from vizinho.errors import CorpusError, SpecError
from vizinho.records import Utterance
from vizinho.text.language import Language, same_language
from vizinho.text.normalize import Normalizer, get_normalizer

HELD_OUT_SHARE = 0.1
"""Share of the utterances kept for dev where a corpus has no dev split."""


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
        if not same_language(index.lang, language):
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
    base = Language.of(language).base
    other = [u for u in utterances if Language.of(u.lang).base != base]
    if other:
        raise CorpusError(
            f"{len(other)} utterances are in {other[0].lang!r}, not in {language!r}; the first: {other[0].id}",
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
