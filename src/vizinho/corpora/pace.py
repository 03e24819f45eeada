"""How long each speaker should take for each text, and how far the recording is from that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MIN_UTTERANCES = 20  # speakers with fewer are measured against the whole corpus
_MAX_FIT = 800  # Theil-Sen looks at all pairs; this many points are plenty for two numbers
_MIN_SPREAD = 0.1  # even the most even speaker (a synthesiser) varies by 10 %; a smaller spread would flag noise
_MIN_EXPECTED_SECONDS = 0.05

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pace:
    """One utterance's letters per second, expected seconds, and robust z-score of log(expected / real).

    A positive score means more letters than fit into the recording, a negative one fewer.
    """

    letters_per_second: float
    expected_seconds: float
    score: float


def measure_pace(letters: Sequence[int], seconds: Sequence[float], speakers: Sequence[str]) -> list[Pace]:
    """Compare every utterance with its speaker's own habit, seconds = a + b * letters.

    Letters per second alone are not enough: a word in half a second of silence is slow, and readers differ by a factor
    of two. The line is fitted by Theil-Sen (Sen 1968) and the spread is the median absolute deviation, so that the
    outliers do not move either. Each sequence has one entry per utterance; letters and seconds are above zero. With
    fewer than MIN_UTTERANCES utterances in all, scores are 0.
    """
    counts, lengths = np.asarray(letters, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    expected, scores = _scores(counts, lengths, np.arange(counts.size))  # of the whole corpus, for speakers with few
    members: dict[str, list[int]] = defaultdict(list)
    for index, speaker in enumerate(speakers):
        members[speaker].append(index)
    for indices in members.values():
        if len(indices) >= MIN_UTTERANCES and len(indices) < counts.size:
            rows = np.asarray(indices)
            expected[rows], scores[rows] = _scores(counts, lengths, rows)
    return [
        Pace(float(count / length), float(e), float(s))
        for count, length, e, s in zip(counts, lengths, expected, scores, strict=True)
    ]


def _scores(letters: Floats, seconds: Floats, rows: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    from scipy.stats import theilslopes

    x, y = letters[rows], seconds[rows]
    if rows.size < MIN_UTTERANCES:
        return y.copy(), np.zeros(rows.size)
    sample = np.random.default_rng(0).permutation(rows.size)[:_MAX_FIT]
    if np.ptp(x[sample]) == 0:  # all texts have one length, so no slope can be fitted
        slope, intercept = 0.0, float(np.median(y))
    else:
        line = theilslopes(y[sample], x[sample])
        slope, intercept = float(line.slope), float(line.intercept)
    expected = np.maximum(intercept + slope * x, _MIN_EXPECTED_SECONDS)
    surprise = np.log(expected / y)  # twice as long and half as long are equally far from 0
    centred = surprise - np.median(surprise)
    # 1.4826 makes the median absolute deviation of a normal distribution its standard deviation.
    spread = max(1.4826 * float(np.median(np.abs(centred))), _MIN_SPREAD)
    return expected, centred / spread
