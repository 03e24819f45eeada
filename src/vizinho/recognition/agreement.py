"""Which words of an utterance that goes on will not change: those that two decodings in a row agree on.

LocalAgreement-2 (Macháček et al. 2023, arXiv 2307.14743), for networks that decode the whole utterance every time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from vizinho.recognition.segments import untaken
from vizinho.records import Word

_OVERLAP = 5
"""Words that are looked for on both sides of the border where a decoding spells what is final otherwise."""


@dataclass(slots=True)
class Agreement:
    """What is known of one utterance."""

    _final: list[Word] = field(default_factory=list)
    _before: list[str] = field(default_factory=list)
    """Spelling of what the decoding before had after the final words."""

    @property
    def any(self) -> bool:
        """Whether some words are final."""
        return bool(self._final)

    def rest(self, words: Sequence[Word]) -> list[Word]:
        """The words of a new decoding that come after the final ones."""
        count = len(self._final)
        if _spelt(words[:count]) == _spelt(self._final):
            return list(words[count:])
        # Words that were given away are spelt otherwise now. Time says which they are, and spelling at the border.
        later = untaken(words, math.inf, self._final[-1])
        for size in range(min(_OVERLAP, len(later), count), 0, -1):
            if _spelt(later[:size]) == _spelt(self._final[-size:]):
                return later[size:]
        return later

    def agreed(self, words: Sequence[Word]) -> list[Word]:
        """The words that become final with a new decoding."""
        rest = self.rest(words)
        spelt = _spelt(rest)
        count = next((i for i, pair in enumerate(zip(spelt, self._before, strict=False)) if pair[0] != pair[1]), None)
        if count is None:
            count = min(len(spelt), len(self._before))
        self._before = spelt[count:]
        self._final += rest[:count]
        return rest[:count]


def _spelt(words: Sequence[Word]) -> list[str]:
    """Words without case and punctuation, which change to the end of a sentence."""
    return ["".join(c for c in word.text.casefold() if c.isalnum()) for word in words]
