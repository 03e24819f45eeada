"""Speakers by the names of tiers, where no participants are named: tx@ana, ana_tx, "Ana - Transcription"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from vizinho.corpora.documents import Document, Tier
from vizinho.corpora.tiers import OTHER, TRANSCRIPTION, WORDS, Choice
from vizinho.text.language import same_language

_NOBODY = (
    TRANSCRIPTION | WORDS | OTHER
    | {"tier", "default", "main", "layer", "track", "channel", "labels", "subtitles", "intervals", "silences", "sheet"}
    | {"draft", "final", "old", "new", "corrected", "original", "version", "copy", "edited", "checked", "raw"}
    | {"mary", "john", "bell"}
)  # fmt: skip
"""What tiers are called beside people; Praat's own example is "Mary John bell"."""
_BETWEEN = r"[\s_:()\[\]./-]"


def speakers_by_name(documents: Sequence[Document], choice: Choice, lang: str) -> dict[str, str]:
    """The speaker of each chosen tier that has no participant, by the tier's name; without those that name nobody.

    What follows `@` is a speaker, and so is what is left of a name without the words for a transcription, where the
    tiers have several such names or it begins with a capital.
    """
    tiers = [[t for t in d.tiers if choice.takes(t) and not t.speaker] for d in documents]
    names = {tier.name for chosen in tiers for tier in chosen}
    # Two tiers of one recording are two people, whatever they are called.
    beside = {tier.name for chosen in tiers if len({t.name for t in chosen}) > 1 for tier in chosen}
    speakers = {name: _speaker(name, lang, several=len(names) > 1, beside=name in beside) for name in names}
    return {name: speaker for name, speaker in speakers.items() if speaker}


def with_speakers(tiers: Iterable[Tier], named: dict[str, str]) -> list[Tier]:
    """Tiers with the speakers that their names tell, where they have no participant."""
    return [replace(tier, speaker=tier.speaker or named.get(tier.name, "")) for tier in tiers]


def _speaker(name: str, lang: str, *, several: bool, beside: bool) -> str:
    before, _, behind = name.partition("@")
    if before and behind:
        return behind
    rest = _without_known(name, lang)
    if rest and (several or rest[0].isupper()):
        return rest
    return name.split(":")[-1].strip() if beside else ""


def _without_known(name: str, lang: str) -> str:
    """A name without the words at its ends that say what is in the tier."""
    parts = re.split(rf"({_BETWEEN}+)", name)
    words = parts[0::2]
    people = [n for n, word in enumerate(words) if word and not _says_what(word, lang)]
    if not people or all(words[n].isdigit() for n in people):
        return ""
    return "".join(parts[2 * people[0] : 2 * people[-1] + 1])


def _says_what(word: str, lang: str) -> bool:
    folded = word.casefold()
    return folded.rstrip("0123456789") in _NOBODY or (len(word) in (2, 3) and same_language(folded, lang))
