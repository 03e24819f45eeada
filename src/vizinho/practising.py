"""Practice for a transfer to a language with little speech, made on the spot: what paid most in the case study.

Two kinds (docs/recipe.md): synthetic speech of the target, and the recordings that the donor learnt from, their texts
in the target's letters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vizinho.corpora.manifest import fingerprint, read_manifest, select, write_manifest
from vizinho.corpora.practice import phrase_books, practice_corpus
from vizinho.corpora.shards.index import index_path
from vizinho.errors import CorpusError, SpecError, TextError
from vizinho.languages.sound_spelling import respell_corpus
from vizinho.parallel import unseen
from vizinho.progress import Advance, Event
from vizinho.records import Utterance
from vizinho.registry.card import Card
from vizinho.text.normalize import get_normalizer

SEED = 1
"""Of the voices and texts: not the training's, so that runs of several seeds share one practice."""
SHARE = 0.4
"""What the target's speech is brought up to, against the practice, by coming again: as in the case study, where 8
minutes came 8 times beside 163."""
MOST_TIMES = 8


@dataclass(frozen=True, slots=True)
class Practice:
    """Manifests to train beside, how often the target's own speech is to come, and what there is to say of it."""

    beside: tuple[Path, ...]
    times: int
    said: tuple[str, ...]


def make_practice(
    home: Path,
    language: str,
    minutes: float,
    corpora: Sequence[Path],
    target_minutes: float,
    donor: Card | None,
    show: Event = unseen,
) -> Practice:
    """At most `minutes` of either kind for a target with these corpora, of which `target_minutes` are trained on.

    What is made lies in `home`/practice, where the next call finds it. Texts of the target's dev and test are left out.
    Raises SpecError for sharded corpora, VizinhoError without eSpeak NG, CorpusError for a language it cannot speak.
    """
    if shards := [path for path in corpora if index_path(path) is not None]:
        raise SpecError(
            "practice stands beside manifests, this is a sharded corpus", where=shards[0], fix="leave --practice out"
        )
    folder, normalize = home / "practice", get_normalizer(language)
    kept_back = {normalize(u.text) for path in corpora for u in read_manifest(path) if u.split != "train"}
    made = [_spoken(folder, language, minutes, kept_back, show)]
    said = []
    for path, why_not in _donors_corpora(donor, language):
        if why_not:
            said.append(f"no practice from {path}: {why_not}")
            continue
        try:
            made.append(_respelt(folder, path, language, minutes, kept_back, show))
        except (CorpusError, TextError) as error:  # such as a language without a voice: nobody knows how it sounds
            said.append(f"no practice from {path}: {error.what}")
    if donor is None or not donor.job:
        said.append("no practice from the donor's recordings: no card names them")
    long = [_minutes(utterances) for _, utterances, _ in made]
    said += [f"practice: {m:.1f} minutes {what} ({path})" for m, (path, _, what) in zip(long, made, strict=True)]
    times = max(1, min(MOST_TIMES, round(SHARE * sum(long) / target_minutes)))
    return Practice(tuple(path for path, _, _ in made), times, tuple(said))


_Made = tuple[Path, Sequence[Utterance], str]
"""A manifest, what it holds, and what that is in words."""


def _spoken(folder: Path, language: str, minutes: float, kept_back: Collection[str], show: Event) -> _Made:
    # A language without a phrase book has its frequent words.
    sentences = None if language in phrase_books() else ()
    whole = practice_corpus(
        language,
        minutes,
        folder / f"{language}-{minutes:g}",
        seed=SEED,
        sentences=sentences,
        progress=_bar(show, f"speaking {language}", minutes),
    )
    normalize = get_normalizer(language)
    kept = [u for u in read_manifest(whole) if u.split == "train" and normalize(u.text) not in kept_back]
    return _written(folder, f"{language}-spoken", kept, f"of synthetic {language}")


def _respelt(
    folder: Path, corpus: Path, language: str, minutes: float, kept_back: Collection[str], show: Event
) -> _Made:
    chosen = select(read_manifest(corpus), split="train", minutes=minutes, seed=SEED)
    made = respell_corpus(chosen, language, kept_back, _bar(show, f"respelling {corpus.name}", len(chosen)))
    what = f"of {corpus} in the letters of {language}"
    return _written(folder, f"{chosen[0].lang}-as-{language}", made.utterances, what)


def _bar(show: Event, name: str, total: float) -> Advance:
    def advance(amount: float, note: str = "") -> None:
        show(name, total, amount, note)

    return advance


def _written(folder: Path, name: str, utterances: Sequence[Utterance], what: str) -> _Made:
    path = folder / f"{name}-{fingerprint(utterances)}.jsonl"
    if not path.is_file():
        write_manifest(path, utterances)
    return path, utterances, what


def _donors_corpora(donor: Card | None, language: str) -> Iterator[tuple[Path, str]]:
    """What the donor's card says it was trained on, and why some of that cannot be practised with."""
    if donor is None or donor.language.split("-")[0] == language.split("-")[0]:
        return
    for source in donor.job.get("corpora", ()):
        path = Path(source["place"])
        if source["beside"]:
            yield path, "it was practice for the donor itself"
        elif not path.exists():
            yield path, "it is not here; `vizinho corpus respell` and --beside take it from elsewhere"
        elif index_path(path) is not None:
            yield path, "it is a sharded corpus; `vizinho corpus respell` and --beside take a manifest"
        else:
            yield path, ""


def _minutes(utterances: Sequence[Utterance]) -> float:
    return sum(u.duration_seconds for u in utterances) / 60
