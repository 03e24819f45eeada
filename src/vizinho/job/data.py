"""Corpora, each opened once, and the Dataset that a job makes of them: what it trains on and what it chooses on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vizinho.corpora.manifest import fingerprint, is_other_format, read_manifest, select
from vizinho.corpora.shards.index import ShardIndex, first_texts, index_path, read_index, spelt_by
from vizinho.errors import CorpusError, SpecError
from vizinho.progress import Event, Log, unseen
from vizinho.records import Utterance
from vizinho.rights import refuse_untrainable, summary
from vizinho.text.language import Language, same_language
from vizinho.text.normalize import Normalizer, get_normalizer

HELD_OUT_SHARE = 0.1
"""Share of the utterances held out for dev where a corpus has no dev split."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A manifest with all of its utterances, or a sharded corpus with its index and the utterances of its dev split."""

    place: Path
    """The manifest, or the folder of a sharded corpus."""
    utterances: tuple[Utterance, ...]
    shards: ShardIndex | None = None

    @property
    def train_minutes(self) -> float:
        """Minutes of speech in the train split."""
        if self.shards is not None:
            return self.shards.seconds / 60
        return sum(u.duration_seconds for u in self.utterances if u.split == "train") / 60


@dataclass(frozen=True, slots=True)
class Source:
    """What a job uses of one corpus: its utterances of train and dev, none of them repeated."""

    place: Path
    utterances: tuple[Utterance, ...]
    """Of a sharded corpus those of dev alone."""
    beside: bool = False
    """Whether this is practice speech, which is used whole whatever the limit in minutes. (The card's key.)"""
    shards: ShardIndex | None = None

    def rights(self, language: str) -> list[dict[str, Any]]:
        """Licences and restrictions with their utterances and minutes, as cards have them."""
        rows: list[Mapping[str, Any]] = [*summary(self.utterances)]
        if self.shards is not None:
            rows += self.shards.rights or [
                {
                    "licence": "",
                    "restrictions": [],
                    "utterances": self.shards.utterances,
                    "minutes": round(self.shards.seconds / 60, 2),
                    "with_consent": 0,
                }
            ]
        about = {"corpus": self.place.name, "language": language, "practice": self.beside}
        return [about | dict(row) for row in rows]


@dataclass(frozen=True, slots=True)
class SpeechAmount:
    """How much a job trains on; a recording counts once however often it is repeated."""

    utterances: int
    minutes: float
    speakers: int

    def as_json(self) -> dict[str, Any]:
        """The values that cards and results hold, minutes rounded to two decimals."""
        return {"utterances": self.utterances, "minutes": round(self.minutes, 2), "speakers": self.speakers}


@dataclass(frozen=True, slots=True)
class Dataset:
    """The utterances that one job trains on, repeats included, and those it chooses on."""

    train: tuple[Utterance, ...]
    dev: tuple[Utterance, ...]
    held_out: bool
    """Whether dev was cut from the train split because the corpora have no dev split."""
    fingerprint: str
    normalizer: Normalizer
    sources: tuple[Source, ...]
    """What is used of each corpus, in the order of the command line, practice speech last."""
    shards: tuple[ShardIndex, ...] = ()
    """Sharded corpora, whose utterances are read when they are needed; `train` is empty then."""

    def texts(self) -> Iterator[str]:
        """Normalised texts to make tokens from: all of train, or the first texts of shards."""
        for text in (u.text for u in self.train) if not self.shards else first_texts(self.shards):
            yield self.normalizer(text)

    def amount(self, *, practice: bool, skipped: frozenset[str] = frozenset()) -> SpeechAmount:
        """How much target speech or practice speech is trained on, without the utterances whose ids are `skipped`."""
        if self.shards and not practice:
            seconds = sum(s.seconds for s in self.shards)
            return SpeechAmount(
                sum(s.utterances for s in self.shards), seconds / 60, sum(s.speakers for s in self.shards)
            )
        trained = {u.id for u in self.train} - skipped
        used = [u for s in self.sources if s.beside is practice for u in s.utterances if u.id in trained]
        return SpeechAmount(len(used), sum(u.duration_seconds for u in used) / 60, len({u.speaker for u in used}))


def as_manifest(
    place: Path,
    language: str,
    home: Path,
    log: Log = lambda _line: None,
    board: Callable[[], AbstractContextManager[Event]] = lambda: nullcontext(unseen),
) -> Path:
    """A manifest of a corpus in any format, made once in the store's folder `home`; one that is a manifest, or shards.

    Raises CorpusError for a corpus of no known format, and for rows that cannot be used.
    """
    if not is_other_format(place) or index_path(place) is not None:
        return place
    from vizinho.corpora.convert import converted  # all the readers, which most jobs do not need

    with board() as show:
        return converted(place, language, home / "corpora", log=log, show=show)


def open_corpus(path: Path) -> Corpus:
    """Read a manifest, or the index of a sharded corpus and the dev manifest in its folder. Raises CorpusError."""
    if index_path(path) is None:
        return Corpus(path, tuple(read_manifest(path)))
    index = read_index(path)
    dev = index.manifest("dev")
    return Corpus(index.folder, tuple(read_manifest(dev)) if dev is not None else (), index)


def read_dataset(
    corpora: Sequence[Path],
    language: str,
    minutes: float | None = None,
    seed: int = 1,
    repeat: Sequence[int] = (),
    practice: Sequence[Path] = (),
    normalizer: Normalizer | None = None,
) -> Dataset:
    """Open corpora and make a dataset of them: `make_dataset` says how and what is raised."""
    opened, added = ([open_corpus(path) for path in paths] for paths in (corpora, practice))
    return make_dataset(opened, language, minutes, seed, repeat=repeat, practice=added, normalizer=normalizer)


def make_dataset(
    corpora: Sequence[Corpus],
    language: str,
    minutes: float | None = None,
    seed: int = 1,
    *,
    repeat: Sequence[int] = (),
    practice: Sequence[Corpus] = (),
    normalizer: Normalizer | None = None,
) -> Dataset:
    """Choose what to train on and what to choose on; utterances of test splits are never used.

    Args:
        corpora: Speech of the target language. Shards are taken whole, with the dev splits in their folders.
        language: The target's code.
        minutes: Limit of target speech in train; None takes all.
        seed: Decides which utterances fit into `minutes`, and which are held out where no corpus has a dev split.
        repeat: How many times an epoch has the train part of each corpus, practice last, each copy augmented in its own
            way: a small real corpus keeps its weight next to a large synthetic one. Empty repeats nothing.
        practice: Corpora whose train part is added whole; their dev part is not used.
        normalizer: Of an edited orthography or an older version; the language's if not given.

    Raises CorpusError for utterances of another language, for an id that two corpora share, for speech that may not be
    trained on, and for shards without dev; SpecError for minutes, repeats or practice speech together with shards.
    """
    if sharded := [corpus.shards for corpus in corpora if corpus.shards is not None]:
        if minutes is not None or repeat or practice:
            raise SpecError(
                "minutes, repeat and practice speech need utterances in memory; these corpora are shards",
                where=sharded[0].folder,
                fix="choose the utterances first, then `vizinho corpus shard` them",
            )
        return _sharded(corpora, sharded, language, normalizer or get_normalizer(language))
    # Practice stands last everywhere: repeats, sources and the card's list of corpora rely on this order.
    opened = [*corpora, *practice]
    target = [u for corpus in corpora for u in corpus.utterances]
    added = [u for corpus in practice for u in corpus.utterances]
    _check_language(target + added, language, opened)
    _check_ids(target + added, opened)
    train = select(target, split="train", minutes=minutes, seed=seed)
    dev = [u for u in target if u.split == "dev"]
    # Without a dev split a tenth of train is held out, before practice is added: dev is real speech only.
    held_out = not dev
    if held_out:
        train, dev = hold_out(train, seed)
    train += [u for u in added if u.split == "train"]
    refuse_untrainable([*train, *dev], _places(opened))
    # Sources name what is used, once each: their fingerprints are what the card keeps to reproduce the run.
    used = {u.id for u in (*train, *dev)}
    sources = tuple(
        Source(corpus.place, tuple(u for u in corpus.utterances if u.id in used), number >= len(corpora))
        for number, corpus in enumerate(opened)
    )
    times = {u.id: n for n, corpus in zip(repeat, opened, strict=True) for u in corpus.utterances} if repeat else {}
    train = [copy for u in train for copy in _copies(u, times.get(u.id, 1))]
    digest = fingerprint([*train, *dev])  # repeats count: another --repeat is another run
    return Dataset(tuple(train), tuple(dev), held_out, digest, normalizer or get_normalizer(language), sources)


def target_minutes(corpora: Sequence[Corpus], limit: float | None) -> float:
    """Minutes of target speech in the train splits, at most `limit`. Raises CorpusError for a limit of zero or less."""
    if limit is not None and not limit > 0:
        raise CorpusError(f"the limit is {limit} minutes", where="minutes", fix="give a number above 0")
    minutes = sum(corpus.train_minutes for corpus in corpora)
    return minutes if limit is None else min(limit, minutes)


def _sharded(
    corpora: Sequence[Corpus], indexes: Sequence[ShardIndex], language: str, normalizer: Normalizer
) -> Dataset:
    """Shards to train on, with the dev splits of their folders or of further manifests."""
    utterances = [u for corpus in corpora for u in corpus.utterances]
    _check_language(utterances, language, corpora)
    _check_ids(utterances, corpora)
    for index in indexes:
        if not same_language(index.lang, language):
            raise _other_language(f"the shards are in {index.lang!r}", language, str(index.folder))
    dev = [u for u in utterances if u.split == "dev"]
    if any(u.split == "train" for u in utterances):
        raise CorpusError(
            "a manifest with a train split next to shards",
            where=_places([corpus for corpus in corpora if corpus.shards is None]),
            fix="`vizinho corpus shard` it too; several sharded corpora can be given",
        )
    if not dev:
        raise CorpusError(
            "no dev split to choose the weights on",
            where=corpora[0].place,
            fix="give a manifest of one: --corpus dev.jsonl",
        )
    refuse_untrainable(dev, _places(corpora))
    digest = hashlib.sha256("|".join([*(i.fingerprint for i in indexes), fingerprint(dev)]).encode()).hexdigest()[:16]
    spelt = tuple(spelt_by(index, normalizer) for index in indexes)
    ordered = sorted(corpora, key=lambda corpus: corpus.shards is None)  # cards list shards before manifests
    sources = tuple(
        Source(c.place, tuple(u for u in c.utterances if u.split == "dev"), shards=c.shards) for c in ordered
    )
    return Dataset((), tuple(dev), False, digest, normalizer, sources, spelt)


def _copies(utterance: Utterance, times: int) -> list[Utterance]:
    """Repeats get ids of their own, since augmentation is a function of the id."""
    return [utterance, *(replace(utterance, id=f"{utterance.id}~{n}") for n in range(1, times))]


def _check_language(utterances: Sequence[Utterance], language: str, corpora: Sequence[Corpus]) -> None:
    base = Language.of(language).base
    other = [u for u in utterances if Language.of(u.lang).base != base]
    if other:
        what = f"utterance {other[0].id} and {len(other) - 1} more are in {other[0].lang!r}"
        raise _other_language(what, language, _places(corpora))


def _other_language(what: str, language: str, where: str) -> CorpusError:
    return CorpusError(f"{what}, not in {language!r}", where=where, fix="give the corpus of the target language")


def _check_ids(utterances: Sequence[Utterance], corpora: Sequence[Corpus]) -> None:
    # Batches, augmentation and per-utterance scores are functions of the id, so one id must mean one recording.
    seen: set[str] = set()
    for utterance in utterances:
        if utterance.id in seen:
            raise CorpusError(
                f"the id {utterance.id!r} occurs in two corpora", where=_places(corpora), fix="rename the ids of one"
            )
        seen.add(utterance.id)


def _places(corpora: Sequence[Corpus]) -> str:
    return ", ".join(str(corpus.place) for corpus in corpora)


def hold_out(utterances: Sequence[Utterance], seed: int) -> tuple[list[Utterance], list[Utterance]]:
    """Train and dev. An utterance is in dev by its own id, so that none changes sides when more are added.

    Else a second version would choose on what the first one learnt. At least one utterance is on either side.
    """
    if len(utterances) < 2:
        raise CorpusError("one utterance cannot be split into train and dev", fix="give more utterances")
    # The first 8 bytes of a hash as a number between 0 and 1.
    drawn = {
        u.id: int.from_bytes(hashlib.sha256(f"dev:{seed}:{u.id}".encode()).digest()[:8], "big") / 2**64
        for u in utterances
    }
    first, *_, last = sorted(drawn, key=lambda id_: drawn[id_])
    dev = {id_ for id_, place in drawn.items() if place < HELD_OUT_SHARE and id_ != last} | {first}
    return [u for u in utterances if u.id not in dev], [u for u in utterances if u.id in dev]
