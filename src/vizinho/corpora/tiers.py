"""Guesses which tiers hold the transcription, from their names, types, languages and texts, and shows why."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import accumulate
from math import inf
from typing import Any

from vizinho.corpora.documents import Document, Span, Tier
from vizinho.text.language import Language, same_language


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


TRANSCRIPTION = _set(
    "tx txt text texto texte transcription transcript transcripts transcricao transcrição transcripcion transcripción "
    "trascrizione transkription transkript orth ort orto ortho orthographic orthography ortografia ortografía "
    "utterance utterances utt utts speech sentence sentences phrase phrases frase frases enunciado oracion fala"
)
WORDS = _set("word words wrd wd mot mots palabra palabras palavra palavras wort tokens token")
OTHER = _set(
    "translation translations transl trad traduccion traducción traducao tradução traduction traduzione übersetzung "
    "ft free lt lit literal gloss glosses glosa glosas glose gl ge gls gn mb mph mrph morph morphs morphemes morfemas "
    "pos ps cat note notes nota notas comment comments com remark remarks ref id ids phon phonetic phonetics phonemic "
    "phonology ipa fonetica fonética fon phone phones phoneme phonemes syl syllable syllables prosody tone tones "
    "pitch gesture gestures gaze head hands event events noise topic confidence code codes translit"
)
_CONTACT = ("en", "es", "fr", "pt", "ru", "id", "zh", "ar", "de", "it", "hi", "sw")
"""Languages that field linguists translate into; a tier named after one is a translation unless it is the target."""
_NO_LANGUAGE = ("und", "mis", "mul", "zxx")
_SAME_SECONDS = 0.05
_MOST_LETTERS_PER_SECOND = 30.0


@dataclass(frozen=True, slots=True)
class TierGroup:
    """Tiers of one kind in all documents: those of every speaker and file together."""

    label: str
    members: frozenset[tuple[str, str]]
    """Names and types."""
    texts: int
    seconds: float
    words_per_text: float
    speakers: frozenset[str]
    rank: int
    """What the name, type and language say: 3 transcription, 1 words, 0 nothing, below 0 something else."""
    reason: str
    chosen: bool = False

    @property
    def names(self) -> list[str]:
        """Names of the tiers, in order."""
        return sorted({name for name, _ in self.members})

    def to_json(self) -> dict[str, Any]:
        """The group as JSON values."""
        sets = {"names": self.names, "speakers": sorted(self.speakers)}
        plain = ("label", "texts", "words_per_text", "reason", "chosen")
        return {name: getattr(self, name) for name in plain} | sets | {"minutes": round(self.seconds / 60, 2)}

    def __str__(self) -> str:
        mark = "*" if self.chosen else " "
        who = f", speakers {', '.join(sorted(self.speakers))}" if self.speakers else ""
        size = f"{self.texts} texts, {self.words_per_text:.1f} words each, {self.seconds / 60:.1f} min"
        return f"{mark} {self.label}: {size}{who}; {self.reason}"


@dataclass(frozen=True, slots=True)
class Choice:
    """All groups, the most likely first. `guessed` is false where the user named tiers."""

    groups: tuple[TierGroup, ...]
    guessed: bool

    def naming(self, speakers: Mapping[str, str]) -> Choice:
        """The choice with speakers that the names of tiers tell."""
        with_speakers = (
            replace(g, speakers=g.speakers.union(speakers[n] for n in g.names if n in speakers)) for g in self.groups
        )
        return replace(self, groups=tuple(with_speakers))

    def takes(self, tier: Tier) -> bool:
        """Whether a tier is to be read."""
        return any(group.chosen and (tier.name, tier.kind) in group.members for group in self.groups)

    @property
    def lines(self) -> list[str]:
        """For the user: every group with the reason, the chosen ones marked."""
        how = "guessed; --tier NAME chooses others" if self.guessed else "by --tier"
        return [f"tiers ({how}):", *(f"  {group}" for group in self.groups)]


def choose_tiers(documents: Sequence[Document], patterns: Sequence[str], lang: str) -> Choice:
    """The tiers that match `patterns` (names, types or wildcards such as `tx@*`); without patterns the likeliest."""
    grouped: dict[str, list[Tier]] = {}
    for tier in (tier for document in documents for tier in document.tiers):
        grouped.setdefault(_label(tier), []).append(tier)
    groups = [_group(label, tiers, lang) for label, tiers in grouped.items()]
    if patterns:
        everything = (tier for tiers in grouped.values() for tier in tiers)
        named = {(t.name, t.kind) for t in everything if any(matches(t, p) for p in patterns)}
        groups = [group for whole in groups for group in _parted(whole, named)]
    else:
        chosen = _likeliest(groups, documents)
        groups = [replace(group, chosen=group.label in chosen) for group in groups]
    return Choice(tuple(sorted(groups, key=lambda g: (not g.chosen, -g.rank, -g.texts, g.label))), not patterns)


def matches(tier: Tier, pattern: str) -> bool:
    """Whether a name, type or wildcard is that of a tier, capitals or not."""
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for name in (tier.name, tier.kind) if name)


def _parted(group: TierGroup, named: set[tuple[str, str]]) -> Iterable[TierGroup]:
    """A group as one that is read and one that is not, where the user chose some of its tiers."""
    for members, chosen in ((group.members & named, True), (group.members - named, False)):
        if members:
            label = group.label if members == group.members else ", ".join(sorted(name for name, _ in members))
            yield replace(group, chosen=chosen, label=label, members=members)


def _label(tier: Tier) -> str:
    """The name without the speaker's part, so that tx@ana and tx@ben are one kind; with the type where it says more."""
    name = tier.name
    if tier.speaker and tier.speaker.casefold() != name.casefold():
        name = re.sub(rf"(?i)[@\s_:-]*\b{re.escape(tier.speaker)}\b[@\s_:-]*", "", name) or name
    # Toolbox writes tx@ana, FLEx A_Transcription, others Transcription:speaker0.
    name = re.sub(r"([@:]).*$", r"\1*", re.sub(r"^[A-Z][0-9]?_(?=\w)", "*_", name)) if name == tier.name else f"{name}*"
    return f"{name} ({tier.kind})" if tier.kind and tier.kind not in ("default", "default-lt") else name


def _group(label: str, tiers: Sequence[Tier], lang: str) -> TierGroup:
    spans = [span for tier in tiers for span in tier.spans if span.text.strip()]
    # Times that cannot be (NaN too) say nothing here, and are named when the tier is read.
    timed = [span for span in spans if 0 <= span.start_seconds <= span.end_seconds < inf]
    seconds = sum(s.end_seconds - s.start_seconds for s in timed)
    words = sum(len(s.text.split()) for s in spans) / max(1, len(spans))
    rank, reason = _rank(label, tiers[0], lang)
    letters = sum(len(s.text) for s in timed)
    if not spans:
        rank, reason = -9, "no text"
    elif letters > seconds * _MOST_LETTERS_PER_SECOND:
        rank, reason = min(rank, -2), f"{reason}; more text than anybody can speak in its time"
    speakers = frozenset(filter(None, (t.speaker for t in tiers)))
    return TierGroup(
        label, frozenset((t.name, t.kind) for t in tiers), len(spans), seconds, round(words, 1), speakers, rank, reason
    )


def _rank(label: str, tier: Tier, lang: str) -> tuple[int, str]:
    parts = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"@\S*", "", label)).casefold())
    known = "" if tier.lang in _NO_LANGUAGE else tier.lang
    if known and not same_language(known, lang):
        return -3, f"its language is {known}"
    own = [part for part in parts if len(part) in (2, 3) and same_language(part, lang)]  # "gl" is no gloss in Galician
    foreign = {part for part in parts if part in _CONTACT or (len(part) == 3 and Language.of(part).base in _CONTACT)}
    others = sorted(({part for part in parts if part in OTHER} | foreign) - {*own})
    if others:
        return -3, f"named {', '.join(others)}"
    sure = [part for part in parts if part in TRANSCRIPTION] or own
    if sure:
        return 3, f"named {', '.join(dict.fromkeys(sure))}"
    if known:
        return 3, f"its language is {known}"
    return (1, "named words") if any(part in WORDS for part in parts) else (0, "its name does not say")


def _likeliest(groups: list[TierGroup], documents: Sequence[Document]) -> set[str]:
    """The best group and those of equal rank that are other speakers, not other texts of the same speech.

    A tier whose name says that it is something else is read on request only.
    """
    # Sentences before single words, as a recogniser learns from them; then the tier with more speech.
    usable = sorted(
        (g for g in groups if g.texts and g.rank >= 0), key=lambda g: (-g.rank, -min(g.words_per_text, 3), -g.seconds)
    )
    chosen: list[TierGroup] = []
    for group in usable:
        if group.rank == usable[0].rank and not any(_repeats(group, other, documents) for other in chosen):
            chosen.append(group)
    return {group.label for group in chosen}


def _repeats(group: TierGroup, other: TierGroup, documents: Sequence[Document]) -> bool:
    """Whether a group lies on the times of another and fills them: a second text of the same speech."""
    inside = total = 0
    seconds = other_seconds = 0.0
    for document in documents:
        spans, others = _texts(document, group), _texts(document, other)
        if not others:
            continue
        starts = [s.start_seconds for s in others]
        latest = list(accumulate((s.end_seconds for s in others), max))
        total += len(spans)
        for span in spans:
            position = bisect_right(starts, span.start_seconds + _SAME_SECONDS)
            inside += position > 0 and span.end_seconds <= latest[position - 1] + _SAME_SECONDS
        seconds += sum(s.end_seconds - s.start_seconds for s in spans)
        other_seconds += sum(s.end_seconds - s.start_seconds for s in others)
    # Short answers during somebody's long turn lie inside it too, but do not fill it.
    return inside * 2 > total and seconds * 2 > other_seconds


def _texts(document: Document, group: TierGroup) -> list[Span]:
    spans = (s for t in document.tiers if (t.name, t.kind) in group.members for s in t.spans if s.text.strip())
    return sorted(spans, key=lambda s: s.start_seconds)
