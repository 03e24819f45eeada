"""Linear mixture of two back-off models as one back-off model (Stolcke 2002 describes SRILM's): P = s P1 + (1 - s) P2.

Texts of different kinds are better mixed than counted together: Kneser-Ney counts of a list of words (each stands in
one place) would lose the words' frequencies.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vizinho.decoding.lm.arpa import Arpa, read_arpa, write_arpa
from vizinho.decoding.lm.counts import START
from vizinho.decoding.lm.model import LmCard, load_language_model, quoted, write_card
from vizinho.errors import ModelError
from vizinho.files import sha256

Table = dict[str, tuple[float, float]]
_NEVER = -99.0


def mix(first: Arpa, second: Arpa, share: float) -> Arpa:
    """A model in which the n-grams of either have the mixed probability, and every context sums to one.

    N-grams that neither model lists are approximated through shorter ones. A unit that one model does not know has
    probability zero there. Raises ModelError for a share outside 0 to 1.
    """
    if not 0.0 <= share <= 1.0:
        raise ModelError(f"a share of {share}", where="mix", fix="give 0 to 1")
    tables: list[Table] = []
    for order in range(1, max(first.order, second.order) + 1):
        ngrams = dict.fromkeys(n for model in (first, second) if order <= model.order for n in model.tables[order - 1])
        table = {ngram: (_mixed(ngram.split(" "), first, second, share), 0.0) for ngram in ngrams}
        if tables:  # the order below gets the weights that make its contexts sum to one with these n-grams
            tables[-1] = _with_backoff(tables, table)
        tables.append(table)
    return Arpa(tuple(tables))


def _mixed(ngram: Sequence[str], first: Arpa, second: Arpa, share: float) -> float:
    """log10 of the mixed probability of an n-gram's last unit."""
    *context, unit = ngram
    if unit == START:
        return _NEVER
    total = sum(
        weight * 10.0 ** model.log10_probability(unit, context)
        for model, weight in ((first, share), (second, 1.0 - share))
        if unit in model
    )
    return math.log10(total) if total > 0.0 else _NEVER


def _with_backoff(tables: Sequence[Table], above: Table) -> Table:
    """The highest of `tables` with the weight of each context: what its n-grams leave, over what they leave below."""
    so_far = Arpa(tuple(tables))
    taken: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for ngram, (log10, _) in above.items():
        context, _, unit = ngram.rpartition(" ")
        taken[context][0] += 10.0**log10  # by the n-grams of this order
        # and by the shorter n-grams that they replace
        taken[context][1] += 10.0 ** so_far.log10_probability(unit, context.split(" ")[1:])
    table = dict(tables[-1])
    for context, (here, below) in taken.items():
        # Rounding may leave less than nothing.
        left, left_below = max(1.0 - here, 1e-12), max(1.0 - below, 1e-12)
        table[context] = (table[context][0], math.log10(left / left_below))
    return table


def mix_files(first: Path, second: Path, share: float, out: Path, *, any_letters: bool = False) -> LmCard:
    """Mix two ARPA files of one unit, normaliser and alphabet into a third with its card.

    With `any_letters` both were trained on whatever letters their texts have; then the alphabets may differ, and the
    mixture has the letters of both. Raises ModelError for files that are broken or do not belong together.
    """
    models = [load_language_model(path) for path in (first, second)]
    one, other = (model.card for model in models)
    if one.unit != other.unit:
        raise ModelError(f"it is a model of {other.unit}s, {first} of {one.unit}s", where=second, fix="mix equal units")
    letters = "".join(sorted(set(one.alphabet) | set(other.alphabet))) if any_letters else one.alphabet
    if one.normalizer != other.normalizer or not (any_letters or one.alphabet == other.alphabet):
        differing = sorted(set(one.alphabet) ^ set(other.alphabet))
        raise ModelError(
            f"normalisers {one.normalizer} and {other.normalizer}, letters of one only: {quoted(differing) or 'none'}",
            where=second,
            fix="train both with the same --lang or --model",
        )
    mixed = mix(read_arpa(first), read_arpa(second), share)
    sizes = tuple(map(len, mixed.tables))
    write_arpa(out, sizes, (((ngram, *values) for ngram, values in table.items()) for table in mixed.tables))
    card = replace(
        one, order=mixed.order, sizes=sizes, sentences=one.sentences + other.sentences, units=one.units + other.units,
        unknown=one.unknown + other.unknown, discounts=(), arpa_sha256=sha256(out),
        sources=tuple({**source, "share": s} for c, s in ((one, share), (other, 1 - share)) for source in c.sources),
        text_fingerprint=f"{one.text_fingerprint}+{other.text_fingerprint}", alphabet=letters,
    )  # fmt: skip
    write_card(out, card)
    return card
