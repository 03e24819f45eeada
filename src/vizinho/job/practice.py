"""Practice for a transfer to a language with little speech, made on the spot: what paid most in the case study.

Two kinds (docs/recipe.md): synthetic speech of the target, and the recordings that the donor learnt from, their texts
in the target's letters.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vizinho.corpora.manifest import fingerprint, held_out_texts, read_manifest, select, write_manifest
from vizinho.corpora.shards.index import index_path
from vizinho.corpora.synthetic import phrase_books, practice_corpus, practice_digest
from vizinho.errors import CorpusError, SpecError, TextError
from vizinho.g2p.espeak import voices_of
from vizinho.g2p.respell import respell_corpus
from vizinho.job.data import read_data, target_minutes
from vizinho.progress import Event, unseen
from vizinho.records import Utterance
from vizinho.store.card import Card
from vizinho.store.pins import pinned_utterances
from vizinho.store.store import Store, unwritable
from vizinho.text.language import Language, same_language
from vizinho.text.normalize import get_normalizer

SEED = 1
"""Of the voices and texts: not the training's, so that runs of several seeds share one practice."""
SHARE = 0.4
"""What the target's speech is brought up to, against all that is beside it, by coming again: as in the case study,
where 8 minutes came 8 times beside 163."""
MOST_TIMES = 8


@dataclass(frozen=True, slots=True)
class Target:
    """What the practice is for: the corpora, and what of them is trained on and kept back."""

    language: str
    corpora: tuple[Path, ...]
    minutes: float
    """Of them, trained on."""
    held_out: tuple[Utterance, ...] = ()
    """Utterances that are chosen or tested with, besides dev and test of the corpora."""
    beside_minutes: float = 0.0
    """Of other practice, given beside this one."""

    def kept_back(self) -> set[str]:
        """Normalised texts that must not be practised."""
        normalize = get_normalizer(self.language)
        return held_out_texts(self.corpora, normalize) | {normalize(u.text) for u in self.held_out}


def target_of(
    store: Store,
    name: str,
    language: str,
    corpora: Sequence[Path],
    minutes: float | None,
    seed: int,
    beside: Sequence[Path] = (),
) -> Target:
    """The target of a job for the model `name`. Reads the corpora as the job will and raises what that raises."""
    sharded = any(map(index_path, corpora))  # refused when the practice is made
    dev = () if sharded else read_data(corpora, language, minutes, seed, beside=beside).dev
    held_out = (*dev, *pinned_utterances(store, name))
    return Target(language, tuple(corpora), target_minutes(corpora, minutes), held_out, target_minutes(beside, None))


@dataclass(frozen=True, slots=True)
class Practice:
    """Manifests to train beside, how often the target's own speech is to come, and what there is to say of it."""

    beside: tuple[Path, ...]
    times: int
    said: tuple[str, ...]


def make_practice(home: Path, target: Target, minutes: float, donor: Card | None, show: Event = unseen) -> Practice:
    """`minutes` of synthetic speech, and at most as many that the donor learnt from.

    What is made lies in `home`/practice, where the next call finds it. Texts that the target keeps back are left out.
    Raises SpecError for sharded corpora and languages without a voice, VizinhoError without eSpeak NG, StoreError
    where `home` cannot be written.
    """
    if shards := [path for path in target.corpora if index_path(path) is not None]:
        raise SpecError(
            "practice stands beside manifests, this is a sharded corpus", where=shards[0], fix="leave --practice out"
        )
    if not voices_of(target.language):
        raise SpecError(
            f"eSpeak NG is not known to speak {target.language!r}",
            where="--practice",
            fix="leave it out; --beside takes practice of your own",
        )
    try:
        return _make(home / "practice", target, minutes, donor, show)
    except OSError as error:
        raise unwritable(error, home) from error


def _make(folder: Path, target: Target, minutes: float, donor: Card | None, show: Event) -> Practice:
    kept_back = target.kept_back()
    made = [_spoken(folder, Language.of(target.language).base, minutes, kept_back, show)]
    if donor is None:
        said = [_nothing_from("the donor's recordings", "there is no card that names them")]
    else:
        respelt, said = _all_respelt(folder, target, minutes, donor, kept_back, show)
        made += respelt
    long = [_minutes(utterances) for _, utterances, _ in made]
    said += [f"practice: {m:.1f} minutes {what} ({path})" for m, (path, _, what) in zip(long, made, strict=True)]
    times = round(SHARE * (sum(long) + target.beside_minutes) / target.minutes)
    return Practice(tuple(path for path, _, _ in made), max(1, min(MOST_TIMES, times)), tuple(said))


_Made = tuple[Path, Sequence[Utterance], str]
"""A manifest, what it holds, and what that is in words."""


def _spoken(folder: Path, language: str, minutes: float, kept_back: Collection[str], show: Event) -> _Made:
    # A language without a phrase book has its frequent words.
    sentences = None if language in phrase_books() else ()
    digest = practice_digest(language, minutes, sentences=sentences, held_out=False)
    whole = practice_corpus(
        language,
        minutes,
        folder / f"{language}-{minutes:g}-{digest[:8]}",
        seed=SEED,
        sentences=sentences,
        held_out=False,
        progress=partial(show, f"speaking {language}", minutes),
    )
    normalize = get_normalizer(language)
    kept = [u for u in read_manifest(whole) if normalize(u.text) not in kept_back]
    return _written(folder, f"{language}-spoken", kept, f"of synthetic {language}")


def _all_respelt(
    folder: Path, target: Target, minutes: float, donor: Card, kept_back: Collection[str], show: Event
) -> tuple[list[_Made], list[str]]:
    """Of all corpora of the donor together at most `minutes`, and what is to be said of the others."""
    everything, made, said, left = "the donor's recordings", list[_Made](), list[str](), minutes
    if same_language(donor.language, target.language):
        return [], [_nothing_from(everything, f"they are in {donor.language} already")]
    if not donor.job:
        return [], [_nothing_from(everything, "its card does not name them")]
    for source in donor.job["corpora"]:
        path, why_not = Path(source["place"]), _unfit(source, donor, target)
        if not why_not and left <= 0:
            why_not = f"there are {minutes:g} minutes without it"
        if not why_not:
            try:
                made.append(_respelt(folder, path, target.language, left, kept_back, show))
                left -= _minutes(made[-1][1])
            except (CorpusError, TextError) as error:  # such as a language without a voice: nobody knows how it sounds
                why_not = error.what
        if why_not:
            said.append(_nothing_from(path, why_not))
    return made, said


def _nothing_from(what: str | Path, why: str) -> str:
    return f"no practice from {what}: {why}"


def _respelt(
    folder: Path, corpus: Path, language: str, minutes: float, kept_back: Collection[str], show: Event
) -> _Made:
    chosen = select(read_manifest(corpus), split="train", minutes=minutes, seed=SEED)
    made = respell_corpus(chosen, language, kept_back, partial(show, f"respelling {corpus.name}", len(chosen)))
    what = f"of {corpus} in the letters of {language}"
    return _written(folder, f"{chosen[0].lang}-as-{language}", made.utterances, what)


def _written(folder: Path, name: str, utterances: Sequence[Utterance], what: str) -> _Made:
    # Ids of their own: `corpus speak` and `corpus respell` give theirs to what may stand in another corpus here.
    own = [replace(u, id=f"practice-{u.id}") for u in utterances]
    path = folder / f"{name}-{fingerprint(own)}.jsonl"
    write_manifest(path, own)  # anew: what it points to may lie elsewhere than the last time
    return path, own, what


def _unfit(source: Mapping[str, Any], donor: Card, target: Target) -> str:
    """Why one of a donor's corpora cannot be practised with; empty where it can."""
    path = Path(source["place"])
    elsewhere = "`vizinho corpus respell` and --beside take it from elsewhere"
    if source["beside"]:
        return "it was practice for the donor itself"
    if not path.exists():
        return f"it is not here; {elsewhere}"
    if index_path(path) is not None:
        return "it is a sharded corpus; `vizinho corpus respell` and --beside take a manifest"
    if path.resolve() in {other.resolve() for other in target.corpora}:
        return f"here that is the target's corpus; {elsewhere}"
    try:
        found = read_manifest(path)
    except CorpusError as error:
        return error.what
    if others := {u.lang for u in found if not same_language(u.lang, donor.language)}:
        return f"it is in {', '.join(sorted(others))} now, not in {donor.language}"
    if len(found) < source["utterances"]:
        return f"it has {len(found)} utterances now, the donor learnt from {source['utterances']}"
    return ""


def _minutes(utterances: Sequence[Utterance]) -> float:
    return sum(u.duration_seconds for u in utterances) / 60
