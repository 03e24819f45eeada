"""How alike two languages build sentences, from dependency treebanks (Universal Dependencies).

Relations are taken without subtypes. Triples count the root's edge and punctuation; edges of parallel sentences leave
punctuation out, since translations punctuate as they please. KLcpos3 is that of Rosa and Zabokrtsky (2015).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vizinho.errors import CorpusError
from vizinho.languages.levels import sampling
from vizinho.languages.levels.parsing import is_parsed, parse
from vizinho.languages.levels.sampling import Counts, centred_interval, count_matrix, resampled_totals, totals
from vizinho.languages.levels.treebank import Node, Sentence, Treebank, built_in, treebank_of
from vizinho.languages.levels.trees import draw_tree
from vizinho.languages.measures import Gap, Kind, LevelResult, Measure, by_donor
from vizinho.languages.sources import Inputs, TextSources
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
SHOWN_DIFFERENCES = 10
LONGEST_DRAWN = 9
"""Words of the longest sentences that are drawn: a tree must fit on a page."""
Triple = tuple[str, str, str, bool]


@dataclass(frozen=True, slots=True)
class _Counting:
    """Something that is counted in sentences, and the divergence between such counts."""

    kind: Kind
    samples: Callable[[Sentence], Iterator[Any]]
    distance: Callable[[Counts, Counts], Any]


@dataclass(frozen=True, slots=True)
class _Counted:
    """Counts of one thing in the target's treebank, over K columns."""

    columns: dict[Any, int]
    total: Counts  # (K,)
    resampled: Counts  # (R, K): totals of as many sentences, drawn with replacement
    ceiling: float
    """Mean divergence of two resamples. Halves would not do: with half the sentences the noise of counting is twice
    that of the value, and in a small treebank it exceeds the distance between languages."""


@dataclass(frozen=True, slots=True)
class LearntTreebank:
    """The target's treebank and what is counted in it once for all donors."""

    bank: Treebank
    counted: dict[str, _Counted]
    orders: Any
    """Sparse counts (sentences, 2 x ORDERS)."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """A sentence of the target and its translation, with their edges and the F1 of these."""

    target: Sentence
    donor: Sentence
    target_edges: Counter[Triple]
    donor_edges: Counter[Triple]
    f1: float


def compare_syntax(target: Language, donors: Sequence[Language], inputs: Inputs) -> Iterator[LevelResult]:
    """Measures between the target's treebank and each donor's, and trees side by side.

    Treebanks come from the folder of texts, else from the small built-in ones. Without one for either language, or with
    an unreadable one, the level is a gap. Malformed sentences are left out and named in a gap. Edges in common need
    sentences with the same ids.
    """

    def against(learnt: LearntTreebank, donor: Language) -> LevelResult:
        return compare_treebank(learnt, _bank(donor, inputs.texts), seed=inputs.seed, shown=_small_pair(target, donor))

    return by_donor(LEVEL, donors, lambda: learn_treebank(_bank(target, inputs.texts), seed=inputs.seed), against)


def _bank(language: Language, texts: TextSources) -> Treebank:
    """A treebank, or raw sentences parsed by an installed spaCy pipeline. Raises CorpusError where all are missing."""
    bank = treebank_of(language, texts)
    if bank is not None:
        return bank
    lines = [line for path in texts.sentences(language) for line in path.read_text(encoding="utf-8").splitlines()]
    if lines and is_parsed(language.base):
        return parse(lines[:MOST_PARSED], language.base)
    raise CorpusError(
        f"no treebank for {language.code}",
        fix="put LANG.conllu into treebanks/ of the folder given with --texts, or sentences/ there and install a spaCy "
        "pipeline of the language",
    )


def learn_treebank(bank: Treebank, *, seed: int = 1) -> LearntTreebank:
    """Count triples, trigrams and orders of the target's treebank."""
    counted = {}
    for counting in (_TRIPLES, _TRIGRAMS):
        columns: dict[Any, int] = {}
        counts = count_matrix([counting.samples(s) for s in bank.sentences], columns)
        first, second = (resampled_totals(counts, np.random.default_rng([seed, 3, side])) for side in (0, 1))
        ceiling = float(np.mean(counting.distance(first, second)))
        counted[counting.kind.name] = _Counted(columns, totals(counts), first, ceiling)
    return LearntTreebank(bank, counted, _order_counts(bank))


def compare_treebank(
    target: LearntTreebank, donor: Treebank, *, seed: int = 1, shown: Sequence[tuple[Sentence, Sentence]] = ()
) -> LevelResult:
    """The level's measures and evidence; `shown` are pairs of sentences to draw before others."""
    bank = target.bank
    shuffled = shuffled_classes(donor, np.random.default_rng([seed, 4]))
    measures, differences = [], []
    for counting in (_TRIPLES, _TRIGRAMS):
        measure, own, other, columns = _divergence(counting, target, donor, shuffled, seed)
        measures.append(measure)
        differences += _differences(own, other, columns) if counting is _TRIPLES else []
    gaps = [*_skipped(bank), *(_skipped(donor) if donor is not bank else ())]
    counts = target.orders, _order_counts(donor)
    order = _word_order(bank, donor, counts, seed)
    if order:
        measures.append(order)
    else:
        gaps.append(Gap(LEVEL, "word_order", f"no relation occurs {LEAST_SEEN} times in {bank.name} and {donor.name}"))
    pairs = _edge_pairs(bank, donor)
    if len(pairs) > 1:
        measures.append(_edge_f1(pairs, seed))
    else:
        reason = f"{bank.name} and {donor.name} have {len(pairs)} sentence ids in common"
        gaps.append(Gap(LEVEL, "edge_f1", reason, "give parallel treebanks, whose sentences have the same sent_id"))
    evidence = {
        "trees_side_by_side": _drawings(pairs, shown),
        "word_order_profile": _profile(*map(totals, counts)),
        "largest_differences": differences,
        "treebanks": {"target": bank.name, "donor": donor.name, "parallel sentences": len(pairs)},
    }
    return LevelResult(LEVEL, tuple(measures), tuple(gaps), evidence)


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


def edge_f1(first: Counter[Triple], second: Counter[Triple]) -> float:
    """F1 of the edges two translations share: 1 for trees that differ in their words alone."""
    return 2 * (first & second).total() / max(1, first.total() + second.total())


def _edge_pairs(bank: Treebank, donor: Treebank) -> list[_Pair]:
    """Sentences with the same id, in the target's order."""
    translations = {s.id: s for s in donor.sentences if s.id}
    pairs = []
    for sentence in bank.sentences:
        if sentence.id in translations:
            own, other = edges(sentence), edges(translations[sentence.id])
            pairs.append(_Pair(sentence, translations[sentence.id], own, other, edge_f1(own, other)))
    return pairs


def kl_from(target: Counts, donor: Counts) -> Any:
    """Kullback-Leibler divergence (nats) of the target's counts from the donor's, along the last axis.

    What the donor lacks counts as seen there once (Rosa and Zabokrtsky 2015, KLcpos3).
    """
    p = target / target.sum(axis=-1, keepdims=True)
    # Not renormalised, as in the paper: unseen trigrams of the donor get a count of one on top.
    q = np.maximum(donor, 1.0) / donor.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log(p / q), 0.0).sum(axis=-1)


def shuffled_classes(bank: Treebank, rng: np.random.Generator) -> Treebank:
    """The trees of a treebank, with the word classes of each sentence exchanged at random."""
    sentences = []
    for sentence in bank.sentences:
        classes = [sentence.nodes[int(i)].upos for i in rng.permutation(len(sentence.nodes))]
        nodes = (Node(n.form, c, n.head, n.relation) for n, c in zip(sentence.nodes, classes, strict=True))
        sentences.append(Sentence(sentence.id, sentence.text, tuple(nodes)))
    return Treebank(f"{bank.name}, word classes shuffled", tuple(sentences), ())


def shuffled_words(bank: Treebank, rng: np.random.Generator) -> Treebank:
    """The trees of a treebank, with the words of each sentence in random order."""
    sentences = []
    for sentence in bank.sentences:
        order = [int(i) for i in rng.permutation(len(sentence.nodes))]
        place = {old + 1: new + 1 for new, old in enumerate(order)} | {0: 0}  # heads count from 1; 0 is the root
        moved = (sentence.nodes[i] for i in order)
        nodes = (Node(n.form, n.upos, place[n.head], n.relation) for n in moved)
        sentences.append(Sentence(sentence.id, sentence.text, tuple(nodes)))
    return Treebank(f"{bank.name}, words shuffled", tuple(sentences), ())


def _head_class(sentence: Sentence, node: Node) -> str:
    return sentence.nodes[node.head - 1].upos if node.head else "ROOT"


_TRIPLES = _Counting(
    Kind(LEVEL, "triple_divergence", "Divergence of dependency triples (head, relation, dependent, direction)", "lower",
         True, "bits", "Jensen-Shannon divergence (Lin 1991) over Universal Dependencies"),
    triples, sampling.js_divergence,
)  # fmt: skip
_TRIGRAMS = _Counting(
    Kind(LEVEL, "klcpos3", "Divergence of word-class trigrams, KLcpos3 (target from donor)", "lower", False, "nats",
         "Rosa and Zabokrtsky 2015"),
    trigrams, kl_from,
)  # fmt: skip
_ORDER = Kind(
    LEVEL, "word_order", "Difference of word order: share of dependents before their heads, mean over relations",
    "lower", True, "share", "relations of Universal Dependencies",
)  # fmt: skip
_EDGES = Kind(
    LEVEL, "edge_f1", "Edges that translations of the same sentence share (F1, mean over sentences)", "higher", True,
    source="parallel Universal Dependencies; punctuation left out",
)  # fmt: skip
_ORDER_COLUMNS = {(r, h, first): 2 * i + first for i, (r, h) in enumerate(ORDERS) for first in (False, True)}


def _divergence(
    counting: _Counting, target: LearntTreebank, donor: Treebank, shuffled: Treebank, seed: int
) -> tuple[Measure, Counts, Counts, list[Any]]:
    """The measure, and the totals (K,) of both treebanks with the names of their columns."""
    counted = target.counted[counting.kind.name]
    columns = dict(counted.columns)  # the donor's own kinds come after the target's, which are zero there
    counts = count_matrix([counting.samples(s) for s in donor.sentences], columns)
    chance = count_matrix([counting.samples(s) for s in shuffled.sentences], columns)
    resampled = resampled_totals(counts, np.random.default_rng([seed, 3, 1]))

    def wide(narrow: Counts) -> Counts:
        return np.pad(narrow, [(0, 0)] * (narrow.ndim - 1) + [(0, len(columns) - narrow.shape[-1])])

    own, other = wide(counted.total), wide(totals(counts))
    value = float(counting.distance(own, other))
    measure = counting.kind.measure(
        value,
        floor=float(counting.distance(own, wide(totals(chance)))),
        ceiling=(counted.ceiling, _ceiling_of(target.bank)),
        sample=(min(len(target.bank.sentences), len(donor.sentences)), "sentences of each"),
        interval=centred_interval(value, counting.distance(wide(counted.resampled), wide(resampled))),
    )
    return measure, own, other, list(columns)


def _order_counts(bank: Treebank) -> Any:
    return count_matrix([orders(s) for s in bank.sentences], dict(_ORDER_COLUMNS))


def _word_order(bank: Treebank, donor: Treebank, counts: tuple[Any, Any], seed: int) -> Measure | None:
    """Mean difference of the share of dependents that come before their heads; None where no relation is frequent."""
    rng = np.random.default_rng([seed, 6])
    own, other = map(totals, counts)  # (2 x ORDERS,): after the head, before it, for each relation
    seen = np.minimum(*(c.reshape(-1, 2).sum(axis=1) for c in (own, other))) >= LEAST_SEEN
    if not seen.any():
        return None

    def distance(p: Counts, q: Counts) -> Any:
        apart = np.abs(_first_share(p) - _first_share(q))[..., seen]
        # A resample may lack a relation altogether; the others speak for it.
        return np.where(np.isfinite(apart), apart, 0.0).sum(axis=-1) / np.maximum(1, np.isfinite(apart).sum(axis=-1))

    value = float(distance(own, other))
    chance = _order_counts(shuffled_words(donor, np.random.default_rng([seed, 8])))
    first, second, resampled = (resampled_totals(c, rng) for c in (counts[0], *counts))
    return _ORDER.measure(
        value,
        floor=float(distance(own, totals(chance))),
        ceiling=(float(np.mean(distance(first, second))), _ceiling_of(bank)),
        sample=(int(min(own.sum(), other.sum())), f"dependents of each, in {int(seen.sum())} relations"),
        interval=centred_interval(value, distance(first, resampled)),
    )


def _ceiling_of(bank: Treebank) -> str:
    return f"two resamples of {bank.name}, each as large as it"


def _first_share(counts: Counts) -> Counts:
    """(..., 2 x relations) counts to the share of dependents before their heads; NaN where a relation is absent."""
    pairs = counts.reshape(*counts.shape[:-1], len(ORDERS), 2)  # last axis: after its head, before it
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(pairs[..., 1] / pairs.sum(axis=-1))


def _edge_f1(pairs: Sequence[_Pair], seed: int) -> Measure:
    rng = np.random.default_rng([seed, 7])
    values = np.array([pair.f1 for pair in pairs])
    # By chance: each sentence with the translation of another one, all moved on by one random number of places.
    order = (np.arange(len(pairs)) + rng.integers(1, max(2, len(pairs)), endpoint=False)) % len(pairs)
    strangers = [(pair.target_edges, pairs[int(i)].donor_edges) for pair, i in zip(pairs, order, strict=True)]
    chance = np.mean([edge_f1(*edges_of_both) for edges_of_both in strangers])
    return _EDGES.measure(
        float(values.mean()),
        floor=float(chance),
        ceiling=(1.0, "the language itself; chance: translations of other sentences"),
        sample=(len(pairs), "sentence pairs"),
        interval=sampling.mean_interval(values, rng),
    )


def _skipped(bank: Treebank) -> tuple[Gap, ...]:
    return Gap.skipped(LEVEL, "sentences", bank.name, bank.skipped, "mend the lines that are named")


def _drawings(pairs: Sequence[_Pair], shown: Sequence[tuple[Sentence, Sentence]]) -> list[dict[str, str]]:
    drawn = [(f"{a.text} / {b.text}", a, b) for a, b in shown]
    drawn += [(f"{what}: {p.target.text} / {p.donor.text}", p.target, p.donor) for what, p in _chosen(pairs)]
    return [
        {
            "about": f"{about} (edges in common: {edge_f1(edges(a), edges(b)):.2f})",
            "target": draw_tree(a.nodes, "target"),
            "donor": draw_tree(b.nodes, "donor"),
        }
        for about, a, b in drawn
    ]


def _profile(own: Counts, other: Counts) -> list[dict[str, Any]]:
    shares = [[float(s) if np.isfinite(s) else None for s in _first_share(c)] for c in (own, other)]
    numbers = (own + other).reshape(-1, 2).sum(axis=1)
    return [
        {
            "relation": f"{relation} of {head}",
            "target, before its head": shares[0][i],
            "donor, before its head": shares[1][i],
            "n": int(numbers[i]),
        }
        for i, (relation, head) in enumerate(ORDERS)
    ]


def _differences(own: Counts, other: Counts, columns: Sequence[Triple]) -> list[dict[str, Any]]:
    """The triples that make up most of the divergence."""
    p, q = own / own.sum(), other / other.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(x > 0, x * np.log2(2 * x / (p + q)), 0.0) for x in (p, q)]
    apart = (parts[0] + parts[1]) / 2  # each triple's summand of the Jensen-Shannon divergence
    rows = []
    for i in np.argsort(-apart, kind="stable")[:SHOWN_DIFFERENCES]:
        if apart[i] <= 0:
            break
        head, relation, dependent, first = columns[int(i)]
        side = "" if head == "ROOT" else ", before it" if first else ", after it"
        rows.append(
            {
                "triple": f"{dependent} as {relation} of {head}{side}",
                "target": float(p[i]),
                "donor": float(q[i]),
                "share of the divergence": float(apart[i] / apart.sum()),
            }
        )
    return rows


def _chosen(pairs: Sequence[_Pair]) -> list[tuple[str, _Pair]]:
    """Short pairs: the most alike (the longest of these), a typical one and the least alike."""
    sizes = [(len(p.target.nodes), len(p.donor.nodes)) for p in pairs]
    short = [p for p, size in zip(pairs, sizes, strict=True) if min(size) >= 4 and max(size) <= LONGEST_DRAWN]
    if not short:
        return []
    short.sort(key=lambda p: (-p.f1, -len(p.target.nodes), p.target.id))  # most alike first, then the longest
    mean = float(np.mean([p.f1 for p in pairs]))
    typical = min(range(len(short)), key=lambda i: (abs(short[i].f1 - mean), i))
    named = {0: "most alike", typical: "typical", len(short) - 1: "least alike"}
    return [(what, short[i]) for i, what in sorted(named.items())]


def _small_pair(target: Language, donor: Language) -> list[tuple[Sentence, Sentence]]:
    """The first sentence of the built-in treebanks, "a small dog", where both languages have one."""
    banks = [built_in(language.base) for language in (target, donor)]
    return [(banks[0].sentences[0], banks[1].sentences[0])] if banks[0] and banks[1] else []
