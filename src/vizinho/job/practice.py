"""Practice speech for a target with little speech of its own: what paid most in the case study (docs/recipe.md).

There are two kinds: synthetic speech of the target, and the recordings that the donor was trained on with their texts
respelt in the target's letters.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vizinho.corpora.manifest import fingerprint, held_out_texts, select, write_manifest
from vizinho.corpora.synthetic import phrase_books, practice_corpus, practice_digest
from vizinho.errors import CorpusError, SpecError, TextError
from vizinho.g2p.espeak import voices_of
from vizinho.g2p.respell import respell_corpus
from vizinho.g2p.speaking import readers_of
from vizinho.g2p.words import is_listed
from vizinho.job.data import Corpus, open_corpus
from vizinho.progress import Event, unseen
from vizinho.records import Utterance
from vizinho.store.card import Card
from vizinho.store.store import unwritable
from vizinho.text.language import Language, same_language
from vizinho.text.normalize import get_normalizer
from vizinho.training.recipes import MUCH_MINUTES

SEED = 1
"""Seed of voices and texts. It is not the training's seed, so that runs of several seeds share one practice corpus."""
TARGET_SHARE = 0.4
"""The target's speech is repeated until it makes up this share of what the practice speech lasts: in the case study 8
minutes were repeated 8 times next to 163 minutes of practice speech."""
MOST_REPEATS = 8


@dataclass(frozen=True, slots=True)
class Target:
    """What practice speech is made for."""

    language: str
    corpora: tuple[Corpus, ...]
    minutes: float
    """Target speech that is trained on."""
    held_out: tuple[Utterance, ...] = ()
    """Utterances to choose or test on, besides the dev and test splits of the corpora."""
    practice_minutes: float = 0.0
    """Other practice speech of the job."""

    def held_out_texts(self) -> set[str]:
        """Normalised texts that must not be practised."""
        normalize = get_normalizer(self.language)
        everything = [u for corpus in self.corpora for u in corpus.utterances]
        return held_out_texts(everything, normalize) | {normalize(u.text) for u in self.held_out}


@dataclass(frozen=True, slots=True)
class Practice:
    """Practice corpora, how many times to repeat the target's own speech next to them, and remarks for the user."""

    corpora: tuple[Corpus, ...]
    repeat: int
    remarks: tuple[str, ...]


def make_practice(home: Path, target: Target, minutes: float, donor: Card | None, show: Event = unseen) -> Practice:
    """Make `minutes` of synthetic speech and take at most as many minutes of what the donor was trained on.

    The corpora lie in `home`/practice, where the next call finds them. Held-out texts of the target are left out.
    Raises SpecError for sharded corpora and languages without a voice, VizinhoError without eSpeak NG, StoreError
    where `home` cannot be written.
    """
    if sharded := [corpus for corpus in target.corpora if corpus.shards is not None]:
        raise SpecError(
            "practice speech goes with manifests, this is a sharded corpus",
            where=sharded[0].place,
            fix="leave --practice out",
        )
    if not readers_of(target.language):
        raise SpecError(
            f"no voice of eSpeak NG speaks or can read {target.language!r}",
            where="--practice",
            fix="leave it out; --beside takes practice speech of your own, as `corpus speak --like` makes it",
        )
    try:
        return _make(home / "practice", target, minutes, donor, show)
    except OSError as error:
        raise unwritable(error, home) from error


def may_help(language: str, corpora: Sequence[Corpus], minutes: float) -> bool:
    """Whether a target with this much speech and no practice could have some, and would have much of it."""
    few = minutes < MUCH_MINUTES and not any(corpus.shards for corpus in corpora)
    return few and bool(voices_of(language)) and is_listed(language)


def _make(folder: Path, target: Target, minutes: float, donor: Card | None, show: Event) -> Practice:
    excluded = target.held_out_texts()
    language = Language.of(target.language).base
    # Synthetic speech comes first and always; what the donor was trained on depends on its card and on this machine.
    corpora = [_synthetic(folder, language, minutes, _own_sentences(target, excluded), excluded, show)]
    kinds, remarks = [f"of synthetic {language}"], list[str]()
    if donor is None:
        remarks.append(_not_practised("the donor's recordings", "there is no card that names them"))
    else:
        for source, corpus, why_not in _all_respelt(folder, target, minutes, donor, excluded, show):
            if corpus is None:
                remarks.append(_not_practised(source, why_not))
            else:
                corpora.append(corpus)
                kinds.append(f"of {source} in the letters of {target.language}")
    for corpus, kind in zip(corpora, kinds, strict=True):
        remarks.append(f"practice: {corpus.train_minutes:.1f} minutes {kind} ({corpus.place})")
    # The share that the target's own speech is brought up to, in whole repeats between 1 and MOST_REPEATS.
    practice_minutes = sum(corpus.train_minutes for corpus in corpora) + target.practice_minutes
    repeat = round(TARGET_SHARE * practice_minutes / target.minutes)
    return Practice(tuple(corpora), max(1, min(MOST_REPEATS, repeat)), tuple(remarks))


def _not_practised(source: str, why: str) -> str:
    return f"no practice from {source}: {why}"


def _own_sentences(target: Target, excluded: Collection[str]) -> list[str]:
    """What the target's speakers say in its train part."""
    normalize = get_normalizer(target.language)
    texts = (u.text for corpus in target.corpora for u in corpus.utterances if u.split == "train")
    return sorted({text for text in texts if normalize(text) not in excluded})


def _synthetic(
    folder: Path, language: str, minutes: float, own: Sequence[str], excluded: Collection[str], show: Event
) -> Corpus:
    # A language with neither a phrase book nor a list of words is spoken by what its corpus says.
    sentences: Sequence[str] | None = None if language in phrase_books() else () if is_listed(language) else own
    digest = practice_digest(language, minutes, sentences=sentences, held_out=False)
    manifest = practice_corpus(
        language,
        minutes,
        folder / f"{language}-{minutes:g}-{digest[:8]}",
        seed=SEED,
        sentences=sentences,
        held_out=False,
        progress=partial(show, f"speaking {language}", minutes),
    )
    normalize = get_normalizer(language)
    allowed = [u for u in open_corpus(manifest).utterances if normalize(u.text) not in excluded]
    return _written(folder, f"{language}-spoken", allowed)


def _all_respelt(
    folder: Path, target: Target, minutes: float, donor: Card, excluded: Collection[str], show: Event
) -> list[tuple[str, Corpus | None, str]]:
    """(Source, practice corpus, "") for each corpus of the donor, or (source, None, reason) where there is none.

    Together they have at most `minutes`.
    """
    everything = "the donor's recordings"
    if same_language(donor.language, target.language):
        return [(everything, None, f"they are in {donor.language} already")]
    if not donor.job:
        return [(everything, None, "its card does not name them")]
    outcomes = list[tuple[str, Corpus | None, str]]()
    left = minutes  # all corpora of the donor share the minutes, in the card's order
    for source in donor.job["corpora"]:
        place = str(source["place"])
        try:
            if left <= 0:
                raise CorpusError(f"there are {minutes:g} minutes without it")
            usable = _donor_corpus(source, donor, target)
            corpus = _respelt(folder, usable, target.language, left, excluded, show)
        except (CorpusError, TextError) as error:  # among them a language without a voice: its sounds are unknown
            outcomes.append((place, None, error.what))
            continue
        left -= corpus.train_minutes
        outcomes.append((place, corpus, ""))
    return outcomes


def _respelt(
    folder: Path, corpus: Corpus, language: str, minutes: float, excluded: Collection[str], show: Event
) -> Corpus:
    chosen = select(corpus.utterances, split="train", minutes=minutes, seed=SEED)
    respelt = respell_corpus(chosen, language, excluded, partial(show, f"respelling {corpus.place.name}", len(chosen)))
    return _written(folder, f"{chosen[0].lang}-as-{language}", respelt.utterances)


def _written(folder: Path, name: str, utterances: Sequence[Utterance]) -> Corpus:
    # Ids of their own: other corpora of the job may hold recordings of `corpus speak` and `corpus respell` too.
    renamed = tuple(replace(u, id=f"practice-{u.id}") for u in utterances)
    path = folder / f"{name}-{fingerprint(renamed)}.jsonl"
    write_manifest(path, renamed)  # each time: the recordings may have moved since the last time
    return Corpus(path, renamed)


def _donor_corpus(source: Mapping[str, Any], donor: Card, target: Target) -> Corpus:
    """One of a donor's corpora, as its card names it. Raises CorpusError with the reason where it cannot be used."""
    path = Path(source["place"])
    elsewhere = "`vizinho corpus respell` and --beside take it from elsewhere"
    if source["beside"]:
        raise CorpusError("it was practice for the donor itself")
    if not path.exists():
        raise CorpusError(f"it is not here; {elsewhere}")
    if path.resolve() in {corpus.place.resolve() for corpus in target.corpora}:
        raise CorpusError(f"here that is the target's corpus; {elsewhere}")
    corpus = open_corpus(path)
    if corpus.shards is not None:
        raise CorpusError("it is a sharded corpus; `vizinho corpus respell` and --beside take a manifest")
    if others := {u.lang for u in corpus.utterances if not same_language(u.lang, donor.language)}:
        raise CorpusError(f"it is in {', '.join(sorted(others))} now, not in {donor.language}")
    # More utterances than then are fine; fewer mean that a part of the corpus is gone.
    if len(corpus.utterances) < source["utterances"]:
        raise CorpusError(
            f"it has {len(corpus.utterances)} utterances now, the donor was trained on {source['utterances']}"
        )
    return corpus
