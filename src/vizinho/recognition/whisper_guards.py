"""What tells Whisper's good texts from loops and inventions, and which of several texts of one piece to take.

The thresholds and the order are those of Radford et al. 2022 (arXiv 2212.04356, section 4.5).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vizinho.errors import SpecError

_TOKENS_AT_LEAST = 16


@dataclass(frozen=True, slots=True)
class Guards:
    """Thresholds; None switches a guard off."""

    least_speech: float | None = 0.2
    """Probability of speech, by Silero's detector, that audio must reach somewhere to be decoded at all. 1632 clips of
    17 languages reach .55 or more, noise, hum and clicks .11 at most."""
    most_compression: float | None = 2.4
    """A text that zlib makes smaller than this many times repeats itself."""
    least_log_prob: float | None = -1.0
    """Mean log-probability of its tokens (nats) below which a text is a guess, and not written where nobody speaks."""
    most_no_speech: float | None = 0.6
    """Probability of <|nospeech|> above which nobody speaks."""
    redraft_below: float | None = None
    """Mean log-probability below which a text has a fault. Off: with -1.0, the original's, single words are drafted
    again for nothing (47 Portuguese words by Whisper base: CER .328 with and without, in 139 s instead of 85)."""
    tokens_per_second: float | None = 20.0
    """More tokens than this, and a few for short audio, are more than anybody says: decoding ends there. In recordings
    of 38 languages the most are 34 in 1.7 s (Punjabi, written in single bytes)."""

    def __post_init__(self) -> None:
        if self.tokens_per_second is not None and self.tokens_per_second <= 0.0:
            raise SpecError("must be more than 0", where="tokens_per_second", fix="use None for no limit")

    def limit(self, seconds: float, most: int) -> int:
        """Tokens that audio of this length may have, at most `most`."""
        return (
            most
            if self.tokens_per_second is None
            else min(most, int(_TOKENS_AT_LEAST + self.tokens_per_second * seconds))
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """One text that a network wrote for a piece of audio."""

    tokens: tuple[int, ...]
    """Without special ones."""
    text: str
    log_prob: float
    """Mean over the tokens and the end."""
    no_speech: float
    """Probability of <|nospeech|> before the first token."""
    is_cut: bool = False
    """Whether decoding ended at its limit, not by itself."""


def is_silence(draft: Draft, guards: Guards) -> bool:
    """Whether a text was written into silence: the network says that nobody speaks, and guesses."""
    if guards.most_no_speech is None or draft.no_speech <= guards.most_no_speech:
        return False
    return guards.least_log_prob is None or draft.log_prob < guards.least_log_prob


def fault(draft: Draft, guards: Guards) -> str:
    """Why a text should not be taken; empty for a good one."""
    if draft.is_cut and guards.tokens_per_second is not None:
        return "too long"
    if guards.most_compression is not None and compression(draft.text) > guards.most_compression:
        return "repeats itself"
    if guards.redraft_below is not None and draft.log_prob < guards.redraft_below:
        return "unlikely"
    return ""


def best(drafts: Sequence[Draft], guards: Guards) -> Draft:
    """Of texts that all have a fault the likeliest that neither repeats itself nor is cut.

    Where there is none, the one that repeats itself least, without its repetitions.
    """
    whole = [d for d in drafts if fault(d, guards) in ("", "unlikely")]
    if whole:
        return max(whole, key=lambda d: d.log_prob)
    least = min(drafts, key=lambda d: compression(d.text))
    return replace(least, tokens=unrepeated(least.tokens))


def unrepeated(tokens: tuple[int, ...]) -> tuple[int, ...]:
    """Tokens without loops: of a group three times in a row or more the first stays."""
    result: list[int] = []
    at = 0
    while at < len(tokens):
        size, times = max(
            ((size, _times(tokens, at, size)) for size in range(1, (len(tokens) - at) // 3 + 1)),
            key=lambda group: group[0] * group[1] if group[1] >= 3 else 0,
            default=(1, 1),
        )
        size, times = (size, times) if times >= 3 else (1, 1)
        result += tokens[at : at + size]
        at += size * times
    return tuple(result)


def _times(tokens: tuple[int, ...], at: int, size: int) -> int:
    """How many times in a row the group of `size` tokens from `at` stands there."""
    times = 1
    while tokens[at + times * size : at + (times + 1) * size] == tokens[at : at + size]:
        times += 1
    return times


def compression(text: str) -> float:
    """How many times smaller zlib makes a text."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))
