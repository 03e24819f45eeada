"""The values that layers exchange: utterances in, transcripts and scores out.

Frozen dataclasses with units in the names. They become JSON only at the edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where an utterance was cut out of a long recording, and the tier of its transcript."""

    recording: Path
    start_seconds: float
    tier: str = ""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording and its text. `audio` is absolute; the manifest stores it relative to itself."""

    id: str
    audio: Path
    text: str
    lang: str
    speaker: str
    duration_seconds: float
    split: str
    accent: str = ""
    source: str = ""
    licence: str = ""
    variant: str = ""
    domain: str = ""
    events: str = ""
    """What the transcript names besides words, such as "[laugh]"."""
    confidence: float | None = None
    """Of a text that a model wrote, 0 to 1."""
    place: Place | None = None
    consent: str = ""
    """How the speaker agreed, in free words: a form's number, "oral, 2024"."""
    restrictions: tuple[str, ...] = ()
    """What the speech may not be used for (`vizinho.rights`)."""


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word with its place in the audio."""

    text: str
    start_seconds: float
    end_seconds: float
    confidence: float
    speaker: int | None = None
    """Counted from 1 in the order in which people begin to speak; None where they were not told apart."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Words spoken without a longer pause. `confidence` is the mean of the words' (0 to 1)."""

    start_seconds: float
    end_seconds: float
    text: str
    confidence: float
    words: tuple[Word, ...]

    @property
    def speaker(self) -> int | None:
        """Of its words."""
        return self.words[0].speaker if self.words else None


@dataclass(frozen=True, slots=True)
class Alternative:
    """One text that a beam search considered; scores in nats; `lm_score` is all of its own but the sound's."""

    text: str
    score: float
    lm_score: float
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a recogniser made of one file. `confidence` is the mean of the words' (0 to 1)."""

    id: str
    text: str
    words: tuple[Word, ...]
    confidence: float
    duration_seconds: float
    segments: tuple[Segment, ...] = ()
    """The words in groups; empty unless groups were asked for."""
    n_best: tuple[Alternative, ...] = ()
    """The best texts, the transcript's own first; empty unless they were asked for."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; both ends are rates in the unit of the measure."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class UtteranceErrors:
    """Edit counts of one utterance: the sufficient statistics of CER, WER and every resampling of them."""

    id: str
    speaker: str
    reference: str
    hypothesis: str
    character_errors: int
    characters: int
    word_errors: int
    words: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Corpus-level error rates (sums of edits over sums of reference lengths), with 95 % intervals.

    `signature` names everything that could change the number: normaliser, metric, resampling, seed, data fingerprint.
    """

    cer: float
    wer: float
    cer_ci: Interval
    wer_ci: Interval
    utterances: int
    signature: str
    errors: tuple[UtteranceErrors, ...]
