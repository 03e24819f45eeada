"""Is one recogniser better than another? Paired tests on the same utterances, corrected for several comparisons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vizinho.errors import CorpusError
from vizinho.records import Interval, UtteranceErrors

Counts = npt.NDArray[np.float64]
"""(units, measures): sums of edits and lengths of each unit of resampling."""
CONFIDENCE = 0.95
_BLOCK_CELLS = 2_000_000
"""Draws held at once: about 16 MB of indices, whatever the size of the test set."""


def blocks(units: int, resamples: int) -> Iterator[int]:
    """Sizes of the blocks that make up all resamples. Random streams do not depend on them."""
    size = max(1, _BLOCK_CELLS // units)  # resamples per block
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def bootstrap_sums(counts: Counts, rng: np.random.Generator, resamples: int) -> Counts:
    """(resamples, measures): sums over units drawn with replacement, as many as there are (Bisani & Ney 2004)."""
    units = len(counts)
    # (n, units) indices pick (n, units, measures) counts, which are summed over the units that were drawn.
    drawn = [counts[rng.integers(0, units, size=(n, units))].sum(axis=1) for n in blocks(units, resamples)]
    return np.concatenate(drawn)


def percentiles(values: Counts) -> Counts:
    """(2, ...): the two ends of the percentile interval over the first axis."""
    tail = (1 - CONFIDENCE) / 2  # outside the interval on either side
    return np.asarray(np.quantile(values, [tail, 1 - tail], axis=0), dtype=np.float64)


def speaker_sums(errors: list[UtteranceErrors], counts: Counts) -> Counts:
    """(speakers, measures): the counts of `errors`, row by row, added up per speaker.

    Raises CorpusError when an utterance has no speaker or all have the same: an interval over one unit has no width,
    which would look like certainty.
    """
    unknown = [e.id for e in errors if not e.speaker]
    if unknown:
        raise CorpusError(
            f"resampling by speaker, but {len(unknown)} utterances name no speaker, such as {', '.join(unknown[:3])}",
            where="speakers",
            fix="give every utterance its speaker, or resample by utterance",
        )
    speakers = sorted({e.speaker for e in errors})
    if len(speakers) < 2:
        raise CorpusError(
            f"resampling by speaker, but {speakers[0]!r} is the only one", where="speakers", fix="resample by utterance"
        )
    row = {speaker: i for i, speaker in enumerate(speakers)}
    sums = np.zeros((len(speakers), counts.shape[1]))
    np.add.at(sums, [row[e.speaker] for e in errors], counts)  # adds up repeated rows, which sums[rows] += would not
    return sums


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rate of a minus rate of b (negative: a is better), its 95 % interval and two-sided p-values."""

    difference: float
    ci: Interval
    p: float
    """Paired bootstrap."""
    p_randomisation: float
    """Paired approximate randomisation; a second opinion that assumes less."""
    units: int
    """Utterances, or speakers where resampled by speaker."""
    test: str
    relative: float | None
    """The difference as a share of b's rate: -0.2 is a fifth fewer errors; None where b has none."""
    relative_ci: Interval | None
    cohens_d: float | None
    """Mean over deviation of the units' differences in rate (Cohen 1988, d for pairs); None where all are equal."""


def compare(
    a: Sequence[UtteranceErrors],
    b: Sequence[UtteranceErrors],
    *,
    metric: str = "cer",
    seed: int = 1,
    resamples: int = 10_000,
    cluster: bool = False,
) -> Comparison:
    """Compare two systems on the same utterances.

    The paired bootstrap resamples utterances (or speakers) and recomputes both corpus rates from their sums (Bisani &
    Ney 2004; Koehn 2004); its p is twice the share of differences on the other side of zero. Randomisation swaps the
    systems' outputs at random (Noreen 1989). One is added above and below so that no p is zero (Davison & Hinkley
    1997). The order of the utterances does not matter. Raises CorpusError when ids or references differ, an id
    appears twice, or there is nothing to compare.
    """
    left, right = _paired(a, b, metric, cluster)
    rng = np.random.default_rng(seed)
    # Both systems' counts of a unit are drawn together: that makes the test a paired one.
    drawn_sums = bootstrap_sums(np.hstack([left, right]), rng, resamples)
    drawn = _rates(drawn_sums[:, :2]) - _rates(drawn_sums[:, 2:])
    low, high = percentiles(drawn)
    other_side = min(
        int((drawn <= 0).sum()), int((drawn >= 0).sum())
    )  # draws that contradict the sign of the difference
    relative, relative_ci = _relative(left, right, drawn_sums)
    return Comparison(
        difference=float(_rates(left.sum(axis=0)) - _rates(right.sum(axis=0))),
        ci=Interval(float(low), float(high)),
        p=min(1.0, 2 * (other_side + 1) / (resamples + 1)),
        p_randomisation=_randomisation(left, right, rng, resamples),
        units=len(left),
        test=f"paired bootstrap by {'speaker' if cluster else 'utterance'}, {resamples} resamples, seed {seed}",
        relative=relative,
        relative_ci=relative_ci,
        cohens_d=_cohens_d(left, right),
    )


def _relative(left: Counts, right: Counts, drawn: Counts) -> tuple[float | None, Interval | None]:
    base = float(_rates(right.sum(axis=0)))
    if not base:
        return None, None
    base_drawn = _rates(drawn[:, 2:])
    low, high = percentiles(_rates(drawn[:, :2])[base_drawn > 0] / base_drawn[base_drawn > 0] - 1)
    return float(_rates(left.sum(axis=0))) / base - 1, Interval(float(low), float(high))


def _cohens_d(left: Counts, right: Counts) -> float | None:
    differences = _rates(left) - _rates(right)
    deviation = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    return float(differences.mean()) / deviation if deviation > 1e-12 else None  # less is rounding


def _randomisation(left: Counts, right: Counts, rng: np.random.Generator, resamples: int) -> float:
    observed = abs(float(_rates(left.sum(axis=0)) - _rates(right.sum(axis=0))))
    both, as_large = left.sum(axis=0) + right.sum(axis=0), 0
    for size in blocks(len(left), resamples):
        swap = rng.random((size, len(left))) < 0.5
        # Swapping a unit moves its difference from one system's sums to the other's, so one product gives all sums.
        first = left.sum(axis=0) + swap @ (right - left)
        # Rates that are equal but for rounding must count as equally large.
        as_large += int((np.abs(_rates(first) - _rates(both - first)) >= observed - 1e-12).sum())
    return (as_large + 1) / (resamples + 1)


def pool(seeds: Sequence[Sequence[UtteranceErrors]]) -> list[UtteranceErrors]:
    """Add up the counts of several seeds of one arm per utterance, so that utterances stay the unit of resampling.

    The hypothesis kept is the first seed's. Raises CorpusError when the seeds were not scored on the same utterances.
    """
    if not seeds:
        raise CorpusError("no seeds to pool", where="significance", fix="give at least one")
    by_id = [_by_id(errors) for errors in seeds]
    _check_same(*by_id)
    counts = ("character_errors", "characters", "word_errors", "words")
    return [
        replace(first, **{count: sum(getattr(s[id_], count) for s in by_id) for count in counts})
        for id_, first in by_id[0].items()
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction for a family of tests (Holm 1979); in the order given."""
    order = np.argsort(p_values)
    corrected, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = running  # never less than that of a smaller p
    return corrected


def _paired(
    a: Sequence[UtteranceErrors], b: Sequence[UtteranceErrors], metric: str, cluster: bool
) -> tuple[Counts, Counts]:
    """(units, 2) of each system: edits and lengths, in the order of the ids."""
    left, right = _by_id(a), _by_id(b)
    _check_same(left, right)
    if not left:
        raise CorpusError("no utterances to compare", where="significance", fix="score a test set first")
    ids = sorted(left)
    sides = [np.array([_counts(side[i], metric) for i in ids], dtype=np.float64) for side in (left, right)]
    if cluster:
        sides = [speaker_sums([left[i] for i in ids], side) for side in sides]
    return sides[0], sides[1]


def _counts(error: UtteranceErrors, metric: str) -> tuple[int, int]:
    if metric not in ("cer", "wer"):
        raise CorpusError(f"unknown metric {metric!r}", where="significance", fix="use cer or wer")
    return (error.character_errors, error.characters) if metric == "cer" else (error.word_errors, error.words)


def _rates(totals: Counts) -> Counts:
    """Edits over lengths on the last axis; a draw without any reference text has length 1, as in the intervals."""
    return np.asarray(totals[..., 0] / np.maximum(totals[..., 1], 1.0), dtype=np.float64)


def _by_id(errors: Sequence[UtteranceErrors]) -> dict[str, UtteranceErrors]:
    by_id = {e.id: e for e in errors}
    if len(by_id) < len(errors):
        repeated = Counter(e.id for e in errors).most_common(1)[0][0]
        raise CorpusError("the id appears twice", where=repeated, fix="score every utterance once")
    return by_id


def _check_same(first: dict[str, UtteranceErrors], *others: dict[str, UtteranceErrors]) -> None:
    for other in others:
        differing = sorted(first.keys() ^ other.keys())
        if differing:
            what = f"{len(differing)} utterances are on one side only"
            raise CorpusError(what, where=differing[0], fix="score the same test set")
        changed = sorted(i for i in first if first[i].reference != other[i].reference)
        if changed:
            texts = f"{first[changed[0]].reference!r} and {other[changed[0]].reference!r}"
            what = f"{len(changed)} references differ between the systems: {texts}"
            raise CorpusError(what, where=changed[0], fix="score both with the same corpus and normaliser")
