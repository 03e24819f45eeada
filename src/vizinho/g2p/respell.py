"""Writes what is heard in one language as another would spell it: a donor's transcripts in the target's letters.

eSpeak NG's rules give the phones of each word; a phone that the target lacks becomes the nearest it has (panphon's
features). A bigram model of graphones, learnt from the target's words (Bisani & Ney 2008, used backwards), proposes
spellings. Each of them, and the donor's own spelling, is read by the target's rules, and the one that sounds most like
the donor's word is taken. Khare et al. 2021 transliterate donor transcripts before a transfer.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

from rapidfuzz.distance import Levenshtein

from vizinho.errors import CorpusError
from vizinho.g2p.espeak import phonemes, voice_of
from vizinho.g2p.letters import Phones, feature_names, letter_aligner, phone_features, phone_likeness, segments
from vizinho.g2p.words import frequent_words, letters_of
from vizinho.progress import Advance, silent
from vizinho.records import Utterance
from vizinho.text.language import Language
from vizinho.text.normalize import get_normalizer

WORDS = 12_000
"""Most frequent words of the target that the spelling is learnt from."""
SMOOTHING = 2.0
"""Occurrences' worth of the unigram share in every bigram share."""
BEAM = 24
"""Spellings of a word's beginning that are kept."""
UNLIKENESS = 4.0
"""Cost of a phone being heard as another, in nats, if they had nothing in common."""
OTHER_LETTERS = 2.0
"""Cost of writing a phone in other letters than the donor's, in nats."""
SPELLINGS = 16
"""Likeliest spellings that are read aloud; some differ in their accents alone."""
OWN_SPELLING = 0.3
"""Phones by which another spelling must be nearer than the donor's own."""
LETTER = 0.1
"""Phones by which a spelling must be nearer for each letter that it changes: many sound alike (ss, ç, z at the end)."""
LISTED = 3
"""Spellings of a word in a lexicon."""
CERTAINTY = 2.0
"""Nats by which a spelling in a lexicon is less likely for each phone that it costs more."""
RAREST = 3
"""Graphones seen less often are slips of the alignment."""
# Where features alone mislead: how listeners to Romance languages take up sounds that these lack.
_HEARD_AS = {
    "ð": "d", "θ": "s", "β": "b", "ɣ": "ɡ", "ʁ": "x", "ɹ": "ɾ", "ɚ": "ɐ", "ɜ": "ɛ", "æ": "ɛ", "ʌ": "ɐ", "ʝ": "ʒ",
    "ɑ": "a", "ə": "ɐ", "y": "i", "ø": "e", "œ": "ɛ", "ɑ̃": "ɐ̃", "ɔ̃": "õ",
}  # fmt: skip
_REDUCED = {"a": "ɐ", "e": "ɪi", "o": "ʊu", "i": "ɪ", "u": "ʊ"}
"""Vowels that are written alike in stressed and in weak syllables but spoken differently."""
_SAME_LETTER = {"a": "ɐ", "e": "ɪɛ", "o": "ʊɔ", "i": "ɪ", "u": "ʊ", "j": "iɪ", "w": "uʊ", "l": "ʊw", "n": "ŋ"}
"""What has one letter for two sounds: weak and open vowels, glides, l and n at the end of a syllable (Brazil's mal)."""
_PALATAL = {"pt": {"t": "ʃ", "d": "ʒ"}}
"""What comes between these and an i in some accents of a language (Brazil's tia, dia), and has no letter."""
_NASAL_GLIDE = frozenset({"pt"})
"""Languages in which a nasal e glides to an i that has no letter (bem)."""
_SUPPORT = {"pt": "ə"}
"""A vowel that eSpeak's rules put next to a consonant (after the r of parte), and that has no letter either."""
_TRILL = {"pt": "x"}
"""The target's sound of the letter that has a trill in languages that set it apart from a tap (perro, pero)."""
_MARKS = "\u0301\u0300\u0302"
"""Acute, grave and circumflex show stress and openness, which differ between languages; tilde and cedilla stay."""
Graphone = tuple[Phones, str]
"""Phones (0 to 2 of them) and the letters that write them."""
_EDGE: Graphone = ((), "")


@dataclass(frozen=True, slots=True)
class SoundSpeller:
    """Spells phones in one language's letters."""

    language: str
    unigrams: Mapping[Graphone, float]
    bigrams: Mapping[Graphone, Mapping[Graphone, int]]
    by_phones: Mapping[Phones, tuple[Graphone, ...]]
    phones: tuple[str, ...]

    def spellings(self, phones: Phones, letters: Sequence[str] = ()) -> list[str]:
        """The SPELLINGS likeliest of a word's phones, best first; none for no phones. Any language's are allowed.

        `letters` are those that each phone is written with in its own language, where that is known.
        """
        candidates = [self.candidates(p) for p in phones]
        # beams[i] maps the last graphone of a spelling of the first i phones to (cost in nats, letters so far).
        beams: list[dict[Graphone, tuple[float, str]]] = [{} for _ in range(len(candidates) + 1)]
        beams[0][_EDGE] = (0.0, "")
        for position in range(len(candidates)):
            best = sorted(beams[position].items(), key=lambda item: item[1][0])[:BEAM]
            for graphone, length, likeness in self._written(candidates[position : position + 2]):
                same = not letters or _plain("".join(letters[position : position + length])) == _plain(graphone[1])
                # `likeness` is a sum over the phones that the graphone writes, 1 each where all are the target's own.
                changed = UNLIKENESS * (length - likeness) + (0.0 if same else OTHER_LETTERS)
                for before, (cost, written) in best:
                    total = cost - math.log(self._share(before, graphone)) + changed
                    reached = beams[position + length].get(graphone)
                    if reached is None or total < reached[0]:
                        beams[position + length][graphone] = (total, written + graphone[1])
        ends = sorted((cost - math.log(self._share(g, _EDGE)), written) for g, (cost, written) in beams[-1].items())
        return list(dict.fromkeys(written for _, written in ends))[:SPELLINGS] if phones else []

    def candidates(self, phone: str) -> tuple[tuple[str, float], ...]:
        """Phones of the language that a phone may be heard as, with their likeness; the nearest is always there."""
        phone = _HEARD_AS.get(phone, phone) if (phone,) not in self.by_phones else phone
        nearest = max(self.phones, key=lambda own: (phone_likeness(phone, own), own))
        reduced = [(r, phone_likeness(nearest, r)) for r in _REDUCED.get(nearest, "") if (r,) in self.by_phones]
        return ((nearest, phone_likeness(phone, nearest)), *reduced)

    def _written(self, candidates: Sequence[Sequence[tuple[str, float]]]) -> Iterator[tuple[Graphone, int, float]]:
        """Graphones that write the first phone, or the first two; (graphone, phones written, sum of likeness)."""
        for phone, likeness in candidates[0]:
            yield from ((g, 1, likeness) for g in self.by_phones.get((phone,), ()))
        if len(candidates) > 1:
            for (first, a), (second, b) in product(candidates[0], candidates[1]):
                yield from ((g, 2, a + b) for g in self.by_phones.get((first, second), ()))

    def _share(self, before: Graphone, graphone: Graphone) -> float:
        following = self.bigrams.get(before, {})
        # Bigram counts with the unigram share as prior (Dirichlet smoothing).
        prior = SMOOTHING * self.unigrams.get(graphone, 1e-6)
        return (following.get(graphone, 0) + prior) / (sum(following.values()) + SMOOTHING)


@cache
def sound_speller(language: str) -> SoundSpeller:
    """Learn a language's spelling from its frequent words. Raises VizinhoError for a language without a voice."""
    align = _aligner(language)
    return _learn(language, [_graphones(align(word, phones)) for word, phones in _frequent(language)])


@cache
def _aligner(language: str) -> Callable[[str, Phones], list[tuple[str, Phones]]]:
    return letter_aligner(_frequent(language))


@cache
def _frequent(language: str) -> list[tuple[str, Phones]]:
    """Frequent words and their phones."""
    words = frequent_words(language, WORDS, letters=letters_of(language), shortest=2)
    return [(w, phones) for w in words if (phones := _read(w, language))]


def respell(text: str, language: str, target: str) -> str:
    """A normalised text of `language`, word by word as `target` would write its sounds.

    Raises VizinhoError for a language without a voice.
    """
    return " ".join(filter(None, (_respell_word(word, language, target) for word in text.split())))


@dataclass(frozen=True, slots=True)
class RespeltCorpus:
    """Utterances in the target's letters, and (id, reason) of those left out; together they are the whole input."""

    utterances: tuple[Utterance, ...]
    left_out: tuple[tuple[str, str], ...]
    examples: tuple[tuple[str, str], ...]
    """(donor's text, respelt text) of the first few, to be looked at."""


def respell_corpus(
    utterances: Sequence[Utterance], target: str, leave_out: Collection[str] = (), progress: Advance = silent
) -> RespeltCorpus:
    """The train part of a donor's corpus as speech of the target: its sounds in the target's letters.

    `leave_out` are normalised texts of the target that must not be trained on (those of its dev and test), with accents
    or without. Raises VizinhoError as `respell` does, and CorpusError when nothing is left.
    """
    held_out = set(map(_plain, leave_out))
    respelt, left_out, examples = [], [], []
    for utterance in utterances:
        progress(1, utterance.id)
        if utterance.split != "train":
            left_out.append((utterance.id, f"split {utterance.split}"))
            continue
        text = respell(get_normalizer(utterance.lang)(utterance.text), utterance.lang, target)
        if not text or text in held_out:
            left_out.append((utterance.id, "dev or test has its text" if text else "nothing to be heard in its text"))
            continue
        respelt.append(replace(utterance, id=f"{utterance.lang}-as-{target}-{utterance.id}", text=text, lang=target))
        examples.append((utterance.text, text))
    if not respelt:
        raise CorpusError("no utterance could be respelt", where="corpus", fix="give a manifest with a train split")
    return RespeltCorpus(tuple(respelt), tuple(left_out), tuple(examples[:3]))


def spellings_of(
    words: Iterable[str], language: str, donor: str, letters: Collection[str], progress: Advance = silent
) -> dict[str, dict[str, float]]:
    """Each word of `language` as `donor` would write what it hears, in `letters`: likely spellings with log-shares.

    Words that cannot be spelt so have none. Raises VizinhoError for a language without a voice.
    """
    allowed = frozenset(letters)
    spellings: dict[str, dict[str, float]] = {}
    for word in words:
        costs = {s: cost for s, cost in _spelling_costs(word, language, donor).items() if s and allowed.issuperset(s)}
        likely = sorted(costs, key=lambda spelling: costs[spelling])[:LISTED]
        shares = [math.exp(-CERTAINTY * (costs[s] - costs[likely[0]])) for s in likely]
        spellings[word] = {s: math.log(share / sum(shares)) for s, share in zip(likely, shares, strict=True)}
        progress(1, word)
    return spellings


@cache
def _respell_word(word: str, language: str, target: str) -> str:
    costs = _spelling_costs(word, language, target)
    return _accented(min(costs, key=lambda spelling: costs[spelling], default=""), word, target)


def _accented(spelling: str, word: str, target: str) -> str:
    """The target's word that has these letters, with its accents: the donor's own word, else the most frequent one."""
    known = _with_accents(target).get(spelling, ())
    return word if word in known else next(iter(known), spelling)


@cache
def _with_accents(language: str) -> dict[str, tuple[str, ...]]:
    """Frequent words by their letters without accents, the most frequent first."""
    words: dict[str, tuple[str, ...]] = {}
    for word in frequent_words(language, WORDS, letters=letters_of(language), shortest=2):
        words[_plain(word)] = (*words.get(_plain(word), ()), word)
    return words


@cache
def _has_two_rs(language: str) -> bool:
    """Whether a trill and a tap tell words apart in a language."""
    return {"r", "ɾ"} <= {phone for _, phones in _frequent(language)[:2000] for phone in phones}


def _spelling_costs(word: str, language: str, target: str) -> dict[str, float]:
    """What each spelling of a word in the target's letters costs, in phones."""
    phones = _single(_read(word, language))
    if Language.of(target).base in _TRILL and _has_two_rs(language):
        phones = tuple(_TRILL[Language.of(target).base] if p == "r" else p for p in phones)
    own = _plain(word)
    spellings = sound_speller(target).spellings(phones, _letters_of(word, phones, language))
    costs: dict[str, float] = {}
    for spelling in map(_plain, spellings):  # read as it will be written, or an accent that is not would decide
        changed = LETTER * Levenshtein.distance(own, spelling)
        costs[spelling] = unlikeness(phones, _read(spelling, target)) + changed
    if phones and set(own) <= set(letters_of(target)):
        costs[own] = unlikeness(phones, _read(own, target)) - OWN_SPELLING
    return costs


def _letters_of(word: str, phones: Phones, language: str) -> list[str]:
    """The letters that each phone of a word is written with; none where they cannot be told."""
    letters: list[str] = []
    for sound, written in _graphones(_aligner(language)(word, phones)):
        letters += [written, *[""] * (len(sound) - 1)]
    return letters if len(letters) == len(phones) else []


def _plain(word: str) -> str:
    """Without the accents of stress and openness."""
    bare = "".join(c for c in unicodedata.normalize("NFD", word) if c not in _MARKS)
    return unicodedata.normalize("NFC", bare)


@cache
def _read(word: str, language: str) -> Phones:
    code = Language.of(language).base
    spoken = segments(phonemes(word, voice_of(language)), code)
    between, support = _PALATAL.get(code, {}), _SUPPORT.get(code)
    return tuple(
        phone
        for before, phone, after in zip(("", *spoken[:-1]), spoken, (*spoken[1:], ""), strict=True)
        if phone != support
        and not (after in ("i", "ɪ") and between.get(before) == phone)
        and not (code in _NASAL_GLIDE and (before, phone) == ("e", "ɪ") and after in ("ŋ", "m"))
    )


def _single(phones: Phones) -> Phones:
    """One consonant where the same one comes twice: eSpeak says calle with two [j]."""
    return tuple(p for n, p in enumerate(phones) if n == 0 or p != phones[n - 1] or _is_syllabic(p))


def unlikeness(spoken: Phones, target: Phones) -> float:
    """Edit distance between a donor's phones and a target's: 1 for one too many, less for like ones in its place.

    What the target writes with one letter is alike: open and weak vowels, glides, l and n at the end of a syllable.
    """
    row = [float(n) for n in range(len(target) + 1)]
    for phone in spoken:
        phone = _HEARD_AS.get(phone, phone)
        before, row = row, [row[0] + 1.0]  # one row of the edit table at a time
        for n, other in enumerate(target):
            likeness = 1.0 if other in _SAME_LETTER.get(phone, "") else phone_likeness(phone, other)
            row.append(min(row[n] + 1.0, before[n + 1] + 1.0, before[n] + 1.0 - likeness))
    return row[-1]


def _graphones(aligned: Sequence[tuple[str, Phones]]) -> list[Graphone]:
    """Silent letters go with the letter before them (qu, ss), or after them at a word's start and in nh, lh, ch."""
    graphones: list[Graphone] = []
    silent = ""
    for number, (letter, sound) in enumerate(aligned):
        following = aligned[number + 1] if number + 1 < len(aligned) else ("", ())
        if sound:
            graphones.append((sound, silent + letter))
            silent = ""
        elif not graphones or (following[1] and not _is_vowel(letter) and not _is_vowel(following[0])):
            silent += letter
        else:
            graphones[-1] = (graphones[-1][0], graphones[-1][1] + letter)
    return graphones


def _is_vowel(letter: str) -> bool:
    return unicodedata.normalize("NFD", letter)[0] in "aeiouy"


def _names_a_letter(graphone: Graphone) -> bool:
    sound, letters = graphone
    return any(_is_syllabic(p) for p in sound) and not any(_is_vowel(c) for c in letters)


def _is_syllabic(phone: str) -> bool:
    features = phone_features(phone)
    return features is not None and features[feature_names().index("syl")] > 0


def _learn(language: str, words: Iterable[Sequence[Graphone]]) -> SoundSpeller:
    counts: Counter[Graphone] = Counter()
    bigrams: dict[Graphone, Counter[Graphone]] = defaultdict(Counter)
    for word in words:
        # An abbreviation's letters are read by their names: d as [de].
        if not word or any(_names_a_letter(graphone) for graphone in word):
            continue
        for before, graphone in zip([_EDGE, *word], [*word, _EDGE], strict=True):
            bigrams[before][graphone] += 1
            counts[graphone] += 1
    counts = Counter({g: n for g, n in counts.items() if n >= RAREST})
    total = sum(counts.values())
    by_phones: dict[Phones, list[Graphone]] = defaultdict(list)
    for graphone in counts:
        if graphone != _EDGE:
            by_phones[graphone[0]].append(graphone)
    return SoundSpeller(
        language,
        {g: n / total for g, n in counts.items()},
        bigrams,
        {phones: tuple(graphones) for phones, graphones in by_phones.items()},
        tuple(sorted(phones[0] for phones in by_phones if len(phones) == 1)),
    )
