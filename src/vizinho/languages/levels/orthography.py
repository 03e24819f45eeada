"""How alike two languages are written: letters, and how well one language's spelling predicts the other's."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any

import numpy as np

from vizinho.errors import CorpusError
from vizinho.languages.levels.ngrams import ORDER, CharacterModel
from vizinho.languages.levels.sampling import centred_interval, js_divergence
from vizinho.languages.levels.treebank import treebank_of
from vizinho.languages.levels.words import Words, folded, frequent_words
from vizinho.languages.measures import Gap, LevelResult, Measure
from vizinho.languages.sources import TextSources
from vizinho.text.language import Language

LEVEL = "spelling"
TOP = 5000
"""Most frequent words that the letters are counted in."""
LEAST_SENTENCES = 200
"""Treebanks with fewer sentences are too small to learn spelling from."""
RARE = 1e-5
"""Letters with a smaller share of the running text are foreign words' and left out of the alphabets."""
RESAMPLES = 500


def compare_spelling(target: Language, donor: Language, sources: TextSources, *, seed: int = 1) -> LevelResult:
    """Letter distributions and cross-entropy on word lists; on running text too where both have a treebank.

    A language without a word list leaves the measures on words as gaps.
    """
    rng = np.random.default_rng([seed, 2])
    measures: list[Measure] = []
    gaps: list[Gap] = []
    evidence: dict[str, Any] = {}
    try:
        ours, theirs = frequent_words(target, sources, TOP), frequent_words(donor, sources, TOP)
    except CorpusError as error:
        gaps += [Gap(LEVEL, name, str(error)) for name in ("letter_divergence", "cross_entropy")]
    else:
        measures += [_letters(ours, theirs, rng), _on_words(ours, theirs, rng)]
        evidence = _evidence(ours, theirs)
    mine, yours = _text(target, sources), _text(donor, sources)
    if mine and yours:
        measures.append(_on_text(mine, yours, rng))
    else:
        lacking = ", ".join(v.code for v, text in ((target, mine), (donor, yours)) if not text)
        reason = f"no treebank of {LEAST_SENTENCES} sentences or more for {lacking}"
        fix = "put LANG_NAME.conllu into treebanks/ of the folder given with --texts"
        gaps.append(Gap(LEVEL, "text_cross_entropy", reason, fix))
    return LevelResult(LEVEL, tuple(measures), tuple(gaps), evidence)


def letter_shares(words: Words) -> dict[str, float]:
    """Share of each letter in running text, by the words' frequencies; the rarest letters left out."""
    counts: Counter[str] = Counter()
    for word, frequency in words:
        for letter in word:
            counts[letter] += frequency  # type: ignore[assignment]
    total = sum(counts.values())
    return {letter: n / total for letter, n in counts.items() if n / total >= RARE}


def _letters(ours: Words, theirs: Words, rng: np.random.Generator) -> Measure:
    mine, yours = _letter_matrix(ours, theirs)
    value = float(js_divergence(mine.sum(axis=0), yours.sum(axis=0)))
    resampled = [
        js_divergence(mine[_draw(len(mine), rng)].sum(axis=0), yours[_draw(len(yours), rng)].sum(axis=0))
        for _ in range(RESAMPLES // 5)
    ]
    order = rng.permutation(len(mine))
    ceiling = js_divergence(mine[order[::2]].sum(axis=0), mine[order[1::2]].sum(axis=0))
    # By chance each letter of the donor would be as frequent as some other one.
    chance = np.mean([js_divergence(mine.sum(axis=0), rng.permutation(yours.sum(axis=0))) for _ in range(50)])
    return Measure(
        LEVEL,
        "letter_divergence",
        "Divergence of letter frequencies in running words",
        value,
        "lower",
        min(len(ours), len(theirs)),
        "words of each",
        float(chance),
        float(ceiling),
        "halves of the target's words",
        centred_interval(value, resampled),
        symmetric=True,
        unit="bits",
        source="Jensen-Shannon divergence (Lin 1991)",
    )


def _letter_matrix(ours: Words, theirs: Words) -> tuple[Any, Any]:
    """Frequency-weighted letter counts (V, letters) of both word lists, over the same letters."""
    index = {letter: i for i, letter in enumerate(sorted({c for words in (ours, theirs) for w, _ in words for c in w}))}
    made = []
    for words in (ours, theirs):
        counts = np.zeros((len(words), len(index)))
        for row, (word, frequency) in enumerate(words):
            for letter in word:
                counts[row, index[letter]] += frequency
        made.append(counts)
    return made[0], made[1]


def _draw(count: int, rng: np.random.Generator) -> Any:
    return rng.integers(count, size=count)


def _on_words(ours: Words, theirs: Words, rng: np.random.Generator) -> Measure:
    """The donor's words teach, the target's are judged; both lists are weighted alike, one line a word."""
    return _cross_entropy(
        "cross_entropy",
        "Surprise at the target's words for one who knows the donor's spelling",
        tuple(w for w, _ in ours),
        tuple(w for w, _ in theirs),
        "words",
        rng,
    )


def _on_text(ours: tuple[str, ...], theirs: tuple[str, ...], rng: np.random.Generator) -> Measure:
    return _cross_entropy(
        "text_cross_entropy",
        "Surprise at the target's running text for one who knows the donor's spelling",
        ours,
        theirs,
        "sentences",
        rng,
    )


def _cross_entropy(
    name: str, title: str, ours: tuple[str, ...], theirs: tuple[str, ...], n_of: str, rng: np.random.Generator
) -> Measure:
    """Bits a character of half the target's lines under a model of as many donor lines.

    The ceiling's model has learnt from the target's other half.
    """
    order = np.random.default_rng(len(ours)).permutation(len(ours))
    judged = [ours[int(i)] for i in order[: len(ours) // 2]]
    own = [ours[int(i)] for i in order[len(ours) // 2 :]]
    picks = np.random.default_rng(len(theirs)).permutation(len(theirs))[: len(own)]
    teaching = [theirs[int(i)] for i in picks]
    alphabet = "".join(sorted({c for line in (*ours, *theirs) for c in line}))
    lengths = np.array([len(line) + 1 for line in judged], dtype=np.float64)
    bits = CharacterModel(teaching, alphabet).bits(judged)
    shuffled = ["".join(rng.permutation(list(line))) for line in judged]
    drawn = [_draw(len(judged), rng) for _ in range(RESAMPLES)]
    value = float(bits.sum() / lengths.sum())
    resampled = [bits[i].sum() / lengths[i].sum() for i in drawn]
    return Measure(
        LEVEL,
        name,
        title,
        value,
        "lower",
        len(judged),
        f"target {n_of}, against {len(teaching)} of the donor",
        float(CharacterModel(teaching, alphabet).bits(shuffled).sum() / lengths.sum()),
        float(CharacterModel(own, alphabet).bits(judged).sum() / lengths.sum()),
        f"the target's other {n_of}",
        centred_interval(value, resampled),
        unit="bits a character",
        source=f"character {ORDER}-grams, Witten and Bell 1991",
    )


@lru_cache(maxsize=32)
def _text(variant: Language, sources: TextSources) -> tuple[str, ...]:
    """Sentences of the language's treebank in lower case; none when there are too few or it cannot be read."""
    try:
        bank = treebank_of(variant, sources)
    except CorpusError:
        return ()  # the level of syntax names what is wrong with it
    if bank is None or len(bank.sentences) < LEAST_SENTENCES:
        return ()
    return tuple(" ".join(s.text.lower().split()) for s in bank.sentences)


def _evidence(ours: Words, theirs: Words) -> dict[str, Any]:
    mine, yours = letter_shares(ours), letter_shares(theirs)
    letters = sorted({*mine, *yours}, key=lambda c: (folded(c), c))
    return {
        "letters": [
            {
                "letter": c,
                "target, per cent": round(100 * mine[c], 3) if c in mine else None,
                "donor, per cent": round(100 * yours[c], 3) if c in yours else None,
            }
            for c in letters
        ],
        "only_the_target": " ".join(c for c in letters if c not in yours),
        "only_the_donor": " ".join(c for c in letters if c not in mine),
        "shared_letters": sum(c in mine and c in yours for c in letters),
    }
