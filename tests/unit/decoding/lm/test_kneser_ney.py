import gzip
import math
import os
import random
import shutil
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.decoding.lm.arpa import Arpa
from vizinho.decoding.lm.counts import END, START, UNKNOWN, Collector
from vizinho.decoding.lm.kneser_ney import estimate
from vizinho.errors import TextError

WORDS = st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=6), min_size=1, max_size=12)
IRSTLM = Path("/usr/lib/irstlm")


def counted(sentences, order, weights=None, **options):
    collector = Collector()
    for i, sentence in enumerate(sentences):
        collector.add(sentence, weights[i] if weights else 1)
    return collector.count(order, **options)


def in_memory(model):
    return Arpa(tuple({n: (p, b) for n, p, b in rows} for rows in model.ngrams()))


@given(WORDS, st.integers(1, 4), st.integers(0, 2), st.sampled_from([None, 2]))
def test_the_probabilities_of_every_context_sum_to_one(sentences, order, prune, vocabulary):
    arpa = in_memory(estimate(counted(sentences, order, vocabulary=vocabulary), prune=prune))
    contexts = [c.split() for table in arpa.tables for c in table if not c.endswith(END)]
    for context in [[], ["never seen"], ["a", "never seen"], *contexts]:
        total = sum(10 ** arpa.log10_probability(w, context) for w in arpa.vocabulary if w != START)
        assert total == pytest.approx(1.0, abs=1e-9), context


@given(WORDS, st.integers(2, 4))
def test_an_unseen_ngram_costs_its_contexts_weight(sentences, order):
    arpa = in_memory(estimate(counted(sentences, order)))
    for context, (_, weight) in arpa.tables[order - 2].items():
        for unit in "abcd":
            history = context.split()
            if f"{context} {unit}" not in arpa.tables[order - 1] and history[-1] != END:
                shorter = arpa.log10_probability(unit, history[1:])
                assert arpa.log10_probability(unit, history) == pytest.approx(weight + shorter, abs=1e-12)


@given(WORDS, st.lists(st.integers(1, 3), min_size=12, max_size=12))
def test_a_weight_is_as_good_as_repeating_the_line(sentences, weights):
    repeated = [s for s, w in zip(sentences, weights, strict=False) for _ in range(w)]
    ours, theirs = in_memory(estimate(counted(sentences, 3, weights))), in_memory(estimate(counted(repeated, 3)))
    assert ours.tables == theirs.tables


def reference(sentences, order):
    """The same smoothing from its formulas, n-gram by n-gram, without arrays: P(unit, context)."""
    raw = [Counter() for _ in range(order + 1)]
    for sentence in sentences:
        padded = [START, *sentence, END]
        for n in range(1, order + 1):
            raw[n].update(tuple(padded[i : i + n]) for i in range(len(padded) - n + 1))
    counts = [Counter() for _ in range(order + 1)]
    for n in range(1, order + 1):
        before = defaultdict(set)
        for longer in raw[n + 1] if n < order else ():
            before[longer[1:]].add(longer[0])
        for ngram, count in raw[n].items():
            counts[n][ngram] = count if n == order or ngram[0] == START else len(before[ngram])
    del counts[1][(START,)]
    discounts = [(0.0, 0.0, 0.0)]
    for n in range(1, order + 1):
        n1, n2, n3, n4 = (sum(c == k for c in counts[n].values()) for k in (1, 2, 3, 4))
        found = (0.5, 1.0, 1.5)
        if n1 and n2 and n3:
            y = n1 / (n1 + 2 * n2)
            made = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
            found = made if all(0 < d <= k for d, k in zip(made, (1, 2, 3), strict=True)) else found
        discounts.append(found)
    vocabulary = {w for (w,) in counts[1]} | {UNKNOWN}

    def probability(unit, context):
        n = len(context) + 1
        after = {g: c for g, c in counts[n].items() if g[:-1] == tuple(context)}
        shorter = 1 / len(vocabulary) if n == 1 else probability(unit, context[1:])
        if not after:
            return shorter
        total = sum(after.values())
        taken = {g: max(c - discounts[n][min(c, 3) - 1], 0) for g, c in after.items()}
        return taken.get((*context, unit), 0) / total + (1 - sum(taken.values()) / total) * shorter

    return vocabulary, probability


@given(WORDS, st.integers(1, 3))
def test_agrees_with_the_formulas(sentences, order):
    arpa = in_memory(estimate(counted(sentences, order)))
    vocabulary, probability = reference(sentences, order)
    assert set(arpa.vocabulary) == vocabulary | {START}
    for context in [[], [START], ["a"], [START, "a"], ["a", "b"], ["d", "d"]]:
        history = context[max(0, len(context) - order + 1) :]
        for unit in vocabulary:
            assert 10 ** arpa.log10_probability(unit, context) == pytest.approx(probability(unit, history), abs=1e-9)


def test_discounts_of_a_large_text_are_estimated_and_of_few_letters_not():
    rng = random.Random(1)
    zipf = [f"w{int(rng.paretovariate(0.8))}" for _ in range(5000)]
    assert estimate(counted([zipf], 2)).fallback_orders == ()
    assert estimate(counted([list("abab")], 2)).fallback_orders == (1, 2)


def test_rare_units_become_unknown():
    counts = counted([["a", "a", "a", "b", "b", "c"]], 2, vocabulary=2)
    assert counts.vocabulary == (UNKNOWN, START, END, "a", "b")
    assert (counts.units, counts.unknown) == (7, 1)
    arpa = in_memory(estimate(counts))
    assert arpa.log10_probability("c", ["b"]) == arpa.log10_probability(UNKNOWN, ["b"])


def test_markers_inside_a_text_are_no_markers():
    counts = counted([["a", END, START, "a"]], 2)
    assert counts.unknown == 2


def test_units_of_an_alphabet_are_known_though_unseen():
    arpa = in_memory(estimate(counted([["a"]], 2, known="abç")))
    assert "ç" in arpa and arpa.log10_probability("ç", []) == arpa.log10_probability("b", [])


@pytest.mark.parametrize(("order", "sentences"), [(0, [["a"]]), (7, [["a"]]), (2, []), (2, [[]])])
def test_no_text_and_impossible_orders_are_refused(order, sentences):
    with pytest.raises(TextError):
        counted(sentences, order)


@pytest.fixture(scope="module")
def irstlm(tmp_path_factory):
    """A text and what IRSTLM makes of it: n-gram counts of order 3, and its highest order with back-off weights."""
    if not shutil.which(str(IRSTLM / "bin" / "build-lm.sh")):
        pytest.skip("IRSTLM is not installed (Debian: irstlm)")
    folder, rng = tmp_path_factory.mktemp("irstlm"), np.random.default_rng(3)
    ranks = np.arange(1, 2001)
    text = [f"w{r}" for r in rng.choice(ranks, size=40_000, p=(1 / ranks) / (1 / ranks).sum())]
    (folder / "text").write_text(f"{START} {' '.join(text)} {END}\n")
    environment = {**os.environ, "IRSTLM": str(IRSTLM), "PATH": f"{IRSTLM}/bin:{os.environ['PATH']}"}
    script = (
        'build-lm.sh -i "cat text" -n 3 -o lm.gz -k 1 -s improved-shift-beta -t parts && '
        'dict -i="cat text" -o=words -sort=no && split-dict.pl --input words --output dict. --parts 1 && '
        'ngt -i="cat text" -n=3 -gooout=y -o=counts -fd=dict.000'
    )
    subprocess.run(["bash", "-c", script], cwd=folder, env=environment, check=True, capture_output=True)
    return text, folder


def test_counts_agree_with_irstlm(irstlm):
    text, folder = irstlm
    theirs = {}
    for line in (folder / "counts").read_text().splitlines():
        *ngram, count = line.split()
        if ngram[:2] != [START, START] and END not in ngram[:2]:  # its padding before, and what runs past the end
            theirs[" ".join(ngram)] = int(count)
    counts = counted([text], 3)
    texts = [ngram for ngram, _, _ in list(estimate(counts).ngrams())[2]]
    assert dict(zip(texts, counts.levels[2].count.tolist(), strict=True)) == theirs


def test_the_highest_order_agrees_with_irstlm(irstlm):
    """Its "improved shift beta" is modified Kneser-Ney whose lower orders keep their raw counts, so only the highest
    order can agree: its own share, (count - discount) / total, and the weight of its contexts. IRSTLM's discounts count
    three n-grams more (it pads with a second <s>), which moves them in the third decimal: hence the tolerance."""
    text, folder = irstlm
    arpa = in_memory(estimate(counted([text], 3)))
    theirs = {}
    with gzip.open(folder / "lm.gz", "rt") as file:
        for line in file:
            fields = line.rstrip("\n").split("\t")
            if len(fields) > 1 and fields[0].startswith("-"):  # n-grams of all orders; units joined by spaces
                theirs[fields[1].strip()] = [float(f) for f in (fields[0], *fields[2:])]
    compared, worst = 0, 0.0
    for ngram, (log10, _) in arpa.tables[2].items():
        *context, unit = ngram.split()
        weight = arpa.tables[1][" ".join(context)][1]
        own = 10**log10 - 10 ** (weight + arpa.log10_probability(unit, context[1:]))
        if context[0] == START or unit == END:
            continue
        worst = max(worst, abs(math.log10(own) - theirs[ngram][0]), abs(weight - theirs[" ".join(context)][1]))
        compared += 1
    assert compared > 20_000 and worst < 3e-3
