"""Whether two words that look alike mean the same: by sentences that translate each other, directly or over English.

Two words of one meaning stand in the same sentence pairs (Dice's coefficient). Where there are no pairs of the two
languages, a third language that both have pairs with serves: words of one meaning have a translation in common.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from pathlib import Path

from vizinho.languages.levels.running import pair_files, sentence_pairs
from vizinho.languages.levels.words import words_in
from vizinho.languages.sources import TextSources
from vizinho.text.language import Language

LEAST_SEEN = 3
"""Sentences that a word must be in."""
LEAST_DICE = 0.2
MOST_TRANSLATIONS = 5

Meaning = Callable[[str, str], bool | None]
"""(target word, donor word) to whether they mean the same; None where that is not known."""
Translations = dict[str, tuple[str, ...]]


def meaning_by_sentences(target: Language, donor: Language, texts: TextSources) -> Meaning | None:
    """A judge made of the sentence pairs of a folder of texts; None where no pairs connect the two languages."""
    own, others = (_by_partner(language, texts) for language in (target, donor))
    if donor.base in own:
        return _direct(own[donor.base], others[target.base].keys())
    bridges = [(own[third], others[third]) for third in own if third in others]
    return _over_a_third(bridges) if bridges else None


def _direct(translations: Translations, seen: Collection[str]) -> Meaning:
    def judge(word: str, donor_word: str) -> bool | None:
        known = translations.get(word)
        return None if known is None or donor_word not in seen else donor_word in known

    return judge


def _over_a_third(bridges: Sequence[tuple[Translations, Translations]]) -> Meaning:
    def judge(word: str, donor_word: str) -> bool | None:
        both = [(a[word], b[donor_word]) for a, b in bridges if word in a and donor_word in b]
        return any(set(x) & set(y) for x, y in both) if both else None

    return judge


def _by_partner(language: Language, texts: TextSources) -> dict[str, Translations]:
    """Translations of a language's words into each language that it has sentence pairs with."""
    files: dict[str, list[tuple[Path, int]]] = {}
    for path, column, partner in pair_files(language, texts):
        files.setdefault(partner, []).append((path, column))
    return {partner: _translations(tuple(of_partner)) for partner, of_partner in files.items()}


@lru_cache(maxsize=16)
def _translations(files: tuple[tuple[Path, int], ...]) -> Translations:
    """The likeliest translations of every word that is in LEAST_SEEN sentences and has one."""
    together: dict[str, Counter[str]] = {}
    first, second = Counter[str](), Counter[str]()
    for path, column in files:
        for pair in sentence_pairs(path):
            # A word counts once in a sentence.
            own, other = set(words_in(pair[column])), set(words_in(pair[1 - column]))
            first.update(own)
            second.update(other)
            for word in own:
                together.setdefault(word, Counter()).update(other)
    best: Translations = {}
    for word, counts in together.items():
        if first[word] < LEAST_SEEN:
            continue
        # Twice the sentences in common over the sentences of each: 1 for words that only occur together.
        dice = {other: 2 * n / (first[word] + second[other]) for other, n in counts.items() if n >= LEAST_SEEN - 1}
        likely = sorted((w for w in dice if dice[w] >= LEAST_DICE), key=lambda w: (-dice[w], w))
        if likely:
            best[word] = tuple(likely[:MOST_TRANSLATIONS])
    return best
