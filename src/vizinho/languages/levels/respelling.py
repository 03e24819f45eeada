"""How one spelling turns into another: rules learnt from cognates (after Khare et al. 2021).

Two spellings are aligned by their edits; each stretch that differs is counted with and without its neighbours and word
ends. A rule is kept when it holds for most of the donor words that have its left side.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

LEAST_COUNT = 4
"""Cognates that a rule must be seen in."""
LEAST_SHARE = 0.5
"""Share of the left side's occurrences that the rule must hold for."""
MARGIN = 0.08
"""How much more often a longer rule must hold than the shorter one inside it."""
_START, _END = "^", "$"
Segment = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """`donor` is respelt as `target`; ^ and $ stand for the ends of a word."""

    donor: str
    target: str
    count: int
    """Cognates in which the rule is seen."""
    share: float
    """Share of the occurrences of `donor` in the cognates for which it holds."""
    examples: tuple[tuple[str, str], ...]


def align(donor: str, target: str) -> list[Segment]:
    """Segments (donor part, target part): equal letters one by one, stretches that differ whole."""
    segments: list[Segment] = [(_START, _START)]
    for op in Levenshtein.opcodes(donor, target):
        part, other = donor[op.src_start : op.src_end], target[op.dest_start : op.dest_end]
        if op.tag == "equal":
            segments += [(c, c) for c in part]
        elif segments[-1][0] != segments[-1][1]:  # neighbouring edits are one stretch
            segments[-1] = (segments[-1][0] + part, segments[-1][1] + other)
        else:
            segments.append((part, other))
    return [*segments, (_END, _END)]


def learn_rules(pairs: Iterable[tuple[str, str]]) -> tuple[Rule, ...]:
    """Rules from (donor word, target word) pairs, the most frequent first."""
    words = list(pairs)
    counts: Counter[Segment] = Counter()
    examples: dict[Segment, list[tuple[str, str]]] = defaultdict(list)
    for donor, target in words:
        for window in set(_windows(align(donor, target))):  # a rule counts once for each word
            counts[window] += 1
            if len(examples[window]) < 4:
                examples[window].append((donor, target))
    frequent = {window for window, n in counts.items() if n >= LEAST_COUNT}
    # A share is what the rule holds for, of all words with its left side, changed or not.
    occurrences = _occurrences([donor for donor, _ in words], {left for left, _ in frequent})
    shares = {w: counts[w] / max(occurrences[w[0]], counts[w]) for w in frequent}
    mostly = [w for w in sorted(frequent, key=lambda w: (len(w[0]), w)) if shares[w] >= LEAST_SHARE]
    windows = [w for w in mostly if not any(_says_the_same(w, shorter, shares) for shorter in mostly)]
    rules = [Rule(*w, counts[w], round(shares[w], 3), tuple(examples[w])) for w in windows]
    return tuple(sorted(rules, key=lambda r: (-r.count, r.donor, r.target)))


def _windows(segments: Sequence[Segment]) -> Iterable[Segment]:
    """Every stretch of one to three segments that has a difference in it, neighbours included."""
    for start in range(len(segments)):
        for end in range(start + 1, min(start + 3, len(segments)) + 1):
            part = segments[start:end]  # a difference alone, or with a letter on one side or on both
            left = "".join(a for a, _ in part)
            if any(a != b for a, b in part) and left.strip(_START + _END):
                yield left, "".join(b for _, b in part)


def _occurrences(words: Iterable[str], lefts: set[str]) -> Counter[str]:
    """In how many words each left side occurs."""
    lengths = sorted({len(left) for left in lefts})
    occurrences: Counter[str] = Counter()
    for word in words:
        text = f"{_START}{word}{_END}"
        occurrences.update({text[i : i + n] for n in lengths for i in range(len(text) - n + 1)} & lefts)
    return occurrences


def _says_the_same(rule: Segment, shorter: Segment, shares: dict[Segment, float]) -> bool:
    """Whether `shorter` is a part of `rule`, makes the same change and holds nearly as often."""
    if len(shorter[0]) >= len(rule[0]) or shorter[0] not in rule[0]:
        return False
    start = rule[0].find(shorter[0])
    changed = rule[0][:start] + shorter[1] + rule[0][start + len(shorter[0]) :]
    return changed == rule[1] and shares[rule] < shares[shorter] + MARGIN
