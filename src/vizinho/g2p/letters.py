"""How alike the letters of two languages sound: letters to phones through G2P, phones to each other by features.

Words are spoken by eSpeak NG's rules, letters are aligned to phones, and two letters are compared by the
phonological features (panphon: Mortensen et al. 2016) of the phones they stand for.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.errors import SpecError, VizinhoError
from vizinho.g2p.espeak import is_available, phonemes, voice_of, voices_of
from vizinho.g2p.words import frequent_words, is_word, letters_of
from vizinho.text.language import Language

WORDS = 1500
"""Most frequent words of each language that are aligned."""
SPELLING_SHARE = 0.3
"""Weight of differing in diacritics alone: spelling keeps a history that the features do not know."""
ROUNDS = 4
"""Rounds of alignment and counting (hard EM)."""
LOOKS = {
    "ç": ("s", "z"), "ñ": ("n",), "ß": ("s",), "œ": ("o", "e"), "æ": ("a", "e"), "ø": ("o",), "ł": ("l",), "đ": ("d",),
    "ı": ("i",), "þ": ("t",), "ð": ("d",),
}  # fmt: skip
"""Letters that replace one another where no sound is known, after the same letter without its diacritics."""
LOOKS_SHARE = 0.6
"""Likeness of a pair of LOOKS; the same base letter has 1."""
_MARKS = "ˈˌːˑ‿.-|_ "
# eSpeak's Portuguese writes reduced final vowels with symbols that stand for other sounds in IPA.
_REPAIRS = {"pt": {"y": "i", "æ": "ɐ"}}
# panphon gives the near-open central vowel the features of [e], a front mid one. Other central vowels are back there;
# between open and mid, neither low nor not low.
_CORRECTED_FEATURES = {"ɐ": {"back": 1.0, "lo": 0.0}}
# What panphon does not know of eSpeak's English, by the nearest that it knows.
_NEAREST = {"ɚ": "ə", "ᵻ": "ɪ"}
_SWITCH = re.compile(r"\([a-z-]+\)")
"""eSpeak's mark of a word that it says by another language's rules, "(en)" and back."""
_AFFRICATES = ("tʃ", "dʒ", "ts", "dz")
Phones = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LetterSimilarity:
    """Likeness of target letters (rows) and donor letters (columns), 0 to 1: values (V_target, V_donor)."""

    targets: tuple[str, ...]
    donors: tuple[str, ...]
    values: npt.NDArray[np.float64]
    sounds: Mapping[str, str]
    """For each target letter its most frequent sound in IPA, as evidence."""
    donor_sounds: Mapping[str, str] = field(default_factory=dict)
    """For each donor letter its most frequent sound."""

    def evidence(self, target: str, donor: str) -> str:
        """Why a target letter and a donor letter are as alike as they are, such as "ç is said [s], as s is"."""
        sound, donor_sound = self.sounds.get(target, ""), self.donor_sounds.get(donor, "")
        if not sound or not donor_sound:
            return f"{target} like {donor} by spelling"
        other = f"as {donor} is" if sound == donor_sound else f"{donor} is said [{donor_sound}]"
        return f"{target} is said [{sound}], {other}"


def letter_similarity(
    target: str, donor: str, targets: Sequence[str], donors: Sequence[str]
) -> LetterSimilarity | None:
    """Compare the letters of two languages by sound; None where a language has no voice or eSpeak is not installed.

    A letter is the distribution of the phone strings it is spoken as; two letters are as alike as the expected
    likeness of their phones (scaled so that every letter has likeness 1 to itself), mixed with whether they differ in
    diacritics alone.
    """
    if not is_available():
        return None
    try:
        target_sounds, donor_sounds = (letter_sounds(Language.of(code).base) for code in (target, donor))
    except VizinhoError:  # no voice, or no list of words
        return None
    values = [[_letters_alike(a, b, target_sounds, donor_sounds) for b in donors] for a in targets]
    return LetterSimilarity(
        tuple(targets),
        tuple(donors),
        np.array(values, dtype=np.float64).reshape(len(targets), len(donors)),
        {a: _main_sound(target_sounds[a]) for a in targets if target_sounds.get(a)},
        {b: _main_sound(donor_sounds[b]) for b in donors if donor_sounds.get(b)},
    )


def base_letter_similarity(targets: Sequence[str], donors: Sequence[str]) -> LetterSimilarity:
    """Compare letters by their looks, where eSpeak or a language's voice is missing: values (V_target, V_donor).

    1 for letters that differ in diacritics alone, LOOKS_SHARE for a pair of the table LOOKS, else 0.
    """
    values = np.array([[_looks_alike(a, b) for b in donors] for a in targets], dtype=np.float64)
    return LetterSimilarity(tuple(targets), tuple(donors), values.reshape(len(targets), len(donors)), {})


@cache
def letter_sounds(language: str) -> dict[str, dict[Phones, float]]:
    """For each letter the shares of the phone strings (one or two phones) it is spoken as; silent uses left out.

    Raises VizinhoError without eSpeak NG, a voice or a list of words.
    """
    voice, letters = voice_of(language), letters_of(language)
    words = frequent_words(language, WORDS, letters=[c for c in letters if is_word(f"a{c}")])
    # Rare letters must not be judged by chance: every letter gets the words it is in, as far as there are any.
    many = frequent_words(language, 30_000, letters=letters)
    for letter in letters:
        words += [w for w in many if letter in w][:30]
    pairs = [(w, phones) for w in dict.fromkeys(words) if (phones := segments(phonemes(w, voice), language))]
    shares = {letter: _shares(counts) for letter, counts in _converged(pairs).items()}
    return {letter: of_letter for letter, of_letter in shares.items() if of_letter}


def letter_aligner(pairs: Sequence[tuple[str, Phones]]) -> Callable[[str, Phones], list[tuple[str, Phones]]]:
    """A function from a word and its phones to (letter, the 0 to 2 phones it is spoken as), learnt from the pairs.

    A word whose letters cannot be aligned gives an empty list.
    """
    costs = _costs(_converged(pairs))
    return lambda word, phones: _align(word, phones, costs)


def _converged(pairs: Sequence[tuple[str, Phones]]) -> dict[str, Counter[Phones]]:
    counts: dict[str, Counter[Phones]] = {}
    for _ in range(ROUNDS):  # align by the counts of the round before, then count again
        counts = _count(pairs, counts)
    return counts


def segments(ipa: str, language: str) -> Phones:
    """Split IPA into phones: a base symbol with its combining marks.

    Stress, length, spaces and eSpeak's marks of another language's words are dropped.
    """
    phones: list[str] = []
    for symbol in unicodedata.normalize("NFD", _SWITCH.sub("", ipa)):
        if symbol in _MARKS:
            continue
        if (unicodedata.combining(symbol) or symbol in "ʲʰʷˠ") and phones:
            phones[-1] += symbol
        else:
            phones.append(_REPAIRS.get(language, {}).get(symbol, symbol))
    return tuple(phones)


def spoken_phones(text: str, language: str) -> Phones:
    """The phones of a normalised text that have features.

    Raises SpecError without eSpeak NG, and for languages without a voice.
    """
    if not is_available():
        fix = "pip install 'vizinho[speak]', or set weight = 0"
        raise SpecError("phones need eSpeak NG", where="phonemes", fix=fix)
    if not voices_of(language):
        fix = "set weight = 0, or choose a language that eSpeak NG speaks"
        raise SpecError(f"no rules for the sounds of {language!r}", where="phonemes", fix=fix)
    phones = segments(phonemes(text, voice_of(language)), Language.of(language).base)
    return tuple(phone for p in phones if phone_features(phone := _NEAREST.get(p, p)) is not None)


def _count(pairs: Iterable[tuple[str, Phones]], before: Mapping[str, Counter[Phones]]) -> dict[str, Counter[Phones]]:
    costs = _costs(before)
    counts: dict[str, Counter[Phones]] = defaultdict(Counter)
    for word, phones in pairs:
        for letter, sound in _align(word, phones, costs):
            counts[letter][sound] += 1
    return counts


@dataclass(frozen=True, slots=True)
class _LetterCosts:
    """What it costs, in nats, to speak a letter in each of the ways it was spoken before, and in any other."""

    spoken: Mapping[Phones, float]
    otherwise: float


def _costs(counts: Mapping[str, Counter[Phones]]) -> dict[str, _LetterCosts]:
    costs = {}
    for letter, sounds in counts.items():
        total = sum(sounds.values()) + 1.0
        # Smoothed by a hundredth of an occurrence: an unseen sound stays possible, at about 5 nats more.
        spoken = {sound: -math.log((n + 0.01) / total) for sound, n in sounds.items()}
        costs[letter] = _LetterCosts(spoken, -math.log(0.01 / total))
    return costs


_UNSEEN = _LetterCosts({}, -math.log(0.01))


def _align(word: str, phones: Phones, costs: Mapping[str, _LetterCosts]) -> list[tuple[str, Phones]]:
    """Best monotone alignment in which each letter is spoken as nothing, one phone or two; empty if there is none."""
    # best[i] maps the number of phones spoken by the first i letters to (least cost, phones of the last letter).
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for position, letter in enumerate(word):
        known = costs.get(letter, _UNSEEN)
        reached: dict[int, tuple[float, int]] = {}
        for start, (cost, _) in best[-1].items():
            for length in range(min(2, len(phones) - start) + 1):
                end = start + length
                if costs:
                    total = cost + known.spoken.get(phones[start:end], known.otherwise)
                else:  # first round: one phone a letter, near its place in the word
                    total = cost + (1.5, 0.0, 1.5)[length] + _skew(position, end, word, phones)
                if end not in reached or total < reached[end][0]:
                    reached[end] = (total, length)
        best.append(reached)
    if len(phones) not in best[-1]:
        return []
    end, backwards = len(phones), []
    for position in range(len(word), 0, -1):
        length = best[position][end][1]
        backwards.append((word[position - 1], phones[end - length : end]))
        end -= length
    return backwards[::-1]


def _skew(position: int, end: int, word: str, phones: Phones) -> float:
    """In the first round nothing is known yet, so letters and phones at the same place in the word go together."""
    return abs((position + 1) / len(word) - end / len(phones))


def _shares(counts: Counter[Phones]) -> dict[Phones, float]:
    spoken = {sound: n for sound, n in counts.items() if sound}
    total = sum(spoken.values())
    # Rarer sounds are foreign words and slips of the alignment.
    return {sound: n / total for sound, n in spoken.items() if n >= 0.05 * total} if total else {}


def _main_sound(shares: Mapping[Phones, float]) -> str:
    return "".join(max(shares.items(), key=lambda item: item[1])[0])


def _looks_alike(a: str, b: str) -> float:
    if _same_base(a, b):
        return 1.0
    return LOOKS_SHARE if b in LOOKS.get(a, ()) or a in LOOKS.get(b, ()) else 0.0


def _same_base(a: str, b: str) -> bool:
    return unicodedata.normalize("NFD", a)[0] == unicodedata.normalize("NFD", b)[0]


def _letters_alike(
    a: str, b: str, sounds: Mapping[str, Mapping[Phones, float]], donor_sounds: Mapping[str, Mapping[Phones, float]]
) -> float:
    if a not in sounds or b not in donor_sounds:
        return 0.0
    return (1 - SPELLING_SHARE) * _alike(sounds[a], donor_sounds[b]) + SPELLING_SHARE * _same_base(a, b)


def _alike(a: Mapping[Phones, float], b: Mapping[Phones, float]) -> float:
    """Cosine of two letters' distributions over phone strings, where like strings are not orthogonal; 0 if silent.

    With the likeness of strings as inner product K, the cosine is a'Kb / sqrt(a'Ka b'Kb), and every letter has
    likeness 1 to itself.
    """
    if not a or not b:
        return 0.0
    return min(1.0, _expected(a, b) / math.sqrt(_expected(a, a) * _expected(b, b)))


def _expected(a: Mapping[Phones, float], b: Mapping[Phones, float]) -> float:
    return sum(p * q * _string_likeness(x, y) for x, p in a.items() for y, q in b.items())


def _string_likeness(x: Phones, y: Phones) -> float:
    best = [max(phone_likeness(p, q) for q in y) for p in x] + [max(phone_likeness(p, q) for p in x) for q in y]
    return float(np.mean(best))


@cache
def phone_likeness(a: str, b: str) -> float:
    """1 for the same phone, 0 from half of the features differing on; panphon's features, unweighted."""
    return max(0.0, 1.0 - phone_distance(a, b) / 0.5)


@cache
def phone_distance(a: str, b: str) -> float:
    """0 for the same phone, 2 where all of panphon's features are opposite (-1 and 1); 2 for a phone it lacks too."""
    if a == b:
        return 0.0
    first, second = phone_features(a), phone_features(b)
    return 2.0 if first is None or second is None else float(np.abs(first - second).mean())


def feature_names() -> tuple[str, ...]:
    """Names of the phonological features in the order of `phone_features`."""
    return tuple(_table().names)


@cache
def phone_features(phone: str) -> npt.NDArray[np.float64] | None:
    """Features of a phone, each -1, 0 or 1, as panphon has them but for _CORRECTED_FEATURES; None if it is unknown."""
    if phone[:2] in _AFFRICATES:  # without a tie panphon would read two phones
        phone = f"{phone[0]}͡{phone[1:]}"
    vectors = _table().word_to_vector_list(phone, numeric=True)
    if not vectors:
        return None
    vector = np.array(vectors[0], dtype=np.float64)
    for name, value in _CORRECTED_FEATURES.get(phone[0], {}).items():
        vector[_table().names.index(name)] = value
    return vector


@cache
def _table() -> Any:
    import panphon

    return panphon.FeatureTable()
