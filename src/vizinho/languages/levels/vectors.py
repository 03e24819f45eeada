"""How alike two languages use their words: monolingual vector spaces turned onto each other.

Mikolov et al. (2013) and Conneau et al. (2018): spaces of related languages are nearly rotations of one another. The
rotation is learnt from words that are spelt alike and tested on pairs that are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.errors import CorpusError, VizinhoError
from vizinho.languages.levels.dictionary import Pairs, parallel_sentences, word_pairs
from vizinho.languages.measures import Gap, LevelResult, Measure
from vizinho.languages.sources import TextSources
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
_RESAMPLES = 1000
_OPTIONS = VectorOptions()


@dataclass(frozen=True, slots=True)
class Space:
    """Vectors of two languages in one space: rows of unit length."""

    ours: WordVectors
    theirs: WordVectors
    target: npt.NDArray[np.float32]
    donor: npt.NDArray[np.float32]
    """The donor's rows, turned."""
    unturned: npt.NDArray[np.float32]
    """The donor's rows as they were."""
    seeds: int

    def cosine(self, target_word: str, donor_word: str) -> float | None:
        """How alike two words are used; None where one has no vector or is too rare for its vector to say much."""
        if target_word not in self.ours or donor_word not in self.theirs:
            return None
        ours, theirs = self.ours.row(target_word), self.theirs.row(donor_word)
        return float(self.target[ours] @ self.donor[theirs]) if max(ours, theirs) < TRUSTED else None


def compare_vectors(
    target: Language, donor: Language, sources: TextSources, *, work: Path | None = None, seed: int = 1
) -> LevelResult:
    """Translation, relations among words, and sentence retrieval between the aligned spaces of two languages.

    Vectors are trained on the sentences of `sources` and kept in `work`. Too little text, or no parallel sentences to
    test on, leaves gaps. The texts that both were trained on may hold the test sentences, each language's own.
    """
    try:
        sentences = parallel_sentences(target, donor, sources)
        pairs = word_pairs(sentences)
        space = aligned(target, donor, sources, work, seed)
        again = _again(target, sources, work, seed)
    except VizinhoError as error:
        return LevelResult(LEVEL, gaps=(Gap(LEVEL, "*", str(error)),))
    rng = np.random.default_rng([seed, 8])
    tested = [p for p in pairs if p[0] in space.ours and p[1] in space.theirs][:TESTED]
    own = [(w, w) for w, _ in tested if w in again.ours and w in again.theirs]
    measures, gaps = [], []
    if len(tested) < LEAST_TESTED:
        reason = f"only {len(tested)} word pairs to test on"
        fix = f"put sentences that translate each other into parallel/*_{donor.base}_{target.base}.tsv"
        gaps = [Gap(LEVEL, n, reason, fix) for n in ("translation", "relational_similarity", "sentence_retrieval")]
    else:
        measures = [
            _translation(space, again, tested, own, rng),
            _relations(space, again, tested, own, rng),
            _retrieval(space, again, sentences, rng),
        ]
    return LevelResult(LEVEL, tuple(measures), tuple(gaps), _evidence(space, tested))


@lru_cache(maxsize=16)
def aligned(target: Language, donor: Language, sources: TextSources, work: Path | None, seed: int) -> Space:
    """The spaces of two languages, the donor's turned onto the target's by words spelt alike.

    Raises CorpusError where a language has too little text, TextError where too few words are spelt alike.
    """
    ours, theirs = _vectors(target, sources, work, seed), _vectors(donor, sources, work, seed)
    tested = {w for pair in word_pairs(parallel_sentences(target, donor, sources)) for w in pair}
    return _turn(ours, theirs, tested)


def false_friend_cosine(
    target: Language, donor: Language, sources: TextSources, work: Path | None, seed: int
) -> Callable[[str, str], float | None] | None:
    """For the level of vocabulary: the cosine of a target and a donor word; None where there are no vectors."""
    try:
        return aligned(target, donor, sources, work, seed).cosine
    except VizinhoError:
        return None


def _turn(ours: WordVectors, theirs: WordVectors, leave_out: set[str]) -> Space:
    first, second = normalize(ours.matrix), normalize(theirs.matrix)
    seeds = identical_seeds(ours, theirs, SEEDS, leave_out)
    rows = [ours.row(a) for a, _ in seeds], [theirs.row(b) for _, b in seeds]
    rotation = procrustes(second[rows[1]], first[rows[0]])
    return Space(ours, theirs, first, second @ rotation, second, len(seeds))


@lru_cache(maxsize=8)
def _again(target: Language, sources: TextSources, work: Path | None, seed: int) -> Space:
    """The target's own text trained twice, from other random starts, as if it were two languages: the ceiling."""
    ours, theirs = _vectors(target, sources, work, seed), _vectors(target, sources, work, seed + 1000)
    # Every word is spelt alike here, so that testing needs words that were not seeds.
    return _turn(ours, theirs, set(ours.words[1::2]))


@lru_cache(maxsize=32)
def _vectors(variant: Language, sources: TextSources, work: Path | None, seed: int) -> WordVectors:
    sentences = _sentences(variant, sources)
    options = replace(_OPTIONS, seed=seed)
    digest = hashlib.sha256(repr(options).encode())
    for sentence in sentences:
        digest.update(" ".join(sentence).encode() + b"\n")
    path = None if work is None else work / f"{variant.code}-{digest.hexdigest()[:16]}.bin"
    if path is not None and path.is_file():
        return load_vectors(path)
    made = train_vectors(sentences, options)
    if path is not None:
        save_vectors(path, made)
    return made


@lru_cache(maxsize=16)
def _sentences(variant: Language, sources: TextSources) -> list[list[str]]:
    files = sources.sentences(variant)
    lines = [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    made = tokenize(lines)
    words = sum(map(len, made))
    if words < LEAST_WORDS:
        raise CorpusError(
            f"only {words} running words of {variant.code} for vectors",
            fix=f"put {LEAST_WORDS} or more, one sentence a line, into sentences/CODE_*.txt of the --texts folder",
        )
    return made


def _measure(name: str, title: str, hit: Any, floor: Any, ceiling: float, n_of: str, rng: Any) -> Measure:
    picks = rng.integers(len(hit), size=(_RESAMPLES, len(hit)))
    low, high = np.quantile(hit[picks].mean(axis=1), [0.025, 0.975])
    return Measure(
        LEVEL,
        name,
        title,
        float(hit.mean()),
        "higher",
        len(hit),
        n_of,
        float(floor.mean()),
        ceiling,
        "the target's text trained twice",
        (float(low), float(high)),
        unit="share",
        source="word2vec, Procrustes and CSLS (Conneau et al. 2018); chance: the spaces as they are, not turned",
    )


def _translated(space: Space, pairs: Sequence[tuple[str, str]], donor: Any) -> npt.NDArray[np.float64]:
    """Whether the nearest target word of each donor word is its translation."""
    candidates = space.target[:CANDIDATES]
    kept = [(space.ours.row(a), space.theirs.row(b)) for a, b in pairs if space.ours.row(a) < CANDIDATES]
    right, queries = np.array([a for a, _ in kept]), np.array([b for _, b in kept])
    return hits(csls(donor[queries], candidates), right)


def _unseeded(space: Space, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs that were not seeds of the ceiling's alignment."""
    kept = set(space.ours.words[1::2])
    return [p for p in pairs if p[0] in kept]


def _translation(space: Space, again: Space, tested: Any, own: Any, rng: Any) -> Measure:
    ceiling = _translated(again, _unseeded(again, own), again.donor)
    return _measure(
        "translation",
        "Donor words whose nearest target word is their translation, words spelt alike left out",
        _translated(space, tested, space.donor),
        _translated(space, tested, space.unturned),
        float(ceiling.mean()) if len(ceiling) else 1.0,
        f"word pairs; {space.seeds} seeds spelt alike",
        rng,
    )


def _relations(space: Space, again: Space, tested: Any, own: Any, rng: Any) -> Measure:
    def rows(of: Space, pairs: Any) -> tuple[Any, Any]:
        return (
            of.target[[of.ours.row(a) for a, _ in pairs]],
            of.unturned[[of.theirs.row(b) for _, b in pairs]],
        )

    ours, theirs = rows(space, tested)
    resampled = []
    for _ in range(100):
        picks = np.unique(rng.integers(len(tested), size=len(tested)))  # a pair with itself would have cosine 1
        resampled.append(relational_similarity(ours[picks], theirs[picks]))
    low, high = np.quantile(resampled, [0.025, 0.975])
    value = relational_similarity(ours, theirs)
    return Measure(
        LEVEL,
        "relational_similarity",
        "Correlation of the relations among words with those among their translations",
        value,
        "higher",
        len(tested),
        "word pairs",
        relational_similarity(ours, theirs[rng.permutation(len(theirs))]),
        relational_similarity(*rows(again, own)),
        "the target's text trained twice",
        (min(float(low), value), max(float(high), value)),
        symmetric=True,
        unit="correlation",
        source="RSIM, Vulic et al. 2020; chance: pairs shuffled",
    )


def _retrieval(space: Space, again: Space, sentences: Pairs, rng: Any) -> Measure:
    order = [int(i) for i in rng.permutation(len(sentences))[:TESTED]]
    ours = [sentences[i][0] for i in order]
    theirs = [sentences[i][1] for i in order]
    right = np.arange(len(order))
    found = sentence_vectors(ours, space.ours, space.target)

    def retrieved(queries: Any, candidates: Any) -> npt.NDArray[np.float64]:
        return hits(csls(queries, candidates), right)

    ceiling = retrieved(
        sentence_vectors(ours, again.theirs, again.donor), sentence_vectors(ours, again.ours, again.target)
    )
    return _measure(
        "sentence_retrieval",
        "Donor sentences whose nearest target sentence is their translation",
        retrieved(sentence_vectors(theirs, space.theirs, space.donor), found),
        retrieved(sentence_vectors(theirs, space.theirs, space.unturned), found),
        float(ceiling.mean()),
        "sentence pairs",
        rng,
    )


def _evidence(space: Space, tested: Sequence[tuple[str, str]]) -> dict[str, Any]:
    shown = [p for p in tested if len(p[0]) >= 4][:_SHOWN] + [(w, w) for w in _alike(space)][: _SHOWN // 2]
    target_candidates = space.donor[:CANDIDATES]
    queries = space.target[[space.ours.row(a) for a, _ in shown]] if shown else space.target[:0]
    nearest: Any = csls(queries, target_candidates).argsort(axis=1)[:, ::-1][:, :3] if shown else []
    return {
        "nearest_across": [
            {
                "target": a,
                "nearest in donor": ", ".join(space.theirs.words[int(i)] for i in row),
                "its translation": b,
            }
            for (a, b), row in zip(shown, nearest, strict=True)
        ],
        "picture": _picture(space, [*tested[: _PICTURED // 2], *((w, w) for w in _alike(space)[: _PICTURED // 2])]),
    }


def _alike(space: Space) -> list[str]:
    return [w for w in space.ours.words[:3000] if len(w) >= 5 and w in space.theirs]


def _picture(space: Space, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Both spaces on their two main axes: each word with its language and place."""
    if not pairs:
        return []
    ours = space.target[[space.ours.row(a) for a, _ in pairs]]
    theirs = space.donor[[space.theirs.row(b) for _, b in pairs]]
    together = np.concatenate([ours, theirs])
    centre = together.mean(axis=0)
    _, _, axes = np.linalg.svd(together - centre, full_matrices=False)
    flat = (together - centre) @ axes[:2].T
    words = [("target", a) for a, _ in pairs] + [("donor", b) for _, b in pairs]
    return [
        {"language": language, "word": word, "x": round(float(x), 4), "y": round(float(y), 4)}
        for (language, word), (x, y) in zip(words, flat, strict=True)
    ]
