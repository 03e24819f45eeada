"""Interpolated modified Kneser-Ney smoothing (Kneser & Ney 1995; Chen & Goodman 1999), as lmplz defines it.

Lower orders count how many different units stand before an n-gram, instead of how often it occurs (n-grams that open a
sentence keep their counts: nothing can stand before them). Single units are interpolated with the uniform distribution
over the vocabulary, which gives unknown units their share (Heafield et al. 2013).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vizinho.decoding.lm.counts import START_ROW, Counts, Level

Floats = npt.NDArray[np.float64]
_FALLBACK = (0.5, 1.0, 1.5)
"""lmplz's discounts where counts of counts give none: few texts, or letters, of which none is rare."""
_NEVER = -99.0
"""How ARPA files write a probability of zero."""
Discounts = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Estimated:
    """The M n-grams of one order of a finished model; all arrays are (M,)."""

    prefix: npt.NDArray[np.int64]
    """Row, one order below, of the n-gram without its last unit."""
    word: npt.NDArray[np.int64]
    log10_probability: Floats
    log10_backoff: Floats


@dataclass(frozen=True, slots=True)
class NgramModel:
    """A whole model in arrays, orders 1 to N."""

    vocabulary: tuple[str, ...]
    orders: tuple[Estimated, ...]
    discounts: tuple[Discounts, ...]
    fallback_orders: tuple[int, ...]
    """Orders whose counts of counts gave no discounts of their own."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """N-grams of each order."""
        return tuple(order.word.size for order in self.orders)

    def ngrams(self) -> Iterator[Iterator[tuple[str, float, float]]]:
        """For each order its n-grams (units joined by spaces), log10 probabilities and log10 back-off weights."""
        texts: list[str] = [""]
        for n, order in enumerate(self.orders):
            units = [self.vocabulary[w] for w in order.word.tolist()]
            texts = units if n == 0 else [f"{texts[p]} {u}" for p, u in zip(order.prefix.tolist(), units, strict=True)]
            yield zip(texts, order.log10_probability.tolist(), order.log10_backoff.tolist(), strict=True)


def estimate(counts: Counts, *, prune: int = 0) -> NgramModel:
    """Estimate a model; n-grams of two units or more that occur at most `prune` times are left to shorter ones."""
    levels = counts.levels
    adjusted = [_adjusted(level, above) for level, above in zip(levels, (*levels[1:], None), strict=True)]
    adjusted[0][START_ROW] = 0.0  # it is never predicted
    own_discounts = [_discounts(values) for values in adjusted]
    discounts = tuple(d or _FALLBACK for d in own_discounts)
    keep = [np.full(level.count.size, n == 0) | (level.count > prune) for n, level in enumerate(levels)]
    # Below single units is the uniform distribution over all of them but the start.
    probabilities: list[Floats] = [np.full(1, 1.0 / (len(counts.vocabulary) - 1))]
    shares: list[Floats] = []
    contexts = 1
    for n, level in enumerate(levels):
        own = _discounted(adjusted[n], discounts[n])
        totals = np.bincount(level.prefix, adjusted[n], contexts)  # of each context
        own /= np.where(totals > 0, totals, 1.0)[level.prefix]
        # What the n-grams that stay do not take is the share of shorter ones: so every context sums to one.
        share = np.asarray(1.0 - np.bincount(level.prefix, own * keep[n], contexts), dtype=np.float64)
        lower = probabilities[-1][level.suffix]  # of the same last unit after a context shorter by one
        probabilities.append(np.asarray(own + share[level.prefix] * lower, dtype=np.float64))
        shares.append(share)
        contexts = level.count.size
    probabilities[1][START_ROW] = 0.0
    shares.append(np.ones(contexts))  # n-grams of the highest order are no contexts: log10 of the weight is 0
    orders = _pruned(levels, probabilities[1:], shares[1:], keep)
    without = tuple(n + 1 for n, d in enumerate(own_discounts) if d is None)
    return NgramModel(counts.vocabulary, orders, discounts, without)


def _adjusted(level: Level, above: Level | None) -> Floats:
    """(M,): how many different units stand before an n-gram of a lower order; of the highest order, how often it is."""
    if above is None:
        return level.count.astype(np.float64)
    places = np.bincount(above.suffix, minlength=level.count.size)
    return np.where(level.opens, level.count, places).astype(np.float64)


def _discounts(values: Floats) -> Discounts | None:
    """Discounts of counts one, two, and more (Chen & Goodman 1999, equation 26).

    None where counts of counts are missing or give a discount of nothing, which would leave unseen n-grams impossible.
    """
    n1, n2, n3, n4 = (int(np.count_nonzero(values == k)) for k in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return None
    y = n1 / (n1 + 2 * n2)  # n1 is how many n-grams were seen once, n2 twice, ...
    discounts = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return discounts if all(0 < d <= k for k, d in enumerate(discounts, start=1)) else None


def _discounted(values: Floats, discounts: Discounts) -> Floats:
    table = np.array([0.0, *discounts])  # indexed by the count; 3 stands for three and more
    return np.asarray(np.maximum(values - table[np.minimum(values, 3).astype(np.int64)], 0.0))


def _pruned(
    levels: Sequence[Level],
    probabilities: Sequence[Floats],
    backoffs: Sequence[Floats],
    keep: Sequence[npt.NDArray[np.bool_]],
) -> tuple[Estimated, ...]:
    """The n-grams to keep, in logarithms, with prefixes pointing to the rows that are left."""
    orders: list[Estimated] = []
    rows = np.zeros(1, dtype=np.int64)
    for level, probability, backoff, mask in zip(levels, probabilities, backoffs, keep, strict=True):
        logs = np.log10(np.maximum(probability[mask], 10.0**_NEVER))
        weights = np.log10(np.maximum(backoff[mask], 10.0**_NEVER))
        orders.append(Estimated(rows[level.prefix[mask]], level.word[mask], logs, weights))
        rows = np.cumsum(mask) - 1  # where each n-gram of this order went: the next order's prefixes
    return tuple(orders)
