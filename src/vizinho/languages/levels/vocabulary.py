"""How many words two languages share, spelt alike or nearly, with the cognates themselves as evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from vizinho.errors import CorpusError
from vizinho.languages.levels.respelling import Rule, learn_rules
from vizinho.languages.levels.words import Words, folded, frequent_words
from vizinho.languages.measures import Gap, LevelResult, Measure
from vizinho.languages.sources import TextSources
from vizinho.text.language import Language

LEVEL = "vocabulary"
LEAST_LETTERS = 4
"""Shorter words are within two edits of some word of any language."""
COGNATE_DISTANCE = 0.34
"""Most edits per letter, diacritics aside, between words taken for cognates."""
NEAR_DISTANCE = 0.25
SHUFFLED_WORDS = 1000
"""Words whose letters are shuffled for the chance floor."""
RESAMPLES = 1000
SHOWN_COGNATES = 400
"""Pairs of each number of edits, by the target's frequency."""
_EDITS = ("spelt_alike", "one_edit_apart", "two_edits_apart", "three_edits_apart")
FALSE_FRIEND_COSINE = 0.2
"""Cognates whose aligned vectors have a lower cosine may be false friends, or used for other things in the texts."""

Cosine = Callable[[str, str], float | None]
"""(target word, donor word) to the cosine of their vectors in one space; None where a vector is missing."""


@dataclass(frozen=True, slots=True)
class Cognate:
    """A target word and the donor word it looks like."""

    target: str
    donor: str
    edits: int
    """Levenshtein distance of the spellings as they are."""
    distance: float
    """Edits per letter without diacritics."""
    target_frequency: float
    donor_frequency: float


def compare_vocabulary(
    target: Language,
    donor: Language,
    sources: TextSources,
    *,
    top: int = 5000,
    seed: int = 1,
    cosine: Cosine | None = None,
) -> LevelResult:
    """Shares of the target's `top` words that the donor's `top` words have too, and the cognates.

    A language without a word list makes the level a gap. With `cosine`, cognates with unlike meanings are flagged.
    """
    try:
        ours, theirs = frequent_words(target, sources, top), frequent_words(donor, sources, top)
    except CorpusError as error:
        return LevelResult(LEVEL, gaps=(Gap(LEVEL, "*", str(error)),))
    rng = np.random.default_rng([seed, 1])
    shuffled = tuple((_shuffle(w, rng), f) for w, f in _sample(ours, rng))
    measures = []
    for name, title, nearer, per_word in _MEASURES:
        value = per_word(ours, theirs)
        measures.append(
            Measure(
                LEVEL,
                name,
                title.format(top=f"{top:,}"),
                float(value.mean()),
                nearer,
                len(value),
                "target words",
                float(per_word(shuffled, theirs).mean()),
                1.0 if nearer == "higher" else 0.0,
                "the language itself",
                _interval(value, rng),
                unit="share" if nearer == "higher" else "edits per letter",
                source="wordfreq" if sources.frequencies(target) is None else "frequency lists",
            )
        )
    coverage = _coverage(ours, theirs, shuffled, rng)
    found, rules = cognates(target, donor, sources, top), respelling_rules(target, donor, sources, top)
    gaps = () if cosine else (Gap(LEVEL, "false_friends", "no word vectors", "ask for the level vectors too"),)
    return LevelResult(LEVEL, (*measures, coverage), gaps, _evidence(found, rules, cosine))


@lru_cache(maxsize=32)
def cognates(target: Language, donor: Language, sources: TextSources, top: int = 5000) -> tuple[Cognate, ...]:
    """Pairs of words each of which looks more like the other than like any other word; by target frequency.

    Words of LEAST_LETTERS letters and more, at most COGNATE_DISTANCE apart. Of equally near donor words the one of the
    most similar frequency is taken. Raises CorpusError for a language without a word list.
    """
    ours = _long(frequent_words(target, sources, top))
    theirs = _long(frequent_words(donor, sources, top))
    if not ours or not theirs:
        return ()
    distances = _distances(_texts(ours), _texts(theirs))
    frequencies = np.log([f for _, f in theirs])
    made = []
    for row, (word, frequency) in zip(distances, ours, strict=True):
        at = np.flatnonzero(row <= COGNATE_DISTANCE)
        if not at.size:
            continue
        plain = np.array([Levenshtein.distance(word, theirs[i][0]) for i in at]) / len(word)
        best = at[np.argmin(row[at] + 0.3 * plain + 0.05 * np.abs(frequencies[at] - np.log(frequency)))]
        other, its_frequency = theirs[best]
        edits = Levenshtein.distance(word, other)
        made.append(Cognate(word, other, edits, float(row[best]), frequency, its_frequency))
    chosen: dict[str, Cognate] = {}
    for cognate in made:
        held = chosen.get(cognate.donor)
        if held is None or (cognate.distance, cognate.edits) < (held.distance, held.edits):
            chosen[cognate.donor] = cognate
    return tuple(c for c in made if chosen[c.donor] is c)


def respelling_rules(target: Language, donor: Language, sources: TextSources, top: int = 5000) -> tuple[Rule, ...]:
    """How the donor's spelling turns into the target's, learnt from cognates at most NEAR_DISTANCE apart.

    Raises CorpusError for a language without a word list.
    """
    near = [c for c in cognates(target, donor, sources, top) if c.distance <= NEAR_DISTANCE]
    return learn_rules([(c.donor, c.target) for c in near])


def _exact(ours: Words, theirs: Words) -> npt.NDArray[np.float64]:
    known = {w for w, _ in theirs}
    return np.array([w in known for w, _ in ours], dtype=np.float64)


def _folded_exact(ours: Words, theirs: Words) -> npt.NDArray[np.float64]:
    known = {folded(w) for w, _ in theirs}
    return np.array([folded(w) in known for w, _ in ours], dtype=np.float64)


def _within(most: int, fold: bool) -> Callable[[Words, Words], npt.NDArray[np.float64]]:
    def per_word(ours: Words, theirs: Words) -> npt.NDArray[np.float64]:
        return np.asarray(_nearest_edits(_texts(_long(ours)), _texts(_long(theirs)), fold) <= most, dtype=np.float64)

    return per_word


def _nearest(ours: Words, theirs: Words) -> npt.NDArray[np.float64]:
    return np.asarray(_distances(_texts(_long(ours)), _texts(_long(theirs))).min(axis=1), dtype=np.float64)


def _near(ours: Words, theirs: Words) -> npt.NDArray[np.float64]:
    return (_nearest(ours, theirs) <= NEAR_DISTANCE).astype(np.float64)


_MEASURES: tuple[tuple[str, str, Any, Callable[[Words, Words], npt.NDArray[np.float64]]], ...] = (
    ("exact_share", "Words spelt alike among the {top} most frequent", "higher", _exact),
    ("folded_share", "Words spelt alike but for diacritics", "higher", _folded_exact),
    ("within_1", "Words of 4 letters or more within one edit of a donor word", "higher", _within(1, False)),
    ("within_2", "Words of 4 letters or more within two edits of a donor word", "higher", _within(2, False)),
    ("folded_within_1", "The same within one edit, diacritics aside", "higher", _within(1, True)),
    ("folded_within_2", "The same within two edits, diacritics aside", "higher", _within(2, True)),
    ("near_share", "Words with at most a quarter of their letters to change, diacritics aside", "higher", _near),
    ("mean_distance", "Letters to change to reach the nearest donor word, diacritics aside", "lower", _nearest),
)


def _coverage(ours: Words, theirs: Words, shuffled: Words, rng: np.random.Generator) -> Measure:
    known = {w for w, _ in theirs}

    def covered(words: Words) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        return np.array([w in known for w, _ in words], dtype=np.float64), np.array([f for _, f in words])

    shared, weights = covered(ours)
    chance, chance_weights = covered(shuffled)
    picks = rng.integers(len(shared), size=(RESAMPLES, len(shared)))
    resampled = (shared * weights)[picks].sum(axis=1) / weights[picks].sum(axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Measure(
        LEVEL,
        "token_coverage",
        "Running words of the target that are spelt like a donor word",
        float((shared * weights).sum() / weights.sum()),
        "higher",
        len(ours),
        "target words",
        float((chance * chance_weights).sum() / chance_weights.sum()),
        1.0,
        "the language itself",
        (float(low), float(high)),
        unit="share",
    )


def _sample(words: Words, rng: np.random.Generator) -> Words:
    count = min(SHUFFLED_WORDS, len(words))
    return tuple(words[int(i)] for i in np.sort(rng.choice(len(words), size=count, replace=False)))


def _shuffle(word: str, rng: np.random.Generator) -> str:
    return "".join(rng.permutation(list(word)))


def _interval(values: npt.NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    picks = rng.integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[picks].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def _texts(words: Words) -> tuple[str, ...]:
    return tuple(w for w, _ in words)


def _long(words: Words) -> Words:
    return tuple((w, f) for w, f in words if len(w) >= LEAST_LETTERS)


@lru_cache(maxsize=8)
def _edits(ours: tuple[str, ...], theirs: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    """Levenshtein distances (V_target, V_donor)."""
    return np.asarray(process.cdist(ours, theirs, scorer=Levenshtein.distance, dtype=np.uint8))


def _nearest_edits(ours: tuple[str, ...], theirs: tuple[str, ...], fold: bool) -> npt.NDArray[np.uint8]:
    if fold:
        ours, theirs = tuple(map(folded, ours)), tuple(map(folded, theirs))
    return np.asarray(_edits(ours, theirs).min(axis=1))


def _distances(ours: tuple[str, ...], theirs: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """Edits per letter of the longer word, diacritics aside: (V_target, V_donor)."""
    ours, theirs = tuple(map(folded, ours)), tuple(map(folded, theirs))
    longer = np.maximum.outer(*(np.array([len(w) for w in words], dtype=np.float32) for words in (ours, theirs)))
    return np.asarray(_edits(ours, theirs) / longer, dtype=np.float32)


def _evidence(found: tuple[Cognate, ...], rules: tuple[Rule, ...], cosine: Cosine | None) -> dict[str, Any]:
    groups = {f"cognates_{name}": [c for c in found if c.edits == n] for n, name in enumerate(_EDITS)}
    return {
        **{name: [_row(c, cosine) for c in group[:SHOWN_COGNATES]] for name, group in groups.items()},
        "cognates_found": len(found),
        "respelling_rules": [
            {
                "donor": r.donor,
                "target": r.target,
                "cognates": r.count,
                "holds": r.share,
                "examples": ", ".join(f"{a} {b}" for a, b in r.examples),
            }
            for r in rules[:40]
        ],
    }


def _row(cognate: Cognate, cosine: Cosine | None) -> dict[str, Any]:
    likeness = cosine(cognate.target, cognate.donor) if cosine else None
    return {
        "target": cognate.target,
        "donor": cognate.donor,
        "edits": cognate.edits,
        "target per million": round(1e6 * cognate.target_frequency, 1),
        "donor per million": round(1e6 * cognate.donor_frequency, 1),
        "vectors disagree": None if likeness is None else likeness < FALSE_FRIEND_COSINE,
    }
