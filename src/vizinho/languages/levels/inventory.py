"""The sounds of two languages: inventories and charts, how often each phone is said, and how alike words sound.

Phones come from eSpeak NG's rules for both languages, or from pronunciation lexicons for both: their conventions
differ, so that the two sources are never mixed within one comparison.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

import numpy as np

from vizinho.errors import CorpusError, VizinhoError
from vizinho.g2p.espeak import is_available, phonemes
from vizinho.g2p.letters import feature_names, phone_features, segments
from vizinho.languages.levels.charts import chart, charted_phones, x_sampa
from vizinho.languages.levels.sampling import (
    centred_interval,
    count_matrix,
    halves,
    js_divergence,
    resampled_totals,
    totals,
    widen,
)
from vizinho.languages.levels.vocabulary import cognates
from vizinho.languages.levels.words import frequent_words
from vizinho.languages.measures import Gap, LevelResult, Measure
from vizinho.languages.sources import TextSources
from vizinho.text.language import Language

LEVEL = "sounds"
TOP = 5000
RARE = 2e-4
"""Phones with a smaller share of the sample come from foreign words and stay out of the inventory."""
VOICES = {
    "pt": "pt-br", "pt-br": "pt-br", "pt-pt": "pt", "es": "es-419", "es-419": "es-419", "es-es": "es", "en": "en-us",
    "en-us": "en-us", "en-gb": "en-gb", "fr": "fr", "ca": "ca", "it": "it", "de": "de", "ro": "ro", "nl": "nl",
    "pl": "pl", "sv": "sv", "da": "da", "cs": "cs", "tr": "tr", "fi": "fi", "hu": "hu", "el": "el", "ru": "ru",
    "uk": "uk", "eu": "eu", "an": "an",
}  # fmt: skip
"""eSpeak NG's voice of a language or variant. French is "fr": asking for "fr-fr" fails."""
OTHER_VARIANT = {
    "pt": "pt-pt", "pt-br": "pt-pt", "pt-pt": "pt-br", "es": "es-es", "es-419": "es-es", "es-es": "es-419",
    "en": "en-gb", "en-us": "en-gb", "en-gb": "en-us",
}  # fmt: skip
"""The variant that the ceiling is measured against, where eSpeak NG speaks two."""
_AFFRICATES = {"t": "ʃ", "d": "ʒ"}
_LOOKALIKES = 2500
"""Most look-alike pairs that are compared."""
Source = Literal["espeak", "lexicon"]


@dataclass(frozen=True, slots=True)
class Pronunciations:
    """Words of a language with their phones, and where they come from."""

    words: tuple[tuple[str, tuple[str, ...]], ...]
    source: str


def compare_sounds(
    target: Language, donor: Language, sources: TextSources, *, g2p: Source = "espeak", seed: int = 1
) -> LevelResult:
    """Inventories, phone frequencies and the sound of look-alike words.

    A language without a voice (or lexicon) or without a word list makes the level a gap that names it.
    """
    try:
        ours, theirs = _spoken(target, sources, g2p), _spoken(donor, sources, g2p)
    except VizinhoError as error:
        return LevelResult(LEVEL, gaps=(Gap(LEVEL, "*", str(error)),))
    rng = np.random.default_rng([seed, 4])
    other = OTHER_VARIANT.get(target.code)
    ceiling = _spoken(Language.of(other), sources, g2p) if other and g2p == "espeak" else None
    measures = [_overlap(ours, theirs, ceiling, other, rng), *_frequencies(ours, theirs, ceiling, other, rng)]
    gaps: tuple[Gap, ...] = ()
    try:
        measures.append(_lookalikes(target, donor, other, sources, g2p, rng))
    except CorpusError as error:
        gaps = (Gap(LEVEL, "lookalike_distance", str(error)),)
    return LevelResult(LEVEL, tuple(measures), gaps, _evidence(ours, theirs))


@lru_cache(maxsize=64)
def _spoken(variant: Language, sources: TextSources, g2p: Source) -> Pronunciations:
    """The most frequent words as they are said. Raises VizinhoError naming what is missing."""
    words = [w for w, _ in frequent_words(variant, sources, TOP)]
    if g2p == "lexicon":
        return _from_lexicon(variant, sources, words)
    if not is_available():
        raise CorpusError("eSpeak NG is not installed", fix="pip install espeakng-loader, or use --g2p lexicon")
    voice = VOICES.get(variant.code, VOICES.get(variant.base))
    if voice is None:
        raise CorpusError(
            f"eSpeak NG has no voice for {variant.code}",
            fix="use --g2p lexicon with lexicons/CODE.tsv for both languages in the folder given with --texts",
        )
    return Pronunciations(tuple((w, p) for w in words if (p := _phones(w, voice, variant.base))), f"eSpeak NG {voice}")


def _from_lexicon(variant: Language, sources: TextSources, words: Sequence[str]) -> Pronunciations:
    path = sources.lexicon(variant)
    if path is None:
        raise CorpusError(
            f"no pronunciation lexicon for {variant.code}",
            fix="put CODE.tsv (word, tab, phones with spaces) into lexicons/ of the folder given with --texts",
        )
    said: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        word, tab, ipa = line.partition("\t")
        if line.strip() and not tab:
            raise CorpusError("not a word, a tab and its phones", where=f"{path}:{number}", fix="mend the line")
        said.setdefault(word.lower(), tuple(p for s in ipa.split() if (p := _plain(s))))
    found = tuple((w, said[w]) for w in words if said.get(w))
    if not found:
        raise CorpusError("none of the frequent words is in the lexicon", where=path, fix="give a larger lexicon")
    return Pronunciations(found, path.name)


def _plain(symbol: str) -> str:
    """A lexicon's segment without stress, length, ties and syllable marks."""
    return "".join(c for c in unicodedata.normalize("NFD", symbol) if c not in "ˈˌːˑ͜͡.‿̯̞̪̝")


@lru_cache(maxsize=200_000)
def _phones(word: str, voice: str, language: str) -> tuple[str, ...]:
    """Phones of a word; t and d with their fricatives are affricates."""
    made: list[str] = []
    for phone in segments(phonemes(word, voice), language):
        if made and _AFFRICATES.get(made[-1]) == phone:
            made[-1] += phone
        else:
            made.append(phone)
    return tuple(made)


def inventory(said: Pronunciations) -> dict[str, float]:
    """Phones with their share of all phones said, the rarest left out."""
    counts = Counter(phone for _, phones in said.words for phone in phones)
    total = counts.total()
    return {phone: n / total for phone, n in counts.items() if n / total >= RARE}


def _overlap(
    ours: Pronunciations,
    theirs: Pronunciations,
    ceiling: Pronunciations | None,
    other: str | None,
    rng: np.random.Generator,
) -> Measure:
    kinds: dict[str, int] = {}
    made = [count_matrix([p for _, p in said.words], kinds) for said in (ours, theirs, ceiling or ours)]
    first, second, third = (widen(c, len(kinds)) for c in made)
    value = float(_jaccard(totals(first), totals(second)))
    sizes = [int(_present(totals(c)).sum()) for c in (first, second)]
    pool = charted_phones()
    chance = []
    for _ in range(200):
        a, b = ({*rng.choice(len(pool), size, replace=False)} for size in sizes)
        chance.append(len(a & b) / len(a | b))
    return Measure(
        LEVEL,
        "inventory_overlap",
        "Phones in common among all phones of both; shown, never decisive",
        value,
        "higher",
        len(inventory(ours).keys() | inventory(theirs).keys()),
        "phones",
        float(np.mean(chance)),
        float(_jaccard(totals(first), totals(third))),
        other or "the language itself",
        centred_interval(value, _jaccard(resampled_totals(first, rng), resampled_totals(second, rng))),
        symmetric=True,
        unit="share",
        source=f"{ours.source}, {theirs.source}; chance: as many phones drawn from the charts",
    )


def _present(counts: Any) -> Any:
    """Phones that are frequent enough to be in the inventory: (..., K) counts to booleans."""
    return counts / counts.sum(axis=-1, keepdims=True) >= RARE


def _jaccard(ours: Any, theirs: Any) -> Any:
    a, b = _present(ours), _present(theirs)
    return (a & b).sum(axis=-1) / (a | b).sum(axis=-1)


def _frequencies(
    ours: Pronunciations,
    theirs: Pronunciations,
    ceiling: Pronunciations | None,
    other: str | None,
    rng: np.random.Generator,
) -> list[Measure]:
    kinds: dict[str, int] = {}
    made = [count_matrix([p for _, p in said.words], kinds) for said in (ours, theirs, ceiling or ours)]
    first, second, third = (widen(c, len(kinds)) for c in made)
    a, b = halves(first.shape[0], rng)
    best = (totals(first[a]), totals(first[b])) if ceiling is None else (totals(first), totals(third))
    mixed = [rng.permutation(totals(second)) for _ in range(50)]
    draws = resampled_totals(first, rng), resampled_totals(second, rng)
    rows = (
        ("coverage", "Phones of the target's words that the donor has too", _covered, "higher", False, "share"),
        ("phone_divergence", "Divergence of phone frequencies", js_divergence, "lower", True, "bits"),
    )
    return [
        Measure(
            LEVEL,
            name,
            title,
            float(distance(totals(first), totals(second))),
            nearer,  # type: ignore[arg-type]
            int(min(first.sum(), second.sum())),
            "phones of each",
            float(np.mean([distance(totals(first), m) for m in mixed])),
            float(distance(*best)),
            other or "halves of the target's words",
            centred_interval(float(distance(totals(first), totals(second))), distance(*draws)),
            symmetric=symmetric,
            unit=unit,
            source=f"{ours.source}, {theirs.source}",
        )
        for name, title, distance, nearer, symmetric, unit in rows
    ]


def _covered(ours: Any, theirs: Any) -> Any:
    """Share of our phones said that are in the other's inventory: (..., K) counts."""
    return (ours * _present(theirs)).sum(axis=-1) / ours.sum(axis=-1)


def _lookalikes(
    target: Language, donor: Language, other: str | None, sources: TextSources, g2p: Source, rng: np.random.Generator
) -> Measure:
    """How differently words that look alike are said."""
    said = [dict(_spoken(v, sources, g2p).words) for v in (target, donor)]
    pairs = [
        (said[0][c.target], said[1][c.donor])
        for c in cognates(target, donor, sources, TOP)
        if c.target in said[0] and c.donor in said[1]
    ]
    if not pairs:
        raise CorpusError("no words of the two languages look alike", fix="give longer word lists")
    pairs = [pairs[int(i)] for i in np.sort(rng.permutation(len(pairs))[:_LOOKALIKES])]
    values = np.array([sound_distance(a, b) for a, b in pairs])
    order = rng.permutation(len(pairs))
    chance = np.mean([sound_distance(a, pairs[int(i)][1]) for (a, _), i in zip(pairs, order, strict=True)])
    ceiling = 0.0
    if other and g2p == "espeak":
        variant = dict(_spoken(Language.of(other), sources, g2p).words)
        ceiling = float(
            np.mean([sound_distance(p, variant[w]) for w, p in list(said[0].items())[:1000] if w in variant])
        )
    resampled = values[rng.integers(len(values), size=(1000, len(values)))].mean(axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Measure(
        LEVEL,
        "lookalike_distance",
        "How differently words that look alike sound (features to change, per phone)",
        float(values.mean()),
        "lower",
        len(pairs),
        "word pairs",
        float(chance),
        ceiling,
        other or "the language itself",
        (float(low), float(high)),
        unit="share of features",
        source="phonological features of panphon (Mortensen et al. 2016)",
    )


def sound_distance(a: Sequence[str], b: Sequence[str]) -> float:
    """Cheapest edits from one word's phones to the other's, per phone of the longer word: 0 the same, 1 nothing alike.

    Putting a phone in or out costs 1, a phone for another the share of features that differ (doubled, at most 1).
    """
    row = list(range(len(b) + 1))
    best: list[float] = [float(x) for x in row]
    for i, p in enumerate(a, 1):
        before, best[0] = best[0], float(i)
        for j, q in enumerate(b, 1):
            cost = min(best[j] + 1.0, best[j - 1] + 1.0, before + _substitution(p, q))
            before, best[j] = best[j], cost
    return best[-1] / max(len(a), len(b), 1)


@cache
def _substitution(p: str, q: str) -> float:
    if p == q:
        return 0.0
    ours, theirs = phone_features(p), phone_features(q)
    if ours is None or theirs is None:
        return 1.0
    return min(1.0, float(np.abs(ours - theirs).mean()))


def _evidence(ours: Pronunciations, theirs: Pronunciations) -> dict[str, Any]:
    mine, yours = inventory(ours), inventory(theirs)
    shares = {p: (mine.get(p, 0.0), yours.get(p, 0.0)) for p in sorted({*mine, *yours})}
    return {
        "charts": chart(shares),
        "nearest_phones": [_nearest(p, mine[p], yours) for p in sorted(mine, key=lambda p: -mine[p]) if p not in yours],
    }


def _nearest(phone: str, share: float, candidates: dict[str, float]) -> dict[str, Any]:
    """The donor's phone that is most like one it lacks, and the features that differ."""
    best = min(candidates, key=lambda q: (_substitution(phone, q), -candidates[q]))
    ours, theirs = phone_features(phone), phone_features(best)
    differing = (
        [n for n, x, y in zip(feature_names(), ours, theirs, strict=True) if x != y]
        if ours is not None and theirs is not None
        else []
    )
    return {
        "target": phone,
        "x-sampa": x_sampa(phone),
        "share of phones": round(share, 4),
        "nearest in donor": best,
        "distance": round(_substitution(phone, best), 3),
        "features that differ": ", ".join(differing),
    }
