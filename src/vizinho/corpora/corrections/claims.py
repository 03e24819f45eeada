"""Who works on which utterance: one tab of a browser each, for as long as the tab reports."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

LEASE_SECONDS = 90.0
"""A tab reports every 15 s; browsers let tabs in the background report once a minute."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An utterance in somebody's hands."""

    tab: str
    who: str
    until: float


class Claims:
    """Claims in memory: after a restart every tab takes its utterance again with its next report."""

    def __init__(self, lease_seconds: float = LEASE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease_seconds, self._clock = lease_seconds, clock
        self._claims: dict[str, Claim] = {}

    def holder(self, utterance: str) -> Claim | None:
        """Who has an utterance now."""
        claim = self._claims.get(utterance)
        # Ended claims are dropped when somebody looks: there is nothing to run in the background.
        if claim is not None and claim.until <= self._clock():
            del self._claims[utterance]
            return None
        return claim

    def free(self, utterance: str, tab: str) -> bool:
        """Whether a tab may take an utterance: nobody else has it."""
        claim = self.holder(utterance)
        return claim is None or claim.tab == tab

    def take(self, utterance: str, tab: str, who: str) -> bool:
        """Give an utterance to a tab, or to have it for longer; its former one is free. False where another has it."""
        if not self.free(utterance, tab):
            return False
        # One at a time: a tab that goes on without leave must not keep two.
        self.leave(tab)
        self._claims[utterance] = Claim(tab, who, self._clock() + self._lease_seconds)
        return True

    def leave(self, tab: str) -> None:
        """Free what a tab has."""
        for utterance in [u for u, claim in self._claims.items() if claim.tab == tab]:
            del self._claims[utterance]

    def people(self) -> list[str]:
        """Names of those who work now, in alphabetical order."""
        return sorted({claim.who for utterance in list(self._claims) if (claim := self.holder(utterance)) is not None})
