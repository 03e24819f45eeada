"""How alike two languages build sentences, from dependency treebanks (Universal Dependencies).

Relations are taken without subtypes. Triples count the root's edge and punctuation; edges of parallel sentences leave
punctuation out, since translations punctuate as they please. KLcpos3 is that of Rosa and Zabokrtsky (2015).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.errors import VizinhoError
from vizinho.languages.levels.parsing import is_parsed, parse
from vizinho.languages.levels.sampling import (
    centred_interval,
    count_matrix,
    js_divergence,
    resampled_totals,
    totals,
    widen,
)
from vizinho.languages.levels.treebank import Node, Sentence, Treebank, built_in, treebank_of
from vizinho.languages.levels.trees import draw_tree
from vizinho.languages.measures import Gap, LevelResult, Measure
from vizinho.languages.sources import TextSources
from vizinho.text.language import Language

LEVEL = "syntax"
MOST_PARSED = 1000
"""Raw sentences that are parsed where there is no treebank."""
ORDERS = (
    ("nsubj", "VERB"), ("obj", "VERB"), ("obl", "VERB"), ("advmod", "VERB"), ("aux", "VERB"), ("amod", "NOUN"),
    ("det", "NOUN"), ("nummod", "NOUN"), ("nmod", "NOUN"), ("case", "NOUN"), ("acl", "NOUN"), ("cop", "ADJ"),
)  # fmt: skip
"""Relations (and the word class of their head) whose order makes the word-order profile."""
LEAST_SEEN = 5
"""A relation rarer than this in either language has no order to speak of."""
MOST_NAMED = 5
SHOWN_DIFFERENCES = 10
LONGEST_DRAWN = 11
"""Words of the longest sentences that are drawn: a tree must fit on a page."""
Triple = tuple[str, str, str, bool]
Counts = npt.NDArray[np.float64]


def compare_syntax(target: Language, donor: Language, sources: TextSources, *, seed: int = 1) -> LevelResult:
    """Measures between the treebanks of two languages, and trees side by side.

    Treebanks come from `sources`, else from the small built-in ones. Without one for either language, or with an
    unreadable one, the level is a gap. Malformed sentences are left out and named in a gap. Edges in common need
    sentences with the same ids.
    """
    try:
        ours, theirs = (treebank_of(v, sources) or _parsed(v, sources) for v in (target, donor))
    except VizinhoError as error:
        return LevelResult(LEVEL, gaps=(Gap(LEVEL, "*", f"{error.where}: {error.what}", error.fix),))
    if ours is None or theirs is None:
        missing = " and ".join(v.code for v, bank in ((target, ours), (donor, theirs)) if bank is None)
        fix = (
            "put LANG.conllu into treebanks/ of the folder given with --texts, or sentences/ there and install a spaCy "
            "pipeline of the language"
        )
        return LevelResult(LEVEL, gaps=(Gap(LEVEL, "*", f"no treebank for {missing}", fix),))
    return compare_treebanks(ours, theirs, seed=seed, shown=_small_pair(target, donor))


def _parsed(variant: Language, sources: TextSources) -> Treebank | None:
    """Raw sentences parsed by an installed spaCy pipeline; None where either is missing."""
    lines = [line for path in sources.sentences(variant) for line in path.read_text(encoding="utf-8").splitlines()]
    if not lines or not is_parsed(variant.base):
        return None
    return parse(lines[:MOST_PARSED], variant.base)


def compare_treebanks(
    ours: Treebank, theirs: Treebank, *, seed: int = 1, shown: Sequence[tuple[Sentence, Sentence]] = ()
) -> LevelResult:
    """The same between two treebanks at hand; `shown` are pairs of sentences to draw before others."""
    measures = [
        _divergence(_TRIPLES, ours, theirs, seed),
        _divergence(_TRIGRAMS, ours, theirs, seed),
    ]
    gaps = [*_skipped(ours), *(_skipped(theirs) if theirs is not ours else ())]
    order = _word_order(ours, theirs, seed)
    if order:
        measures.append(order)
    else:
        gaps.append(Gap(LEVEL, "word_order", f"no relation occurs {LEAST_SEEN} times in {ours.name} and {theirs.name}"))
    pairs = _edge_pairs(ours, theirs)
    if len(pairs) > 1:
        measures.append(_edge_f1(pairs, seed))
    else:
        reason = f"{ours.name} and {theirs.name} have {len(pairs)} sentence ids in common"
        gaps.append(Gap(LEVEL, "edge_f1", reason, "give parallel treebanks, whose sentences have the same sent_id"))
    return LevelResult(LEVEL, tuple(measures), tuple(gaps), _evidence(ours, theirs, pairs, shown))


def triples(sentence: Sentence) -> Iterator[Triple]:
    """(word class of the head, relation, word class of the dependent, dependent first) of every word."""
    for position, node in enumerate(sentence.nodes, 1):
        yield _head_class(sentence, node), node.relation, node.upos, position < node.head


def trigrams(sentence: Sentence) -> Iterator[tuple[str, str, str]]:
    """Trigrams of word classes, sentence ends included."""
    tags = ["<s>", *(node.upos for node in sentence.nodes), "</s>"]
    yield from zip(tags, tags[1:], tags[2:], strict=False)


def orders(sentence: Sentence) -> Iterator[tuple[str, str, bool]]:
    """(relation, word class of the head, dependent first) of the relations in ORDERS."""
    for position, node in enumerate(sentence.nodes, 1):
        head = _head_class(sentence, node)
        if (node.relation, head) in ORDERS:
            yield node.relation, head, position < node.head


def edges(sentence: Sentence) -> Counter[Triple]:
    """Triples without punctuation, counted."""
    return Counter(t for t, n in zip(triples(sentence), sentence.nodes, strict=True) if n.upos != "PUNCT")


def edge_f1(ours: Sentence, theirs: Sentence) -> float:
    """F1 of the edges two translations share: 1 for trees that are the same but for the words."""
    return _f1(edges(ours), edges(theirs))


def parallel(ours: Treebank, theirs: Treebank) -> list[tuple[Sentence, Sentence]]:
    """Pairs of sentences with the same id."""
    by_id = {s.id: s for s in theirs.sentences if s.id}
    return [(s, by_id[s.id]) for s in ours.sentences if s.id in by_id]


@dataclass(frozen=True, slots=True)
class _Pair:
    """A sentence and its translation with their edges."""

    ours: Sentence
    theirs: Sentence
    mine: Counter[Triple]
    yours: Counter[Triple]

    @property
    def f1(self) -> float:
        return _f1(self.mine, self.yours)


def _edge_pairs(ours: Treebank, theirs: Treebank) -> list[_Pair]:
    mine, yours = _edges_by_id(ours), _edges_by_id(theirs)
    return [_Pair(a, b, mine[a.id], yours[b.id]) for a, b in parallel(ours, theirs)]


@lru_cache(maxsize=16)
def _edges_by_id(bank: Treebank) -> dict[str, Counter[Triple]]:
    return {s.id: edges(s) for s in bank.sentences if s.id}


def kl_from(target: Counts, donor: Counts) -> Any:
    """Kullback-Leibler divergence (nats) of the target's counts from the donor's, along the last axis.

    What the donor lacks counts as seen there once (Rosa and Zabokrtsky 2015, KLcpos3).
    """
    p = target / target.sum(axis=-1, keepdims=True)
    q = np.maximum(donor, 1.0) / donor.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log(p / q), 0.0).sum(axis=-1)


def shuffled_classes(bank: Treebank, rng: np.random.Generator) -> Treebank:
    """The same trees and the same word classes, put together at random within each sentence."""
    made = []
    for sentence in bank.sentences:
        classes = [sentence.nodes[int(i)].upos for i in rng.permutation(len(sentence.nodes))]
        nodes = (Node(n.form, c, n.head, n.relation) for n, c in zip(sentence.nodes, classes, strict=True))
        made.append(Sentence(sentence.id, sentence.text, tuple(nodes)))
    return Treebank(f"{bank.name}, word classes shuffled", tuple(made), ())


def shuffled_words(bank: Treebank, rng: np.random.Generator) -> Treebank:
    """The same trees with the words of each sentence in random order."""
    made = []
    for sentence in bank.sentences:
        order = [int(i) for i in rng.permutation(len(sentence.nodes))]
        place = {old + 1: new + 1 for new, old in enumerate(order)} | {0: 0}
        moved = (sentence.nodes[i] for i in order)
        nodes = (Node(n.form, n.upos, place[n.head], n.relation) for n in moved)
        made.append(Sentence(sentence.id, sentence.text, tuple(nodes)))
    return Treebank(f"{bank.name}, words shuffled", tuple(made), ())


def _head_class(sentence: Sentence, node: Node) -> str:
    return sentence.nodes[node.head - 1].upos if node.head else "ROOT"


def _f1(mine: Counter[Triple], yours: Counter[Triple]) -> float:
    return 2 * (mine & yours).total() / max(1, mine.total() + yours.total())


@dataclass(frozen=True, eq=False)
class _Kind:
    """Something that is counted in sentences, and the divergence between such counts."""

    name: str
    title: str
    samples: Callable[[Sentence], Iterator[Any]]
    distance: Callable[[Counts, Counts], Any]
    symmetric: bool
    unit: str
    source: str
    columns: dict[Any, int]
    """Column of each thing, the same in all treebanks; grows with each treebank that is read."""


_TRIPLES = _Kind(
    "triple_divergence",
    "Divergence of dependency triples (head, relation, dependent, direction)",
    triples,
    js_divergence,
    True,
    "bits",
    "Jensen-Shannon divergence (Lin 1991) over Universal Dependencies",
    {},
)
_TRIGRAMS = _Kind(
    "klcpos3",
    "Divergence of word-class trigrams, KLcpos3 (target from donor)",
    trigrams,
    kl_from,
    False,
    "nats",
    "Rosa and Zabokrtsky 2015",
    {},
)
_ORDER_COLUMNS = {(r, h, first): 2 * i + first for i, (r, h) in enumerate(ORDERS) for first in (False, True)}


@lru_cache(maxsize=64)
def _counts(bank: Treebank, kind: _Kind) -> Any:
    return count_matrix([kind.samples(s) for s in bank.sentences], kind.columns)


@lru_cache(maxsize=16)
def _resampled(bank: Treebank, kind: _Kind, seed: int, side: int) -> Counts:
    return resampled_totals(_counts(bank, kind), np.random.default_rng([seed, 3, side]))


@lru_cache(maxsize=64)
def _chance_counts(bank: Treebank, kind: _Kind, seed: int) -> Any:
    return totals(count_matrix([kind.samples(s) for s in _shuffled(bank, seed).sentences], kind.columns))


@lru_cache(maxsize=4)
def _shuffled(bank: Treebank, seed: int) -> Treebank:
    return shuffled_classes(bank, np.random.default_rng([seed, 4]))


@lru_cache(maxsize=16)
def _ceiling(bank: Treebank, kind: _Kind, seed: int) -> float:
    """Mean divergence of two resamples of a treebank, each as large as it.

    Halves would not do: with half the sentences the noise of counting is twice that of the value, and in a small
    treebank it exceeds the distance between languages.
    """
    first, second = _as_wide(kind, _resampled(bank, kind, seed, 0), _resampled(bank, kind, seed, 1))
    return float(np.mean(kind.distance(first, second)))


def _as_wide(kind: _Kind, *counts: Counts) -> list[Counts]:
    """Counts of earlier treebanks lack the columns of later ones."""
    width = len(kind.columns)
    return [np.pad(c, [(0, 0)] * (c.ndim - 1) + [(0, width - c.shape[-1])]) for c in counts]


def _divergence(kind: _Kind, ours: Treebank, theirs: Treebank, seed: int) -> Measure:
    mine, yours = totals(_counts(ours, kind)), totals(_counts(theirs, kind))
    drawn = _resampled(ours, kind, seed, 0), _resampled(theirs, kind, seed, 1)
    chance = _chance_counts(theirs, kind, seed)
    mine, yours, chance, first, second = _as_wide(kind, mine, yours, chance, *drawn)
    value = float(kind.distance(mine, yours))
    return Measure(
        LEVEL,
        kind.name,
        kind.title,
        value,
        "lower",
        min(len(ours.sentences), len(theirs.sentences)),
        "sentences of each",
        float(kind.distance(mine, chance)),
        _ceiling(ours, kind, seed),
        _ceiling_of(ours),
        centred_interval(value, kind.distance(first, second)),
        symmetric=kind.symmetric,
        unit=kind.unit,
        source=kind.source,
    )


@lru_cache(maxsize=64)
def _order_counts(bank: Treebank) -> Any:
    return widen(count_matrix([orders(s) for s in bank.sentences], dict(_ORDER_COLUMNS)), len(_ORDER_COLUMNS))


@lru_cache(maxsize=16)
def _shuffled_orders(bank: Treebank, seed: int) -> Any:
    return _order_counts(shuffled_words(bank, np.random.default_rng([seed, 8])))


def _word_order(ours: Treebank, theirs: Treebank, seed: int) -> Measure | None:
    """Mean difference of the share of dependents that stand before their heads; None where no relation is frequent."""
    rng = np.random.default_rng([seed, 6])
    counts = _order_counts(ours), _order_counts(theirs)
    seen = np.minimum(*(totals(c).reshape(-1, 2).sum(axis=1) for c in counts)) >= LEAST_SEEN
    if not seen.any():
        return None

    def distance(p: Counts, q: Counts) -> Any:
        apart = np.abs(_first_share(p) - _first_share(q))[..., seen]
        # A resample may lack a relation altogether; the others speak for it.
        return np.where(np.isfinite(apart), apart, 0.0).sum(axis=-1) / np.maximum(1, np.isfinite(apart).sum(axis=-1))

    value = float(distance(totals(counts[0]), totals(counts[1])))
    chance = _shuffled_orders(theirs, seed)
    first, again, second = (resampled_totals(c, rng) for c in (counts[0], *counts))
    return Measure(
        LEVEL,
        "word_order",
        f"Difference of word order: share of dependents before their heads, mean over {int(seen.sum())} relations",
        value,
        "lower",
        int(min(totals(c).sum() for c in counts)),
        "dependents of each",
        float(distance(totals(counts[0]), totals(chance))),
        float(np.mean(distance(first, again))),
        _ceiling_of(ours),
        centred_interval(value, distance(first, second)),
        symmetric=True,
        unit="share",
        source="relations of Universal Dependencies",
    )


def _ceiling_of(bank: Treebank) -> str:
    return f"two resamples of {bank.name}, each as large as it"


def _first_share(counts: Counts) -> Counts:
    """(..., 2 x relations) counts to the share of dependents before their heads; NaN where a relation is absent."""
    pairs = counts.reshape(*counts.shape[:-1], len(ORDERS), 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(pairs[..., 1] / pairs.sum(axis=-1))


def _edge_f1(pairs: Sequence[_Pair], seed: int) -> Measure:
    rng = np.random.default_rng([seed, 7])
    values = np.array([pair.f1 for pair in pairs])
    # By chance: each sentence beside the translation of another one.
    order = (np.arange(len(pairs)) + rng.integers(1, max(2, len(pairs)), endpoint=False)) % len(pairs)
    chance = np.mean([_f1(pair.mine, pairs[int(i)].yours) for pair, i in zip(pairs, order, strict=True)])
    resampled = values[rng.integers(len(values), size=(1000, len(values)))].mean(axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Measure(
        LEVEL,
        "edge_f1",
        "Edges that translations of the same sentence share (F1, mean over sentences)",
        float(values.mean()),
        "higher",
        len(pairs),
        "sentence pairs",
        float(chance),
        1.0,
        "the language itself; chance: translations of other sentences",
        (float(low), float(high)),
        symmetric=True,
        source="parallel Universal Dependencies; punctuation left out",
    )


def _skipped(bank: Treebank) -> list[Gap]:
    if not bank.skipped:
        return []
    named = "; ".join(bank.skipped[:MOST_NAMED])
    more = f"; and {len(bank.skipped) - MOST_NAMED} more" if len(bank.skipped) > MOST_NAMED else ""
    reason = f"{len(bank.skipped)} sentences of {bank.name} were left out: {named}{more}"
    return [Gap(LEVEL, "skipped_sentences", reason, "mend the lines that are named")]


def _evidence(
    ours: Treebank,
    theirs: Treebank,
    pairs: Sequence[_Pair],
    shown: Sequence[tuple[Sentence, Sentence]],
) -> dict[str, Any]:
    drawn = [(f"{a.text} / {b.text}", a, b) for a, b in shown]
    drawn += [(f"{what}: {a.text} / {b.text}", a, b) for what, a, b in _chosen(pairs)]
    return {
        "trees_side_by_side": [
            {
                "about": f"{about} (edges in common: {edge_f1(a, b):.2f})",
                "target": draw_tree(a.nodes, "target"),
                "donor": draw_tree(b.nodes, "donor"),
            }
            for about, a, b in drawn
        ],
        "word_order_profile": _profile(ours, theirs),
        "largest_differences": _differences(ours, theirs),
        "treebanks": {"target": ours.name, "donor": theirs.name, "parallel sentences": len(pairs)},
    }


def _profile(ours: Treebank, theirs: Treebank) -> list[dict[str, Any]]:
    mine, yours = (totals(_order_counts(bank)) for bank in (ours, theirs))
    shares = [[float(s) if np.isfinite(s) else None for s in _first_share(c)] for c in (mine, yours)]
    numbers = (mine + yours).reshape(-1, 2).sum(axis=1)
    return [
        {
            "relation": f"{relation} of {head}",
            "target, before its head": shares[0][i],
            "donor, before its head": shares[1][i],
            "n": int(numbers[i]),
        }
        for i, (relation, head) in enumerate(ORDERS)
    ]


def _differences(ours: Treebank, theirs: Treebank) -> list[dict[str, Any]]:
    """The triples that make up most of the divergence."""
    columns = list(_TRIPLES.columns)
    mine, yours = _as_wide(_TRIPLES, *(totals(_counts(bank, _TRIPLES)) for bank in (ours, theirs)))
    p, q = mine / mine.sum(), yours / yours.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(x > 0, x * np.log2(2 * x / (p + q)), 0.0) for x in (p, q)]
    apart = (parts[0] + parts[1]) / 2
    total = apart.sum()
    made = []
    for i in np.argsort(-apart, kind="stable")[:SHOWN_DIFFERENCES]:
        if apart[i] <= 0:
            break
        head, relation, dependent, first = columns[int(i)]
        side = "" if head == "ROOT" else ", before it" if first else ", after it"
        made.append(
            {
                "triple": f"{dependent} as {relation} of {head}{side}",
                "target": float(p[i]),
                "donor": float(q[i]),
                "share of the divergence": float(apart[i] / total),
            }
        )
    return made


def _chosen(pairs: Sequence[_Pair]) -> list[tuple[str, Sentence, Sentence]]:
    """Short pairs: the most alike (the longest of these), a typical one and the least alike."""
    short = [(pair.f1, pair) for pair in pairs if min(_sizes(pair)) >= 4 and max(_sizes(pair)) <= LONGEST_DRAWN]
    if not short:
        return []
    short.sort(key=lambda row: (-row[0], -len(row[1].ours.nodes), row[1].ours.id))
    middle = float(np.mean([pair.f1 for pair in pairs]))
    typical = min(range(len(short)), key=lambda i: (abs(short[i][0] - middle), i))
    named = {0: "most alike", typical: "typical", len(short) - 1: "least alike"}
    return [(what, short[i][1].ours, short[i][1].theirs) for i, what in sorted(named.items())]


def _sizes(pair: _Pair) -> tuple[int, int]:
    return len(pair.ours.nodes), len(pair.theirs.nodes)


def _small_pair(target: Language, donor: Language) -> list[tuple[Sentence, Sentence]]:
    """The first sentence of the built-in treebanks, "a small dog", where both languages have one."""
    banks = [built_in(v.base) for v in (target, donor)]
    return [(banks[0].sentences[0], banks[1].sentences[0])] if banks[0] and banks[1] else []
