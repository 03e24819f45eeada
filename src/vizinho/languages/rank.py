"""Ranks donors by votes of measures, and weighs the votes by what transfers have shown.

A vote orders two donors by one measure; how far it is won depends on how sure the order is. A donor's score is the
weighted share of votes it wins against the other donors, counted only where both have the measure: a gap neither helps
nor harms. On fewer than LEAST_VOTES votes no score is given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vizinho.languages.measures import LevelResult, Measure

VOTES: tuple[tuple[str, str, float], ...] = (
    ("syntax", "triple_divergence", 2.0),
    ("sounds", "lookalike_distance", 2.0),
    ("acoustics", "token_similarity", 1.5),
    ("vocabulary", "exact_share", 1.5),
    ("map", "family_distance", 1.0),
    ("spelling", "cross_entropy", 0.75),
    ("spelling", "text_cross_entropy", 0.75),
    ("typology", "grammar_distance", 0.5),
    ("map", "kilometres", 0.25),
    ("typology", "sound_pattern_distance", 0.25),
)
"""(level, measure, weight): as published work found them to predict the benefit of donors, but for two that the atlas
found otherwise: recordings (4 there) less, the sound of look-alikes (1 there) more (docs/atlas.md)."""
LEAST_VOTES = 3
"""Votes below which no score is given."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What one measure says about one donor."""

    level: str
    name: str
    weight: float
    value: float | None
    """None: a gap."""
    nearness: float | None
    """0 at the chance floor, 1 at the ceiling."""
    won: float | None
    """Mean probability of being nearer than another donor with this measure. None: a gap, or no other donor."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A donor, its score (0 to 1: the weighted share of votes won) and the votes behind it."""

    donor: str
    score: float | None
    """None where too few measures can be compared with another donor's."""
    votes: tuple[Vote, ...] = field(default=())

    @property
    def cast(self) -> int:
        """How many votes the score stands on: those that compare the donor with another one."""
        return sum(v.won is not None for v in self.votes)

    @property
    def gaps(self) -> tuple[str, ...]:
        """Measures that could not vote."""
        return tuple(f"{v.level}/{v.name}" for v in self.votes if v.value is None)


def rank(
    results: Mapping[str, Sequence[LevelResult]],
    votes: Sequence[tuple[str, str, float]] = VOTES,
    least: int = LEAST_VOTES,
) -> tuple[Ranked, ...]:
    """Donors from the nearest to the farthest; `results` has the levels of each donor, by donor.

    A donor that fewer than `least` votes compare with another one has no score and comes last.
    """
    by_donor = {donor: {(m.level, m.name): m for r in levels for m in r.measures} for donor, levels in results.items()}
    ranked = [
        _ranked(donor, own, [other for name, other in by_donor.items() if name != donor], votes, least)
        for donor, own in by_donor.items()
    ]
    return tuple(sorted(ranked, key=lambda r: (r.score is None, -(r.score or 0.0), r.donor)))


def order(ranking: Sequence[Ranked]) -> str:
    """How donors are ordered, in words."""
    unscored = [r.donor for r in ranking if r.score is None]
    if not unscored:
        return "nearest first"
    few = f"fewer than {LEAST_VOTES} votes"
    if len(unscored) == len(ranking):
        return f"not ranked: {few} compare them"
    return f"nearest first; not ranked ({few}): {', '.join(unscored)}"


def _ranked(
    donor: str,
    own: Mapping[tuple[str, str], Measure],
    others: Sequence[Mapping[tuple[str, str], Measure]],
    votes: Sequence[tuple[str, str, float]],
    least: int,
) -> Ranked:
    cast, won, possible = [], 0.0, 0.0
    for level, name, weight in votes:
        measure = own.get((level, name))
        if measure is None:
            cast.append(Vote(level, name, weight, value=None, nearness=None, won=None))
            continue
        rivals = [other[level, name] for other in others if (level, name) in other]
        # Each rival is beaten with a probability, so that a lead within the noise is half a win.
        wins = sum(_wins(measure, rival) for rival in rivals)
        won, possible = won + weight * wins, possible + weight * len(rivals)
        share = wins / len(rivals) if rivals else None
        cast.append(Vote(level, name, weight, measure.value, measure.nearness, share))
    # A vote without a rival orders nothing.
    enough = sum(v.won is not None for v in cast) >= least
    return Ranked(donor, won / possible if enough else None, tuple(cast))


def _wins(measure: Measure, rival: Measure) -> float:
    """Probability that a donor is nearer than its rival, by the intervals of both; 1/2 where nothing is shown.

    Values are compared by their place between chance and ceiling: chance differs between donors with lists of words of
    different lengths or scripts. Both places are taken as normal, so that their difference is normal too, with the sum
    of their variances.
    """
    lead = measure.nearness - rival.nearness
    spread = math.hypot(_deviation(measure), _deviation(rival))
    if spread == 0.0:
        return 0.5 if lead == 0.0 else float(lead > 0)
    # The normal distribution's share below lead / spread.
    return 0.5 * (1 + math.erf(lead / spread / math.sqrt(2)))


def _deviation(measure: Measure) -> float:
    """Standard deviation of the nearness, from the value's 95 % interval; 0 for a fact."""
    span = abs(measure.ceiling - measure.floor)
    if measure.interval is None or span == 0.0:
        return 0.0
    return (measure.interval[1] - measure.interval[0]) / (2 * 1.96) / span
