"""Which measures foretell the transfers of the atlas, and whether other weights of the votes would.

python examples/atlas/votes.py

Each target is left out once: weights are fitted to the other targets, and order the donors of the one left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.stats

from vizinho.languages.matrix import correlations, mean_over_targets
from vizinho.languages.measured import Measured, atlas
from vizinho.languages.predict import predict
from vizinho.languages.rank import VOTES, Ranked, Vote

NAMES = tuple(f"{level}/{name}" for level, name, _ in VOTES)
PUBLISHED = {f"{level}/{name}": weight for level, name, weight in VOTES}
PUBLISHED |= {"acoustics/token_similarity": 4.0, "sounds/lookalike_distance": 1.0}
"""By published predictors of the benefit, before the atlas."""
NOW = {f"{level}/{name}": weight for level, name, weight in VOTES}


def score(measured: Measured, weights: Mapping[str, float]) -> float:
    """The weighted mean nearness over the votes that a pair has."""
    shared = [name for name in NAMES if name in measured.nearness]
    return sum(weights[n] * measured.nearness[n] for n in shared) / max(sum(weights[n] for n in shared), 1e-9)


def spearman(transfers: Sequence[Measured], weights: Mapping[str, float]) -> float:
    """Of the score and the benefit over the donors of one target."""
    scores = [score(m, weights) for m in transfers]
    return float(scipy.stats.spearmanr(scores, [m.benefit for m in transfers]).statistic)


def fitted(transfers: Sequence[Measured], strength: float) -> dict[str, float]:
    """Published weights times each vote's own correlation to the power `strength`.

    A vote that the atlas knows nothing of, since it has no treebanks, is taken for one of average correlation.
    """
    own = {c.measure: max(c.value, 0.01) for c in correlations(transfers) if c.measure in NAMES}
    average = float(np.mean(list(own.values())))
    return {name: PUBLISHED[name] * own.get(name, average) ** strength for name in NAMES}


def ranked(measured: Measured) -> Ranked:
    """A donor with its votes, as `compare` gives it."""
    near = measured.nearness
    votes = [
        Vote(level, name, w, near.get(f"{level}/{name}"), near.get(f"{level}/{name}"), None) for level, name, w in VOTES
    ]
    return Ranked(measured.donor, None, tuple(votes))


def foretold(targets: Mapping[str, Sequence[Measured]]) -> None:
    """What `compare --predict` says of each target from the others, beside what was measured."""
    orders, misses, inside = [], [], []
    print("\n| target | method | correlation | mean error | inside the interval |\n|---|---|---|---|---|")
    for target, own in targets.items():
        prediction = predict([ranked(m) for m in own], [], target)
        pairs = [(prediction.expected[m.donor], m.benefit) for m in own if m.donor in prediction.expected]
        order = float(scipy.stats.spearmanr([p[0] for p, _ in pairs], [b for _, b in pairs]).statistic)
        missed = [abs(p[0] - b) for p, b in pairs]
        held = [low <= b <= high for (_, low, high), b in pairs]
        print(f"| {target} | {prediction.method} | {order:.2f} | {np.mean(missed):.3f} | {sum(held)} of {len(held)} |")
        orders.append(order)
        misses += missed
        inside += held
    low, high = mean_over_targets(orders)
    order = f"{np.mean(orders):.2f} [{low:.2f}, {high:.2f}]"
    print(f"| all | | {order} | {np.mean(misses):.3f} | {sum(inside)} of {len(inside)} |")


def main() -> None:
    transfers = atlas()
    targets = {t: [m for m in transfers if m.target == t] for t in dict.fromkeys(m.target for m in transfers)}
    print(
        "| measure | correlation with the benefit | apart from what the donor is worth | transfers |\n|---|---|---|---|"
    )
    for c in correlations(transfers):
        whole = f"{c.value:.2f} [{c.interval[0]:.2f}, {c.interval[1]:.2f}]"
        apart = f"{c.apart:.2f} [{c.apart_interval[0]:.2f}, {c.apart_interval[1]:.2f}]"
        print(f"| {c.measure} | {whole} | {apart} | {c.transfers} |")
    flat = dict.fromkeys(NAMES, 1.0)
    without = PUBLISHED | {"acoustics/token_similarity": 0.0}
    print("\n| weights of the votes, each target left out | correlation |\n|---|---|")
    ways = {
        "as published": lambda _: PUBLISHED,
        "as compare has them (chosen on these targets)": lambda _: NOW,
        "all alike": lambda _: flat,
        "without recordings": lambda _: without,
    }
    ways |= {f"by the atlas, power {p:g}": lambda others, p=p: fitted(others, p) for p in (1.0, 2.0)}
    for name, weights in ways.items():
        values = [
            spearman(own, weights([m for m in transfers if m.target != target])) for target, own in targets.items()
        ]
        low, high = mean_over_targets(values)
        print(f"| {name} | {np.mean(values):.2f} [{low:.2f}, {high:.2f}] |")
    print({name: round(w, 2) for name, w in fitted(transfers, 1.0).items()})
    foretold(targets)


if __name__ == "__main__":
    main()
