"""Hotwords: words and phrases that the speaker is likely to say, and how much they are favoured.

A phrase being written gains its boost letter by letter, so that it is not pruned half-way, and loses it when it turns
out to be another: only whole phrases between word boundaries keep it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vizinho.errors import TextError

DEFAULT_BOOST = 5.0
"""Nats: makes up for a letter with a probability of 1 % where another has 99 %."""


@dataclass(slots=True)
class _Place:
    """A node of the tree of phrases; letters and spaces lead to the next ones."""

    next: dict[str, _Place] = field(default_factory=dict)
    gained: float = 0.0
    """Largest part of its boost that a phrase through this node has gained so far."""
    boost: float = 0.0
    """Of the phrase that ends here."""


def read_hotwords(path: Path) -> dict[str, float]:
    """Phrases of a list, one a line: `phrase`, or `phrase TAB nats`; empty lines and those that begin with # are none.

    Raises TextError for a file that cannot be read, one without phrases, and nats that are no number.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise TextError(f"cannot be read ({error})", where=path, fix="give a text file in UTF-8") from error
    boosts: dict[str, float] = {}
    for number, line in enumerate(lines, start=1):
        phrase, _, nats = line.partition("\t")
        if not phrase.strip() or phrase.startswith("#"):
            continue
        try:
            boosts[phrase.strip()] = float(nats) if nats.strip() else DEFAULT_BOOST
        except ValueError as error:
            raise TextError(
                f"{nats!r} is not a number", where=f"{path}:{number}", fix="write PHRASE, tab, NATS"
            ) from error
    if not boosts:
        raise TextError("no phrases", where=path, fix="write one a line")
    return boosts


Boosting = tuple[_Place, ...]
"""Phrases being written: one that began at an earlier word, one at this word, ..."""


class Hotwords:
    """Phrases with their boosts; states are the phrases that may be going on."""

    def __init__(self, boosts: Mapping[str, float]) -> None:
        """Take normalised phrases. Raises TextError for an empty phrase or a boost that is not positive and finite."""
        self.boosts = {" ".join(phrase.split()): boost for phrase, boost in boosts.items()}
        self.words = frozenset(word for phrase in self.boosts for word in phrase.split())
        self._root = _Place()
        for phrase, boost in self.boosts.items():
            if not phrase or not 0 < boost < math.inf:  # an infinite boost would cancel every other score
                raise TextError(f"hotword {phrase!r} with boost {boost}", fix="give a word and a finite boost above 0")
            place = self._root
            for done, character in enumerate(phrase, start=1):  # each letter adds its share of the boost
                place = place.next.setdefault(character, _Place())
                place.gained = max(place.gained, boost * done / len(phrase))
            place.boost = boost

    def start(self) -> Boosting:
        """State before any word."""
        return (self._root,)

    def letter(self, state: Boosting, letter: str) -> tuple[Boosting, float]:
        """State and change of score when a letter is added to a word."""
        after = tuple(place.next[letter] for place in state if letter in place.next)
        return after, _gained(after) - _gained(state)

    def boundary(self, state: Boosting) -> tuple[Boosting, float]:
        """State and change of score when a word ends: whole phrases keep their boost, longer ones may go on."""
        whole = sum(place.boost for place in state)
        going_on = tuple(place.next[" "] for place in state if " " in place.next)
        # What was gained on the way is taken back; a whole phrase is paid its boost once instead.
        return (*going_on, self._root), whole + _gained(going_on) - _gained(state)

    def end(self, state: Boosting) -> float:
        """Change of score when the text ends after a word's boundary: unfinished phrases lose what they gained."""
        return -_gained(state)


def _gained(state: Boosting) -> float:
    return max((place.gained for place in state), default=0.0)
