"""Bootstrap sums: the one place where evaluation draws utterances, in blocks so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from vizinho.errors import CorpusError
from vizinho.records import UtteranceErrors

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
