"""What texts show of their spelling: which characters they have, what is dropped, and signs that look like letters."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import regex

from vizinho.errors import TextError
from vizinho.text.normalize import Normalizer
from vizinho.text.orthography import Orthography

LEAST_SHARE, LEAST_WORDS, LEAST_DISTINCT = 0.01, 20, 5
"""A sign is taken for a letter where it stands in this share of the words, in as many words and different words."""
_SEPARATORS = frozenset("-‐‑–—−/.,;!?_@&'’‘ʼ\"“”„…，、。")
"""Signs between two letters that part words in every language."""
_INSIDE = regex.compile(r"(?<=[\p{L}\p{M}])([^\p{L}\p{M}\p{C}\s])(?=[\p{L}])")
_BEHIND = regex.compile(r"(?<=[\p{L}\p{M}])([\d¹²³⁰⁴-⁹]+)(?![\p{L}\d])")
_EDGE_START = regex.compile(r"(?<![\p{L}\p{M}\d])['’‘](?=\p{L})")
_EDGE_END = regex.compile(r"(?<=[\p{L}\p{M}])['’](?![\p{L}\p{M}\d])")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A change of the orthography that texts speak for: `signs` added to `key` (letters, joiners or tones)."""

    key: str
    signs: str
    words: int
    """Words that have the signs."""
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpellingReport:
    """Characters of texts by what they are, how often each, and what the texts suggest."""

    orthography: Orthography
    letters: dict[str, int]
    """Letters that the orthography lists."""
    other_letters: dict[str, int]
    """Letters that it does not list: of loans, of another language, or mistaken."""
    joiners: dict[str, int]
    marks: dict[str, int]
    tones: dict[str, int]
    read_out: dict[str, int]
    """Digits and signs that are read as words."""
    dropped: dict[str, int]
    """May be heard, and are dropped."""
    punctuation: dict[str, int]
    suggestions: tuple[Suggestion, ...]

    @property
    def suggested(self) -> Orthography:
        """The orthography with the suggestions."""
        changed = self.orthography
        for suggestion in self.suggestions:
            changed = replace(changed, **{suggestion.key: getattr(changed, suggestion.key) + suggestion.signs})
        return changed

    def to_json(self) -> dict[str, Any]:
        """Counts and suggestions as JSON values."""
        kinds = ("letters", "other_letters", "joiners", "marks", "tones", "read_out", "dropped", "punctuation")
        suggestions = [
            {"key": s.key, "signs": s.signs, "words": s.words, "examples": list(s.examples)} for s in self.suggestions
        ]
        return {kind: getattr(self, kind) for kind in kinds} | {"suggestions": suggestions}


def spelling_report(texts: Iterable[str], normalizer: Normalizer) -> SpellingReport:
    """Count the characters of texts as a normaliser takes them. Texts that it refuses count as evidence alone."""
    kinds: dict[str, Counter[str]] = {kind: Counter() for kind in ("kept", "seen", "dropped")}
    everything = []
    for text in texts:
        everything.append(unicodedata.normalize("NFC", text))
        try:
            read = normalizer.read(text)
        except TextError:  # a number without words, which may be a tone
            continue
        kinds["kept"].update(read.text.replace(" ", ""))
        kinds["seen"].update(c for c in everything[-1] if not c.isspace())
        kinds["dropped"].update(read.lost)
    orthography = normalizer.orthography
    kept = kinds["kept"]
    letters = set(orthography.letters)
    named: set[str] = set()

    def those(characters: Iterable[str], of: Counter[str]) -> dict[str, int]:
        chosen = {c: of[c] for c in sorted(characters) if of[c] and c not in named}
        named.update(chosen)
        return chosen

    # Each character is counted once, under the first kind that has it.
    tones = those(orthography.tones, kept)
    listed = those(letters, kept)
    joiners = those(orthography.joiners, kept)
    marks = those([c for c in kept if unicodedata.category(c)[0] == "M"], kept)
    others = those(kept, kept)
    silent = [c for c in kinds["seen"] if unicodedata.category(c)[0] == "P" and c not in "%&‰٪"]
    punctuation = those(silent, kinds["seen"])
    read_out = those(
        [c for c in kinds["seen"] if not c.isalpha() and unicodedata.category(c)[0] in "NPS"],
        kinds["seen"] - kinds["dropped"],
    )
    return SpellingReport(
        orthography, listed, others, joiners, marks, tones, read_out,
        dict(kinds["dropped"].most_common()), punctuation, tuple(_suggestions(everything, orthography)),
    )  # fmt: skip


def _suggestions(texts: list[str], orthography: Orthography) -> Iterable[Suggestion]:
    words = [word for text in texts for word in text.split() if any(c.isalpha() for c in word)]
    known = set(orthography.letters + orthography.joiners + orthography.tones)
    least = max(LEAST_WORDS, LEAST_SHARE * len(words))
    # Tones first: a digit behind the last letter is a tone, and then it is no letter inside a word either.
    tones = Counter(word for word in words if (m := _BEHIND.search(word)) and not known.issuperset(m[1]))
    if _is_clear(tones, least):
        signs = {c for word in tones for m in _BEHIND.finditer(word) for c in m[1]} - known
        yield Suggestion("tones", "".join(sorted(signs)), tones.total(), _examples(tones))
        known |= signs
    inside: dict[str, Counter[str]] = {}
    for word in words:
        for sign in {m[1] for m in _INSIDE.finditer(word)} - known - _SEPARATORS:
            inside.setdefault(sign, Counter())[word] += 1
    for sign, having in sorted(inside.items()):
        if _is_clear(having, least):
            punctuation = unicodedata.category(sign)[0] == "P"
            yield Suggestion("joiners" if punctuation else "letters", sign, having.total(), _examples(having))
    if not orthography.apostrophe:
        edges = _unpaired(texts)
        if _is_clear(edges, least):
            yield Suggestion("letters", "'", edges.total(), _examples(edges))


def _unpaired(texts: list[str]) -> Counter[str]:
    """Words with an apostrophe at one edge that no other one in the text can be the quotation mark to."""
    words: Counter[str] = Counter()
    for text in texts:
        starts, ends = ([w for w in text.split() if edge.search(w)] for edge in (_EDGE_START, _EDGE_END))
        more = starts if len(starts) > len(ends) else ends
        words.update(more[: abs(len(starts) - len(ends))])
    return words


def _is_clear(words: Counter[str], least: float) -> bool:
    return words.total() >= least and len(words) >= min(LEAST_DISTINCT, words.total())


def _examples(words: Counter[str]) -> tuple[str, ...]:
    return tuple(word for word, _ in words.most_common(3))
