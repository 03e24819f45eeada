"""How alike two languages build sentences, from dependency treebanks.

Triples and parallel edges after the figures in docs/compare.md; KLcpos3 after Rosa and Zabokrtsky (2015).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from vizinho.errors import CorpusError
from vizinho.languages.measures import Gap, LevelResult, Measure
from vizinho.languages.sampling import (
    centred_interval,
    count_matrix,
    halves,
    js_divergence,
    resampled_totals,
    totals,
    widen,
)
from vizinho.languages.treebank import Node, Sentence, Treebank, treebank_of
from vizinho.languages.trees import draw_trees
from vizinho.languages.variants import TextSources, Variant

LEVEL = "syntax"
ORDERS = (
    ("nsubj", "VERB"), ("obj", "VERB"), ("obl", "VERB"), ("advmod", "VERB"), ("aux", "VERB"), ("amod", "NOUN"),
    ("det", "NOUN"), ("nummod", "NOUN"), ("nmod", "NOUN"), ("case", "NOUN"), ("acl", "NOUN"), ("cop", "ADJ"),
)  # fmt: skip
"""Relations (and the word class of their head) whose order makes the word-order profile."""
SMOOTHING = 1.0
"""Added to the count of every trigram of the target, so that a divergence stays finite."""
SHOWN_TREES = 3


def compare_syntax(target: Variant, donor: Variant, sources: TextSources, *, seed: int = 1) -> LevelResult:
    """Measures between the treebanks of two languages, and trees side by side.

    Without a treebank for one of them the level is a gap. Parallel measures need sentences with the same ids.
    """
    try:
        ours, theirs = treebank_of(target, sources), treebank_of(donor, sources)
    except CorpusError as error:
        return LevelResult(LEVEL, gaps=(Gap(LEVEL, "*", str(error)),))
    missing = [v.code for v, bank in ((target, ours), (donor, theirs)) if bank is None]
    if ours is None or theirs is None:
        fix = "put LANG_NAME.conllu into treebanks/ of the folder given with --texts"
        return LevelResult(LEVEL, gaps=(Gap(LEVEL, "*", f"no treebank for {', '.join(missing)}", fix),))
    rng = np.random.default_rng([seed, 3])
    measures = [_triples(ours, theirs, rng), _klcpos3(ours, theirs, rng), _word_order(ours, theirs, rng)]
    gaps = [
        Gap(LEVEL, "skipped_sentences", f"left out {line}", "mend the line")
        for line in (*ours.skipped, *theirs.skipped)
    ]
    pairs = parallel(ours, theirs)
    if pairs:
        measures.append(_edge_f1(pairs, rng))
    else:
        gaps.append(Gap(LEVEL, "edge_f1", f"{ours.name} and {theirs.name} have no sentence ids in common"))
    return LevelResult(LEVEL, tuple(measures), tuple(gaps), _evidence(target, donor, ours, theirs, pairs))


def triples(sentence: Sentence) -> Iterator[tuple[str, str, str, bool]]:
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


def parallel(ours: Treebank, theirs: Treebank) -> list[tuple[Sentence, Sentence]]:
    """Pairs of sentences with the same id."""
    by_id = {s.id: s for s in theirs.sentences}
    return [(s, by_id[s.id]) for s in ours.sentences if s.id in by_id]


def edge_f1(ours: Sentence, theirs: Sentence) -> float:
    """F1 of the edges two translations share, punctuation left out: 1 for trees that are the same but for the words."""
    mine, yours = _edges(ours), _edges(theirs)
    return 2 * (mine & yours).total() / max(1, mine.total() + yours.total())


def _edges(sentence: Sentence) -> Counter[tuple[str, str, str, bool]]:
    return Counter(t for t, n in zip(triples(sentence), sentence.nodes, strict=True) if n.upos != "PUNCT")


def _head_class(sentence: Sentence, node: Node) -> str:
    return sentence.nodes[node.head - 1].upos if node.head else "ROOT"


def _shuffled(sentences: Sequence[Sentence], rng: np.random.Generator) -> list[Sentence]:
    """The same word classes and tree shapes, put together at random within each sentence."""
    made = []
    for sentence in sentences:
        order = rng.permutation(len(sentence.nodes))
        nodes = [
            Node(node.form, sentence.nodes[int(i)].upos, node.head, node.relation)
            for node, i in zip(sentence.nodes, order, strict=True)
        ]
        made.append(Sentence(sentence.id, sentence.text, tuple(nodes)))
    return made


@dataclass(frozen=True, slots=True)
class _Kind:
    """A divergence between counts of something in sentences."""

    samples: Callable[[Sentence], Iterator[Any]]
    distance: Callable[[Any, Any], Any]
    """(R, K) or (K,) counts of the target and of the donor to (R,) or one number."""


def _divergence(
    kind: _Kind, ours: Treebank, theirs: Treebank, rng: np.random.Generator
) -> tuple[float, tuple[float, float], float, float]:
    """Value, interval, chance floor and ceiling (halves of the target's own sentences)."""
    kinds: dict[Any, int] = {}
    first = count_matrix([kind.samples(s) for s in ours.sentences], kinds)
    second = count_matrix([kind.samples(s) for s in theirs.sentences], kinds)
    shuffled = count_matrix([kind.samples(s) for s in _shuffled(theirs.sentences, rng)], kinds)
    first, second, shuffled = (widen(c, len(kinds)) for c in (first, second, shuffled))
    value = float(kind.distance(totals(first), totals(second)))
    resampled = kind.distance(resampled_totals(first, rng), resampled_totals(second, rng))
    a, b = halves(len(ours.sentences), rng)
    ceiling = float(kind.distance(totals(first[a]), totals(first[b])))
    floor = float(kind.distance(totals(first), totals(shuffled)))
    return value, centred_interval(value, resampled), floor, ceiling


def _measure(
    name: str, title: str, kind: _Kind, ours: Treebank, theirs: Treebank, rng: np.random.Generator, **more: Any
) -> Measure:
    value, interval, floor, ceiling = _divergence(kind, ours, theirs, rng)
    return Measure(
        LEVEL,
        name,
        title,
        value,
        "lower",
        min(len(ours.sentences), len(theirs.sentences)),
        "sentences of each",
        floor,
        ceiling,
        f"halves of {ours.name}",
        interval,
        **more,
    )


def _triples(ours: Treebank, theirs: Treebank, rng: np.random.Generator) -> Measure:
    return _measure(
        "triple_divergence",
        "Divergence of dependency triples (head, relation, dependent, direction)",
        _Kind(triples, js_divergence),
        ours,
        theirs,
        rng,
        symmetric=True,
        unit="bits",
        source="Jensen-Shannon divergence (Lin 1991) over Universal Dependencies",
    )


def _klcpos3(ours: Treebank, theirs: Treebank, rng: np.random.Generator) -> Measure:
    return _measure(
        "klcpos3",
        "Divergence of word-class trigrams, KLcpos3 (target from donor)",
        _Kind(trigrams, _kl_smoothed),
        ours,
        theirs,
        rng,
        unit="nats",
        source="Rosa and Zabokrtsky 2015",
    )


def _kl_smoothed(target: Any, donor: Any) -> Any:
    """Kullback-Leibler divergence of the target from the donor; trigrams the donor lacks count as seen once."""
    p = target / target.sum(axis=-1, keepdims=True)
    q = np.where((donor == 0) & (target > 0), SMOOTHING, donor)
    q = q / q.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log(p / q), 0.0).sum(axis=-1)


def _word_order(ours: Treebank, theirs: Treebank, rng: np.random.Generator) -> Measure:
    keys = [(relation, head, first) for relation, head in ORDERS for first in (False, True)]
    index = {key: i for i, key in enumerate(keys)}
    counts = [widen(count_matrix([orders(s) for s in b.sentences], index), len(keys)) for b in (ours, theirs)]

    def distance(p: Any, q: Any) -> Any:
        a, b = _first_share(p), _first_share(q)
        return np.nanmean(np.abs(a - b), axis=-1)

    value = float(distance(totals(counts[0]), totals(counts[1])))
    resampled = distance(resampled_totals(counts[0], rng), resampled_totals(counts[1], rng))
    a, b = halves(len(ours.sentences), rng)
    # By chance a dependent stands before its head as often as after it.
    floor = float(np.nanmean(np.abs(_first_share(totals(counts[0])) - 0.5)))
    return Measure(
        LEVEL,
        "word_order",
        "Difference of word order: share of dependents before their heads, mean over relations",
        value,
        "lower",
        int(min(totals(c).sum() for c in counts)),
        "dependents of each",
        floor,
        float(distance(totals(counts[0][a]), totals(counts[0][b]))),
        f"halves of {ours.name}",
        centred_interval(value, resampled),
        symmetric=True,
        unit="share",
        source="relations of Universal Dependencies",
    )


def _first_share(counts: Any) -> Any:
    """(…, 2 x relations) counts to the share of dependents before their heads; NaN where a relation is absent."""
    pairs = counts.reshape(*counts.shape[:-1], len(ORDERS), 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return pairs[..., 1] / pairs.sum(axis=-1)


def _edge_f1(pairs: Sequence[tuple[Sentence, Sentence]], rng: np.random.Generator) -> Measure:
    values = np.array([edge_f1(a, b) for a, b in pairs])
    order = rng.permutation(len(pairs))
    chance = np.mean([edge_f1(a, pairs[int(i)][1]) for (a, _), i in zip(pairs, order, strict=True)])
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
        "the language itself; chance: sentences paired at random",
        (float(low), float(high)),
        symmetric=True,
        source="parallel Universal Dependencies",
    )


def _evidence(
    target: Variant, donor: Variant, ours: Treebank, theirs: Treebank, pairs: Sequence[tuple[Sentence, Sentence]]
) -> dict[str, Any]:
    made: dict[str, Any] = {"word_order_profile": _profile(ours, theirs)}
    shown = _chosen(pairs)
    small = _small_pair(target, donor)
    if small:
        shown = [small, *shown]
    made["trees_side_by_side"] = [
        {"about": about, "target": draw_trees(a.nodes), "donor": draw_trees(b.nodes)} for about, a, b in shown
    ]
    return made


def _profile(ours: Treebank, theirs: Treebank) -> list[dict[str, Any]]:
    def shares(bank: Treebank) -> dict[tuple[str, str], tuple[float | None, int]]:
        found = Counter(o for s in bank.sentences for o in orders(s))
        made = {}
        for relation, head in ORDERS:
            first, after = found[relation, head, True], found[relation, head, False]
            made[relation, head] = (first / (first + after) if first + after else None, first + after)
        return made

    mine, yours = shares(ours), shares(theirs)
    return [
        {
            "relation": f"{relation} of {head}",
            "target, before its head": mine[relation, head][0],
            "donor, before its head": yours[relation, head][0],
            "n": mine[relation, head][1] + yours[relation, head][1],
        }
        for relation, head in ORDERS
    ]


def _chosen(pairs: Sequence[tuple[Sentence, Sentence]]) -> list[tuple[str, Sentence, Sentence]]:
    """Short pairs: the most alike, a typical one and the least alike."""
    short = [(a, b) for a, b in pairs if 4 <= len(a.nodes) <= 12 and 4 <= len(b.nodes) <= 14]
    ranked = sorted(short, key=lambda p: (-edge_f1(*p), p[0].id))
    if not ranked:
        return []
    picked = [ranked[i] for i in dict.fromkeys((0, len(ranked) // 2, len(ranked) - 1))][:SHOWN_TREES]
    return [(f"{a.text} / {b.text} (edges in common: {edge_f1(a, b):.2f})", a, b) for a, b in picked]


def _small_pair(target: Variant, donor: Variant) -> tuple[str, Sentence, Sentence] | None:
    """The first sentence of the built-in treebanks, "a small dog", where both languages have one."""
    found = [treebank_of(Variant(v.base), TextSources()) for v in (target, donor)]
    if found[0] is None or found[1] is None:
        return None
    a, b = found[0].sentences[0], found[1].sentences[0]
    return f"{a.text} / {b.text} (edges in common: {edge_f1(a, b):.2f})", a, b


@lru_cache(maxsize=1)
def _pipelines() -> tuple[str, ...]:
    import spacy.util

    return tuple(spacy.util.get_installed_models())


def parse(texts: Sequence[str], language: str) -> Treebank:
    """Parse raw sentences with an installed spaCy pipeline of the language.

    Raises CorpusError naming what to install when there is none.
    """
    import spacy

    names = [name for name in _pipelines() if name.startswith(f"{language}_")]
    if not names:
        raise CorpusError(
            f"no parser for {language!r} is installed",
            fix=f"install a spaCy pipeline whose name begins with {language}_, or give a treebank in CoNLL-U",
        )
    pipeline = spacy.load(names[0])
    sentences = []
    for number, document in enumerate(pipeline.pipe(texts), 1):
        for sentence in document.sents:
            offset = sentence.start
            nodes = tuple(
                Node(t.text, t.pos_, 0 if t.head.i == t.i else t.head.i - offset + 1, _relation(t.dep_))
                for t in sentence
            )
            sentences.append(Sentence(f"{number}-{offset}", sentence.text, nodes))
    return Treebank(f"{language} by {names[0]}", tuple(sentences), ())


def _relation(label: str) -> str:
    return label.lower().split(":")[0]
