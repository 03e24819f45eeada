"""How many words two languages share, spelt alike or nearly, with the cognates themselves as evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from vizinho.errors import CorpusError, VizinhoError
from vizinho.languages.levels.meaning import Meaning, meaning_by_sentences
from vizinho.languages.levels.respelling import Rule, learn_rules
from vizinho.languages.levels.sampling import mean_interval
from vizinho.languages.levels.scripts import Words, in_one_script, spellings
from vizinho.languages.levels.words import words_of_both
from vizinho.languages.measures import Gap, Kind, LevelResult, Measure, by_donor
from vizinho.languages.sources import Inputs
from vizinho.text.language import Language
from vizinho.text.spelling import bare

LEVEL = "vocabulary"
LEAST_LETTERS = 4
"""Shorter words are within two edits of some word of any language."""
COGNATE_DISTANCE = 0.34
"""Most edits per letter, diacritics aside, between words taken for cognates."""
NEAR_DISTANCE = 0.25
SHUFFLED_WORDS = 1000
"""Words whose letters are shuffled for the chance floor."""
SHOWN_COGNATES = 400
"""Pairs of each number of edits, by the target's frequency."""
SHOWN_RULES = 40
_EDITS = ("spelt_alike", "one_edit_apart", "two_edits_apart", "three_edits_apart")
FALSE_FRIEND_COSINE = 0.2
"""Cognates whose aligned vectors have a lower cosine may be false friends, or used for other things in the texts."""

_FIX = "put sentences that translate each other into parallel/*_A_B.tsv, or ask for the level vectors too"
Values = npt.NDArray[np.float64]


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


def compare_vocabulary(target: Language, donors: Sequence[Language], inputs: Inputs) -> Iterator[LevelResult]:
    """Shares of the target's `top` words that a donor's `top` words have too, and the cognates.

    A language without words makes the level a gap. Words of two scripts are compared in Latin letters. With
    `false_friends`, vectors tell look-alikes of another meaning, else sentences that translate each other.
    """

    def against(_: None, donor: Language) -> LevelResult:
        listed, donor_listed, sources = words_of_both(target, donor, inputs.texts, inputs.top)
        words, donor_words, how = in_one_script(listed, target, donor_listed, donor)
        meaning = None if how else _meaning(target, donor, inputs)
        source = "; ".join([*sources, *([how] if how else [])])
        return compare_words(words, donor_words, seed=inputs.seed, source=source, meaning=meaning)

    return by_donor(LEVEL, donors, lambda: None, against)


def _meaning(target: Language, donor: Language, inputs: Inputs) -> Meaning | None:
    """How to tell cognates from words that only look alike: by vectors where they were asked for, else by sentences."""
    if not inputs.false_friends:
        return meaning_by_sentences(target, donor, inputs.texts)
    from vizinho.languages.levels.vectors import aligned  # gensim takes a second to import

    try:
        cosine = aligned(target, donor, inputs.texts, inputs.work, inputs.seed).space.cosine
    except VizinhoError:
        return meaning_by_sentences(target, donor, inputs.texts)
    return lambda word, other: None if (likeness := cosine(word, other)) is None else likeness >= FALSE_FRIEND_COSINE


def compare_words(
    words: Words, donor_words: Words, *, seed: int, source: str, meaning: Meaning | None = None
) -> LevelResult:
    """The level's measures and evidence from two lists of words. Raises CorpusError where all words are short."""
    if not _long(words) or not _long(donor_words):
        raise CorpusError(f"no words of {LEAST_LETTERS} letters or more", fix="give longer word lists")
    rng = np.random.default_rng([seed, 1])
    sample = _sample(words, rng)
    shuffled = tuple(("".join(rng.permutation(list(word))), frequency) for word, frequency in sample)
    per_word, by_chance = _per_word(words, donor_words), _per_word(shuffled, donor_words)
    measures = [
        kind.measure(
            float(per_word[kind.name].mean()),
            floor=float(by_chance[kind.name].mean()),
            ceiling=(1.0 if kind.nearer == "higher" else 0.0, "the language itself"),
            sample=(len(per_word[kind.name]), "target words"),
            interval=mean_interval(per_word[kind.name], rng),
            source=source,
        )
        for kind in _MEASURES
    ]
    measures.append(_coverage(words, donor_words, shuffled, rng))
    pairs = cognates(words, donor_words)
    gaps = () if meaning else (Gap(LEVEL, "meaning", "nothing says which look-alikes mean the same", _FIX),)
    return LevelResult(LEVEL, tuple(measures), gaps, _evidence(pairs, respelling_rules(pairs), meaning))


def _share(name: str, title: str) -> Kind:
    return Kind(LEVEL, name, title, "higher", unit="share")


_DISTANCE_TITLE = "Letters to change to reach the nearest donor word, diacritics aside"
_MEASURES = (
    _share("exact_share", "Words spelt alike among the most frequent"),
    _share("folded_share", "Words spelt alike but for diacritics"),
    _share("within_1", "Words of 4 letters or more within one edit of a donor word"),
    _share("within_2", "Words of 4 letters or more within two edits of a donor word"),
    _share("folded_within_1", "Words of 4 letters or more within one edit, diacritics aside"),
    _share("folded_within_2", "Words of 4 letters or more within two edits, diacritics aside"),
    _share("near_share", "Words with at most a quarter of their letters to change, diacritics aside"),
    Kind(LEVEL, "mean_distance", _DISTANCE_TITLE, "lower", unit="edits per letter"),
)
_COVERAGE = _share("token_coverage", "Running words of the target that are spelt like a donor word")


def _per_word(words: Words, donor_words: Words) -> dict[str, Values]:
    """Every measure of _MEASURES for each word: (V,), or (words of LEAST_LETTERS letters,)."""
    all_words, all_donor = spellings(words), spellings(donor_words)
    long, donor_long = spellings(_long(words)), spellings(_long(donor_words))
    edits = _edits(long, donor_long).min(axis=1)  # (V,): to the nearest donor word
    folded_edits = _edits(_bare(long), _bare(donor_long))  # (V, V')
    distance = _per_letter(folded_edits, long, donor_long).min(axis=1)
    known, known_folded = set(all_donor), set(_bare(all_donor))
    by_measure: dict[str, Any] = {
        "exact_share": [word in known for word in all_words],
        "folded_share": [word in known_folded for word in _bare(all_words)],
        "within_1": edits <= 1,
        "within_2": edits <= 2,
        "folded_within_1": folded_edits.min(axis=1) <= 1,
        "folded_within_2": folded_edits.min(axis=1) <= 2,
        "near_share": distance <= NEAR_DISTANCE,
        "mean_distance": distance,
    }
    return {name: np.asarray(values, dtype=np.float64) for name, values in by_measure.items()}


def _coverage(words: Words, donor_words: Words, shuffled: Words, rng: np.random.Generator) -> Measure:
    known = set(spellings(donor_words))

    def covered(of: Words) -> tuple[Values, Values]:
        return np.array([w in known for w, _ in of], dtype=np.float64), np.array([f for _, f in of])

    shared, weights = covered(words)
    chance, chance_weights = covered(shuffled)
    return _COVERAGE.measure(
        float((shared * weights).sum() / weights.sum()),
        floor=float((chance * chance_weights).sum() / chance_weights.sum()),
        ceiling=(1.0, "the language itself"),
        sample=(len(words), "target words"),
        interval=mean_interval(shared, rng, weights),
    )


def cognates(words: Words, donor_words: Words) -> tuple[Cognate, ...]:
    """Pairs of words each of which looks more like the other than like any other word; by target frequency.

    Words of LEAST_LETTERS letters and more, at most COGNATE_DISTANCE apart. Of equally near donor words the one of the
    most similar frequency is taken.
    """
    long, donor_long = _long(words), _long(donor_words)
    if not long or not donor_long:
        return ()
    names, donor_names = spellings(long), spellings(donor_long)
    # (V, V'): some 20 million pairs for two lists of 5,000 words.
    distances = _per_letter(_edits(_bare(names), _bare(donor_names)), names, donor_names)
    # By logarithms, a word ten times as rare is as far away as one ten times as frequent.
    log_frequencies = np.log([f for _, f in donor_long])
    pairs = []
    for row, (word, frequency) in zip(distances, long, strict=True):
        near = np.flatnonzero(row <= COGNATE_DISTANCE)
        if not near.size:
            continue
        # Diacritics break ties first, then how much rarer one word is than the other.
        plain = np.array([Levenshtein.distance(word, donor_names[i]) for i in near]) / len(word)
        rarer = np.abs(log_frequencies[near] - np.log(frequency))
        best = near[np.argmin(row[near] + 0.3 * plain + 0.05 * rarer)]
        other, other_frequency = donor_long[best]
        edits = Levenshtein.distance(word, other)
        pairs.append(Cognate(word, other, edits, float(row[best]), frequency, other_frequency))
    nearest: dict[str, Cognate] = {}  # a donor word belongs to one target word
    for pair in pairs:
        rival = nearest.get(pair.donor)
        if rival is None or (pair.distance, pair.edits) < (rival.distance, rival.edits):
            nearest[pair.donor] = pair
    return tuple(pair for pair in pairs if nearest[pair.donor] is pair)


def respelling_rules(pairs: Sequence[Cognate]) -> tuple[Rule, ...]:
    """How the donor's spelling turns into the target's, learnt from cognates at most NEAR_DISTANCE apart."""
    return learn_rules([(c.donor, c.target) for c in pairs if c.distance <= NEAR_DISTANCE])


def _sample(words: Words, rng: np.random.Generator) -> Words:
    count = min(SHUFFLED_WORDS, len(words))
    return tuple(words[int(i)] for i in np.sort(rng.choice(len(words), size=count, replace=False)))


def _long(words: Words) -> Words:
    return tuple((word, frequency) for word, frequency in words if len(word) >= LEAST_LETTERS)


def _bare(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(bare, words))


def _edits(words: Sequence[str], donor_words: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Levenshtein distances (V_target, V_donor)."""
    return np.asarray(process.cdist(words, donor_words, scorer=Levenshtein.distance, dtype=np.uint8))


def _per_letter(
    edits: npt.NDArray[np.uint8], words: Sequence[str], donor_words: Sequence[str]
) -> npt.NDArray[np.float32]:
    """Edits (V_target, V_donor) divided by the letters, diacritics aside, of the longer word."""
    lengths = [np.array([len(bare(w)) for w in side], dtype=np.float32) for side in (words, donor_words)]
    return np.asarray(edits / np.maximum.outer(*lengths), dtype=np.float32)


def _evidence(pairs: Sequence[Cognate], rules: Sequence[Rule], meaning: Meaning | None) -> dict[str, Any]:
    """Cognates by their edits, apart from words that only look alike, of which nothing or something else is known."""
    judged = {pair: meaning(pair.target, pair.donor) if meaning else None for pair in pairs}
    same, unknown, other = ([p for p in pairs if judged[p] is verdict] for verdict in (True, None, False))
    groups = {
        f"{what}_{name}": [c for c in of_kind if c.edits == n]
        for what, of_kind in (("cognates", same), ("look_alikes", unknown))
        for n, name in enumerate(_EDITS)
    }
    return {
        **{name: [_row(c) for c in group[:SHOWN_COGNATES]] for name, group in groups.items() if group},
        "look_alikes_of_another_meaning": [_row(c) for c in other[:SHOWN_COGNATES]],
        "pairs": {"cognates": len(same), "look-alikes": len(unknown), "of another meaning": len(other)},
        "respelling_rules": [
            {
                "donor": r.donor,
                "target": r.target,
                "cognates": r.count,
                "holds": r.share,
                "examples": ", ".join(f"{a} {b}" for a, b in r.examples),
            }
            for r in rules[:SHOWN_RULES]
        ],
    }


def _row(cognate: Cognate) -> dict[str, Any]:
    return {
        "target": cognate.target,
        "donor": cognate.donor,
        "edits": cognate.edits,
        "target per million": round(1e6 * cognate.target_frequency, 1),
        "donor per million": round(1e6 * cognate.donor_frequency, 1),
    }
