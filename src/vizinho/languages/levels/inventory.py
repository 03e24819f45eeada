"""The sounds of two languages: inventories and charts, how often each phone is said, and how alike words sound.

Phones come from eSpeak NG's rules for both languages, or from pronunciation lexicons for both: their conventions
differ, so that the two sources are never mixed within one comparison.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vizinho.errors import CorpusError, TextError
from vizinho.g2p.espeak import other_variant, phonemes, voice_of, voices_of
from vizinho.g2p.letters import feature_names, phone_distance, phone_features, segments
from vizinho.languages.levels import sampling
from vizinho.languages.levels.charts import chart, charted_phones, x_sampa
from vizinho.languages.levels.sampling import centred_interval, count_matrices, resampled_totals, totals
from vizinho.languages.levels.scripts import CONSONANTS, Words, in_one_script, latin_forms, spellings, way_to_compare
from vizinho.languages.levels.vocabulary import cognates
from vizinho.languages.levels.words import words_of
from vizinho.languages.measures import Gap, Kind, LevelResult, Measure, by_donor
from vizinho.languages.sources import Inputs
from vizinho.text.language import Language

LEVEL = "sounds"
TOP = 5000
RARE = 2e-4
"""Phones with a smaller share of the sample come from foreign words and stay out of the inventory."""
_AFFRICATES = {"t": "ʃ", "d": "ʒ"}
# eSpeak's Portuguese writes filho with [lj] and nasal vowels with a [ŋ] after them.
_REPAIRS = {
    "pt": tuple(
        (re.compile(pattern), repaired)
        for pattern, repaired in (
            ("lj", "ʎ"),
            (r"eɪŋ\b", "e\u0303j\u0303"),
            ("eɪ[mŋ]", "e\u0303"),
            ("([aɐeɛiɪoɔuʊ])ŋ(?![kɡ])", "\\1\u0303"),
        )
    )
}
_LOOKALIKES = 2500
"""Most look-alike pairs that are compared."""
LEAST_LOOKALIKES = 10
_CEILING_WORDS = 1000
"""Words whose sound in another variant of the target gives the ceiling."""
_OVERLAP_TITLE = "Phones in common among all phones of both; shown, never decisive"
_OVERLAP = Kind(LEVEL, "inventory_overlap", _OVERLAP_TITLE, "higher", True, "share")
_COVERAGE = Kind(LEVEL, "coverage", "Phones of the target's words that the donor has too", "higher", unit="share")
_DIVERGENCE = Kind(LEVEL, "phone_divergence", "Divergence of phone frequencies", "lower", True, "bits")
_LOOKALIKE = Kind(
    LEVEL, "lookalike_distance", "How differently words that look alike sound (features to change, per phone)", "lower",
    unit="share of features", source="phonological features of panphon (Mortensen et al. 2016)",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pronunciations:
    """Words of a language with their phones, and where they come from."""

    words: tuple[tuple[str, tuple[str, ...]], ...]
    source: str
    language: Language
    listed: Words = ()
    """The list of frequent words that they are the pronunciations of."""


@dataclass(frozen=True, slots=True)
class _Target:
    """The target's words as they are said, and as another variant says them."""

    spoken: Pronunciations
    variant: Pronunciations | None
    variant_code: str | None


def compare_sounds(target: Language, donors: Sequence[Language], inputs: Inputs) -> Iterator[LevelResult]:
    """Inventories, phone frequencies and the sound of look-alike words.

    A target without a voice is compared by lexicons, its own and its donors'. A language without a voice (or lexicon)
    or without words makes the level a gap that names it.
    """
    lexicons = inputs.g2p == "lexicon" or (not voices_of(target.code) and inputs.texts.lexicon(target) is not None)

    def spoken(language: Language) -> Pronunciations:
        listed = words_of(language, inputs.texts, TOP)
        return _from_lexicon(language, inputs, listed) if lexicons else _from_voice(language, listed)

    def learn() -> _Target:
        other = None if lexicons else other_variant(target.code)
        return _Target(spoken(target), spoken(Language.of(other)) if other else None, other)

    return by_donor(LEVEL, donors, learn, lambda learnt, donor: _compare(learnt, spoken(donor), inputs.seed))


def _compare(target: _Target, donor: Pronunciations, seed: int) -> LevelResult:
    rng = np.random.default_rng([seed, 4])
    sides = (target.spoken, donor, target.variant or target.spoken)
    counts = count_matrices(*([phones for _, phones in side.words] for side in sides))
    measures = [_overlap(target, donor, counts, rng), *_frequencies(target, donor, counts, rng)]
    gaps: tuple[Gap, ...] = ()
    try:
        measures.append(_lookalikes(target, donor, rng))
    except CorpusError as error:
        gaps = (Gap.of(LEVEL, error, "lookalike_distance"),)
    return LevelResult(LEVEL, tuple(measures), gaps, _evidence(target.spoken, donor))


def _from_voice(language: Language, listed: Words) -> Pronunciations:
    """Words as eSpeak NG says them. Raises VizinhoError naming what is missing."""
    try:
        voice = voice_of(language.code)
    except TextError as error:
        fix = "use --g2p lexicon with lexicons/CODE.tsv for both languages in the folder given with --texts"
        raise CorpusError(error.what, fix=fix) from error
    spoken = tuple((w, phones) for w, _ in listed if (phones := _phones(w, voice, language.base)))
    return Pronunciations(spoken, f"eSpeak NG {voice}", language, listed)


def _from_lexicon(language: Language, inputs: Inputs, listed: Words) -> Pronunciations:
    path = inputs.texts.lexicon(language)
    if path is None:
        fix = "put CODE.tsv (word, tab, phones with spaces) into lexicons/ of the folder given with --texts"
        raise CorpusError(f"no pronunciation lexicon for {language.code}", fix=fix)
    lexicon: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        word, tab, ipa = line.partition("\t")
        if line.strip() and not tab:
            raise CorpusError("not a word, a tab and its phones", where=f"{path}:{number}", fix="mend the line")
        lexicon.setdefault(word.lower(), tuple(p for s in ipa.split() if (p := _plain(s))))
    spoken = tuple((w, lexicon[w]) for w in spellings(listed) if lexicon.get(w))
    if not spoken:
        raise CorpusError("none of the frequent words is in the lexicon", where=path, fix="give a larger lexicon")
    return Pronunciations(spoken, path.name, language, listed)


def _plain(symbol: str) -> str:
    """A lexicon's segment without stress, length, ties and syllable marks."""
    return "".join(c for c in unicodedata.normalize("NFD", symbol) if c not in "ˈˌːˑ͜͡.‿̯̞̪̝")


def _phones(word: str, voice: str, language: str) -> tuple[str, ...]:
    """Phones of a word; t and d with their fricatives are affricates, and _REPAIRS are made."""
    ipa = phonemes(word, voice)
    for pattern, repaired in _REPAIRS.get(language, ()):
        ipa = pattern.sub(repaired, ipa)
    phones: list[str] = []
    for phone in segments(ipa, language):
        if phones and _AFFRICATES.get(phones[-1]) == phone:
            phones[-1] += phone
        else:
            phones.append(phone)
    return tuple(phones)


def inventory(spoken: Pronunciations) -> dict[str, float]:
    """Phones with their share of all phones said, the rarest left out."""
    counts = Counter(phone for _, phones in spoken.words for phone in phones)
    total = counts.total()
    return {phone: n / total for phone, n in counts.items() if n / total >= RARE}


def _overlap(target: _Target, donor: Pronunciations, counts: Sequence[Any], rng: np.random.Generator) -> Measure:
    own, other, variant = counts  # sparse (words, K) over the same phones
    value = float(_jaccard(totals(own), totals(other)))
    sizes = [int(_present(totals(c)).sum()) for c in (own, other)]
    pool = charted_phones()
    chance = []  # overlap of as many phones, drawn at random
    for _ in range(200):
        a, b = ({*rng.choice(len(pool), size, replace=False)} for size in sizes)
        chance.append(len(a & b) / len(a | b))
    return _OVERLAP.measure(
        value,
        floor=float(np.mean(chance)),
        ceiling=(float(_jaccard(totals(own), totals(variant))), target.variant_code or "the language itself"),
        sample=(len(inventory(target.spoken).keys() | inventory(donor).keys()), "phones"),
        interval=centred_interval(value, _jaccard(resampled_totals(own, rng), resampled_totals(other, rng))),
        source=f"{target.spoken.source}, {donor.source}; chance: as many phones drawn from the charts",
    )


def _present(counts: Any) -> Any:
    """Phones that are frequent enough to be in the inventory: (..., K) counts to booleans."""
    return counts / counts.sum(axis=-1, keepdims=True) >= RARE


def _jaccard(first: Any, second: Any) -> Any:
    a, b = _present(first), _present(second)
    return (a & b).sum(axis=-1) / (a | b).sum(axis=-1)


def _covered(target: Any, donor: Any) -> Any:
    """Share of the target's phones said that are in the donor's inventory: (..., K) counts."""
    return (target * _present(donor)).sum(axis=-1) / target.sum(axis=-1)


def _frequencies(
    target: _Target, donor: Pronunciations, counts: Sequence[Any], rng: np.random.Generator
) -> Iterator[Measure]:
    own, other, variant = counts
    order = rng.permutation(own.shape[0])
    first, second = own[order[: len(order) // 2]], own[order[len(order) // 2 :]]
    best = (own, variant) if target.variant else (first, second)
    # By chance each phone of the donor would be as frequent as some other one.
    mixed = [rng.permutation(totals(other)) for _ in range(50)]
    draws = resampled_totals(own, rng), resampled_totals(other, rng)
    for kind, distance in ((_COVERAGE, _covered), (_DIVERGENCE, sampling.js_divergence)):
        value = float(distance(totals(own), totals(other)))
        yield kind.measure(
            value,
            floor=float(np.mean([distance(totals(own), m) for m in mixed])),
            ceiling=(float(distance(*map(totals, best))), target.variant_code or "halves of the target's words"),
            sample=(int(min(own.sum(), other.sum())), "phones of each"),
            interval=centred_interval(value, distance(*draws)),
            source=f"{target.spoken.source}, {donor.source}",
        )


def _lookalikes(target: _Target, donor: Pronunciations, rng: np.random.Generator) -> Measure:
    """How differently words that look alike are said. Raises CorpusError where fewer than LEAST_LOOKALIKES do."""
    listed = target.spoken.listed, donor.listed
    own, other = dict(target.spoken.words), dict(donor.words)
    if how := way_to_compare(*listed):
        own, other = (_by_latin_form(side, how == CONSONANTS) for side in (target.spoken, donor))
    alike = cognates(*in_one_script(listed[0], target.spoken.language, listed[1], donor.language)[:2])
    pairs = [(own[c.target], other[c.donor]) for c in alike if c.target in own and c.donor in other]
    if len(pairs) < LEAST_LOOKALIKES:
        what = f"{len(pairs)} words of the two languages look alike, {LEAST_LOOKALIKES} are needed"
        raise CorpusError(what, fix="give longer word lists")
    pairs = [pairs[int(i)] for i in np.sort(rng.permutation(len(pairs))[:_LOOKALIKES])]
    values = np.array([sound_distance(a, b) for a, b in pairs])  # (pairs,)
    order = rng.permutation(len(pairs))  # by chance: each word with the donor word of another pair
    chance = np.mean([sound_distance(a, pairs[int(i)][1]) for (a, _), i in zip(pairs, order, strict=True)])
    ceiling = 0.0
    if target.variant:
        variant = dict(target.variant.words)
        both = [(phones, variant[w]) for w, phones in list(own.items())[:_CEILING_WORDS] if w in variant]
        ceiling = float(np.mean([sound_distance(*pair) for pair in both]))
    return _LOOKALIKE.measure(
        float(values.mean()),
        floor=float(chance),
        ceiling=(ceiling, target.variant_code or "the language itself"),
        sample=(len(pairs), "word pairs"),
        interval=sampling.mean_interval(values, rng),
    )


def _by_latin_form(spoken: Pronunciations, consonants: bool) -> dict[str, tuple[str, ...]]:
    """Phones by the word's form in Latin letters, of the most frequent word that has it."""
    forms = latin_forms(spoken.listed, spoken.language.base, consonants)
    return {forms[word]: phones for word, phones in reversed(spoken.words)}


def sound_distance(a: Sequence[str], b: Sequence[str]) -> float:
    """Cheapest edits from one word's phones to the other's, per phone of the longer word: 0 the same, 1 nothing alike.

    Putting a phone in or out costs 1, a phone for another the share of features that differ (doubled, at most 1).
    """
    # One row of the edit table at a time: best[j] is the cost of the first phones of `a` against the first j of `b`.
    best = [float(j) for j in range(len(b) + 1)]
    for i, p in enumerate(a, 1):
        before, best[0] = best[0], float(i)
        for j, q in enumerate(b, 1):
            cost = min(best[j] + 1.0, best[j - 1] + 1.0, before + _substitution(p, q))
            before, best[j] = best[j], cost
    return best[-1] / max(len(a), len(b), 1)


def _substitution(p: str, q: str) -> float:
    return min(1.0, phone_distance(p, q))  # at 1 half of the features are opposite


def _evidence(target: Pronunciations, donor: Pronunciations) -> dict[str, Any]:
    own, other = inventory(target), inventory(donor)
    shares = {p: (own.get(p, 0.0), other.get(p, 0.0)) for p in {*own, *other}}
    lacking = [p for p in sorted(own, key=lambda p: -own[p]) if p not in other]
    return {"charts": chart(shares), "nearest_phones": [_nearest(p, own[p], other) for p in lacking]}


def _nearest(phone: str, share: float, candidates: dict[str, float]) -> dict[str, Any]:
    """The donor's phone that is most like one it lacks, and the features that differ."""
    best = min(candidates, key=lambda q: (_substitution(phone, q), -candidates[q]))
    first, second = phone_features(phone), phone_features(best)
    differing = []
    if first is not None and second is not None:
        differing = [n for n, x, y in zip(feature_names(), first, second, strict=True) if x != y]
    return {
        "target": phone,
        "x-sampa": x_sampa(phone),
        "share of phones": round(share, 4),
        "nearest in donor": best,
        "distance": round(_substitution(phone, best), 3),
        "features that differ": ", ".join(differing),
    }
