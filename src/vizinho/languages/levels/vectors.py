"""How alike two languages use their words: monolingual vector spaces turned onto each other.

Mikolov et al. (2013) and Conneau et al. (2018): spaces of related languages are nearly rotations of one another. The
rotation is learnt from words that are spelt alike and tested on pairs that are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.errors import CorpusError
from vizinho.languages.levels.dictionary import WordPairs, parallel_sentences, word_pairs
from vizinho.languages.levels.sampling import mean_interval, percentile_interval
from vizinho.languages.measures import Gap, Kind, LevelResult, Measure, by_donor
from vizinho.languages.sources import Inputs, TextSources
from vizinho.text.language import Language
from vizinho.vectors.align import (
    csls,
    hits,
    identical_seeds,
    normalize,
    procrustes,
    relational_similarity,
    sentence_vectors,
)
from vizinho.vectors.static import VectorOptions, WordVectors, load_vectors, save_vectors, tokenize, train_vectors

LEVEL = "vectors"
LEAST_WORDS = 100_000
"""Running words below which vectors say more about the amount of text than about the language."""
SEEDS = 1500
CANDIDATES = 10_000
"""Most frequent target words among which a translation must be found."""
TRUSTED = 4000
"""Rank of the rarest word whose vector may call another a false friend."""
TESTED = 1000
"""Most word pairs and sentence pairs that are tested."""
LEAST_TESTED = 30
_SHOWN = 12
_PICTURED = 30
_RELATION_RESAMPLES = 100
_OPTIONS = VectorOptions()
_TWICE = "the target's text trained twice"
_CSLS = "word2vec, Procrustes and CSLS (Conneau et al. 2018); chance: the spaces as they are, not turned"
_TRANSLATION = Kind(
    LEVEL, "translation", "Donor words whose nearest target word is their translation, words spelt alike left out",
    "higher", unit="share", source=_CSLS,
)  # fmt: skip
_RETRIEVAL = Kind(
    LEVEL, "sentence_retrieval", "Donor sentences whose nearest target sentence is their translation", "higher",
    unit="share", source=_CSLS,
)  # fmt: skip
_RELATIONS = Kind(
    LEVEL, "relational_similarity", "Correlation of the relations among words with those among their translations",
    "higher", True, "correlation", "RSIM, Vulic et al. 2020; chance: pairs shuffled",
)  # fmt: skip
Matrix = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Space:
    """Vectors of two languages in one space: rows of unit length, (V, D)."""

    words: WordVectors
    donor_words: WordVectors
    target: Matrix
    donor: Matrix
    """The donor's rows, turned."""
    unturned: Matrix
    """The donor's rows as they were."""
    seeds: int

    def cosine(self, word: str, donor_word: str) -> float | None:
        """How alike two words are used; None where one has no vector or is too rare for its vector to say much."""
        if word not in self.words or donor_word not in self.donor_words:
            return None
        row, donor_row = self.words.row(word), self.donor_words.row(donor_word)
        return float(self.target[row] @ self.donor[donor_row]) if max(row, donor_row) < TRUSTED else None

    def rows(self, pairs: WordPairs) -> tuple[list[int], list[int]]:
        """Rows of the target's and of the donor's words."""
        return [self.words.row(a) for a, _ in pairs], [self.donor_words.row(b) for _, b in pairs]


@dataclass(frozen=True, slots=True)
class Aligned:
    """The spaces of two languages, with the translations to test them on."""

    space: Space
    sentences: Sequence[tuple[Sequence[str], Sequence[str]]]
    """Tokenised (target, donor) sentences that translate each other."""
    pairs: WordPairs
    """(target, donor) words that translate each other and are spelt differently."""


def compare_vectors(target: Language, donors: Sequence[Language], inputs: Inputs) -> Iterator[LevelResult]:
    """Translation, relations among words, and sentence retrieval between the aligned spaces of two languages.

    Vectors are trained on the sentences of the folder of texts and kept in `work`. Too little text, or no parallel
    sentences to test on, leaves gaps. The texts that both were trained on may hold the test sentences, each language's
    own.
    """

    @cache
    def trained_twice() -> Space:  # trained when the first donor turns out to have enough text: it takes minutes
        return _trained_twice(target, inputs.texts, inputs.work, inputs.seed)

    def against(_: None, donor: Language) -> LevelResult:
        both = aligned(target, donor, inputs.texts, inputs.work, inputs.seed)
        tested = [p for p in both.pairs if p[0] in both.space.words and p[1] in both.space.donor_words][:TESTED]
        evidence = _evidence(both.space, tested)
        if len(tested) < LEAST_TESTED:
            reason = f"only {len(tested)} word pairs to test on"
            fix = f"put sentences that translate each other into parallel/*_{donor.base}_{target.base}.tsv"
            names = ("translation", "relational_similarity", "sentence_retrieval")
            return LevelResult(LEVEL, gaps=tuple(Gap(LEVEL, n, reason, fix) for n in names), evidence=evidence)
        again = trained_twice()
        own = [(w, w) for w, _ in tested if w in again.words and w in again.donor_words]
        rng = np.random.default_rng([inputs.seed, 8])
        measures = (
            _translation(both.space, again, tested, own, rng),
            _relations(both.space, again, tested, own, rng),
            _retrieval(both, again, rng),
        )
        return LevelResult(LEVEL, measures, evidence=evidence)

    return by_donor(LEVEL, donors, lambda: None, against)


@lru_cache(maxsize=16)
def aligned(target: Language, donor: Language, texts: TextSources, work: Path | None, seed: int) -> Aligned:
    """The spaces of two languages, the donor's turned onto the target's by words spelt alike.

    Kept because the level of vocabulary flags false friends with it before the level of vectors measures it. Raises
    CorpusError where a language has too little text, TextError where too few words are spelt alike.
    """
    sentences = parallel_sentences(target, donor, texts)
    pairs = word_pairs(sentences)
    words, donor_words = (_vectors(language, texts, work, seed) for language in (target, donor))
    return Aligned(_turn(words, donor_words, {word for pair in pairs for word in pair}), sentences, pairs)


def _turn(words: WordVectors, donor_words: WordVectors, leave_out: set[str]) -> Space:
    target, donor = normalize(words.matrix), normalize(donor_words.matrix)
    seeds = identical_seeds(words, donor_words, SEEDS, leave_out)
    rows, donor_rows = [words.row(a) for a, _ in seeds], [donor_words.row(b) for _, b in seeds]
    rotation = procrustes(donor[donor_rows], target[rows])  # (D, D)
    return Space(words, donor_words, target, donor @ rotation, donor, len(seeds))


def _trained_twice(target: Language, texts: TextSources, work: Path | None, seed: int) -> Space:
    """The target's own text trained twice, from other random starts, as if it were two languages: the ceiling."""
    words, again = (_vectors(target, texts, work, s) for s in (seed, seed + 1000))
    # Every word is spelt alike here, so that testing needs words that were not seeds.
    return _turn(words, again, set(_unseeded(words)))


def _unseeded(words: WordVectors) -> Sequence[str]:
    """Words that are no seeds of the ceiling's alignment: every other one."""
    return words.words[1::2]


@lru_cache(maxsize=8)
def _vectors(language: Language, texts: TextSources, work: Path | None, seed: int) -> WordVectors:
    """Vectors trained on a language's sentences, or those that `work` keeps; a minute or two to train."""
    sentences = _sentences(language, texts)
    options = replace(_OPTIONS, seed=seed)
    digest = hashlib.sha256(repr(options).encode())
    for sentence in sentences:
        digest.update(" ".join(sentence).encode() + b"\n")
    path = None if work is None else work / f"{language.code}-{digest.hexdigest()[:16]}.bin"
    if path is not None and path.is_file():
        return load_vectors(path)
    vectors = train_vectors(sentences, options)
    if path is not None:
        save_vectors(path, vectors)
    return vectors


def _sentences(language: Language, texts: TextSources) -> list[list[str]]:
    files = texts.sentences(language)
    sentences = tokenize(line for path in files for line in path.read_text(encoding="utf-8").splitlines())
    words = sum(map(len, sentences))
    if words < LEAST_WORDS:
        raise CorpusError(
            f"only {words} running words of {language.code} for vectors",
            fix=f"put {LEAST_WORDS} or more, one sentence a line, into sentences/CODE_*.txt of the --texts folder",
        )
    return sentences


def _hit_rate(
    kind: Kind, n_of: str, *, hit: Values, chance: Values, ceiling: Values, rng: np.random.Generator
) -> Measure:
    return kind.measure(
        float(hit.mean()),
        floor=float(chance.mean()),
        ceiling=(float(ceiling.mean()) if len(ceiling) else 1.0, _TWICE),
        sample=(len(hit), n_of),
        interval=mean_interval(hit, rng),
    )


def _translated(space: Space, pairs: WordPairs, donor: Matrix) -> Values:
    """Whether the nearest target word of each donor word is its translation; rare target words are left out."""
    rows, donor_rows = (np.array(side) for side in space.rows(pairs))  # rows are ranks: frequent words come first
    candidate = rows < CANDIDATES
    return hits(csls(donor[donor_rows[candidate]], space.target[:CANDIDATES]), rows[candidate])


def _translation(space: Space, again: Space, tested: WordPairs, own: WordPairs, rng: np.random.Generator) -> Measure:
    unseeded = set(_unseeded(again.words))
    fair = [pair for pair in own if pair[0] in unseeded]
    return _hit_rate(
        _TRANSLATION,
        f"word pairs; {space.seeds} seeds spelt alike",
        hit=_translated(space, tested, space.donor),
        chance=_translated(space, tested, space.unturned),
        ceiling=_translated(again, fair, again.donor) if fair else np.empty(0),
        rng=rng,
    )


def _relations(space: Space, again: Space, tested: WordPairs, own: WordPairs, rng: np.random.Generator) -> Measure:
    def vectors(of: Space, pairs: WordPairs) -> tuple[Matrix, Matrix]:
        rows, donor_rows = of.rows(pairs)
        return of.target[rows], of.unturned[donor_rows]

    first, second = vectors(space, tested)
    resampled = []
    for _ in range(_RELATION_RESAMPLES):
        picks = np.unique(rng.integers(len(tested), size=len(tested)))  # a pair with itself would have cosine 1
        resampled.append(relational_similarity(first[picks], second[picks]))
    value = relational_similarity(first, second)
    # A resample holds fewer different pairs, so that the resamples' middle 95 % may miss the value: it is enclosed.
    return _RELATIONS.measure(
        value,
        floor=relational_similarity(first, second[rng.permutation(len(second))]),
        ceiling=(relational_similarity(*vectors(again, own)), _TWICE),
        sample=(len(tested), "word pairs"),
        interval=percentile_interval(resampled, enclose=value),
    )


def _retrieval(both: Aligned, again: Space, rng: np.random.Generator) -> Measure:
    space = both.space
    order = [int(i) for i in rng.permutation(len(both.sentences))[:TESTED]]
    sentences, translations = ([both.sentences[i][side] for i in order] for side in (0, 1))
    candidates = sentence_vectors(sentences, space.words, space.target)  # (S, D)

    def retrieved(queries: Matrix, among: Matrix) -> Values:
        return hits(csls(queries, among), np.arange(len(order)))

    return _hit_rate(
        _RETRIEVAL,
        "sentence pairs",
        hit=retrieved(sentence_vectors(translations, space.donor_words, space.donor), candidates),
        chance=retrieved(sentence_vectors(translations, space.donor_words, space.unturned), candidates),
        ceiling=retrieved(
            sentence_vectors(sentences, again.donor_words, again.donor),
            sentence_vectors(sentences, again.words, again.target),
        ),
        rng=rng,
    )


def _evidence(space: Space, tested: WordPairs) -> dict[str, Any]:
    alike = [(w, w) for w in space.words.words[:3000] if len(w) >= 5 and w in space.donor_words]
    shown = [p for p in tested if len(p[0]) >= 4][:_SHOWN] + alike[: _SHOWN // 2]
    nearest: Any = []
    if shown:
        similarity = csls(space.target[space.rows(shown)[0]], space.donor[:CANDIDATES])
        nearest = similarity.argsort(axis=1)[:, ::-1][:, :3]  # the three best, best first
    return {
        "nearest_across": [
            {
                "target": a,
                "nearest in donor": ", ".join(space.donor_words.words[int(i)] for i in row),
                "its translation": b,
            }
            for (a, b), row in zip(shown, nearest, strict=True)
        ],
        "picture": _picture(space, [*tested[: _PICTURED // 2], *alike[: _PICTURED // 2]]),
    }


def _picture(space: Space, pairs: WordPairs) -> list[dict[str, Any]]:
    """Both spaces on their two main axes: each word with its language and place."""
    if not pairs:
        return []
    rows, donor_rows = space.rows(pairs)
    together = np.concatenate([space.target[rows], space.donor[donor_rows]])
    centred = together - together.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]  # right singular vectors: the principal axes
    words = [("target", a) for a, _ in pairs] + [("donor", b) for _, b in pairs]
    return [
        {"language": language, "word": word, "x": round(float(x), 4), "y": round(float(y), 4)}
        for (language, word), (x, y) in zip(words, centred @ axes[:2].T, strict=True)
    ]
