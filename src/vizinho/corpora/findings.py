"""The single tests of the corpus check: what is measured of each utterance, and the findings that follow from it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vizinho.audio.io import SAMPLE_RATE, load_audio
from vizinho.corpora.pace import Pace, measure_pace
from vizinho.errors import AudioError, VizinhoError
from vizinho.records import Utterance
from vizinho.rights import no_consent, untrainable
from vizinho.text.normalize import Normalizer

QUARANTINE, WARNING = "quarantine", "warning"

FULL_SCALE = 0.999  # samples at least this loud count as clipped
CLIPPED_WARNING, CLIPPED_QUARANTINE = 0.01, 0.25
"""Shares of clipped samples. Loudly mastered speech has several per cent and is still good to train on."""
SILENT_PEAK = 1e-3  # a recording below -60 dB of full scale has no speech
DURATION_TOLERANCE_SECONDS = 0.1
MAX_LETTERS_PER_SECOND = 25.0  # nobody speaks faster: about nine syllables a second
FAST_LETTERS_PER_SECOND = 15.0  # below this rate a text fits its recording, even if it is unusual for the speaker
MIN_LETTERS_PER_SECOND = 0.5
PACE_WARNING, PACE_QUARANTINE = 3.5, 4.0
"""Robust z-scores of the speaker's own pace (Iglewicz and Hoaglin 1993 advise 3.5)."""
_BRACKETS = re.compile(r"[\[\](){}<>]")
_SPOKEN = frozenset({"Sc", "Nd", "Nl", "No", "Lu", "Ll", "Lt", "Lo", "Lm", "Cn", "Co"})
_EVALUATION = ("test", "dev")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with one utterance; severity is "quarantine" or "warning"."""

    id: str
    kind: str
    severity: str
    detail: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured of one utterance; `audio_error` and `text_error` say why something could not be measured."""

    utterance: Utterance
    text: str
    text_error: str
    lost: str
    """Characters that the normaliser drops although they may be heard."""
    audio_error: str
    digest: str
    seconds: float
    peak: float
    clipped: float

    @property
    def id(self) -> str:
        """The utterance's id."""
        return self.utterance.id

    @property
    def letters(self) -> int:
        """Characters of the normalised text without spaces."""
        return len(self.text.replace(" ", ""))


def measure(utterance: Utterance, normalizer: Normalizer) -> Facts:
    """Decode one recording and normalise its text; errors are recorded, not raised."""
    text, text_error, lost = "", "", ""
    try:
        read = normalizer.read(utterance.text)
        text, lost = read.text, read.lost
    except VizinhoError as error:
        text_error = str(error)
    audio_error, digest, seconds, peak, clipped = "", "", 0.0, 0.0, 0.0
    try:
        samples = np.abs(load_audio(utterance.audio))
        digest = hashlib.sha256(utterance.audio.read_bytes()).hexdigest()  # copies of a file are found by it
        seconds, peak = samples.size / SAMPLE_RATE, float(samples.max())
        clipped = float((samples >= FULL_SCALE).mean())
    except AudioError as error:
        audio_error = f"{error.what}: {utterance.audio}"
    return Facts(utterance, text, text_error, lost, audio_error, digest, seconds, peak, clipped)


def audio_findings(facts: Iterable[Facts]) -> Iterator[Finding]:
    """Unreadable, silent and clipped recordings, and wrong durations in the manifest."""
    for f in facts:
        if f.audio_error:
            yield Finding(f.id, "audio", QUARANTINE, f.audio_error)
            continue
        if f.peak < SILENT_PEAK:
            yield Finding(f.id, "silence", QUARANTINE, f"the loudest sample is {f.peak:.6f} of full scale")
        if f.clipped >= CLIPPED_WARNING:
            severity = QUARANTINE if f.clipped >= CLIPPED_QUARANTINE else WARNING
            yield Finding(f.id, "clipping", severity, f"{f.clipped:.1%} of the samples at full scale")
        if abs(f.seconds - f.utterance.duration_seconds) > DURATION_TOLERANCE_SECONDS:
            detail = f"manifest {f.utterance.duration_seconds:.3f} s, audio {f.seconds:.3f} s"
            yield Finding(f.id, "duration", WARNING, f"{detail}; the clean manifest has the measured one")


def text_findings(facts: Iterable[Facts], tokens: set[str] | None, frame_seconds: float) -> Iterator[Finding]:
    """Empty texts, signs that get lost, brackets, characters without a token, labels that do not fit the frames."""
    for f in facts:
        if f.text_error:
            yield Finding(f.id, "text", QUARANTINE, f.text_error)
            continue
        if not f.text.strip():
            yield Finding(f.id, "empty-text", QUARANTINE, f"nothing is left of {f.utterance.text!r}")
            continue
        if f.lost:
            spoken = any(_is_spoken(c) for c in f.lost)
            detail = (
                f"dropped, though it may be heard: {' '.join(f.lost)} of {f.utterance.text[:80]!r}; write it in words"
            )
            yield Finding(f.id, "signs", QUARANTINE if spoken else WARNING, detail)
        if _BRACKETS.search(f.utterance.text):
            yield Finding(f.id, "brackets", QUARANTINE, f"perhaps not spoken: {f.utterance.text[:80]!r}")
        unknown = set() if tokens is None else set(f.text) - tokens - {" "}
        if unknown:
            yield Finding(f.id, "characters", QUARANTINE, f"without a token: {' '.join(sorted(unknown))}")
        if not f.audio_error:
            yield from _label_finding(f, frame_seconds)


def _is_spoken(c: str) -> bool:
    """Whether a dropped character is surely read out: a currency, a fraction, a letter; not a star, a clock's colon."""
    return unicodedata.category(c) in _SPOKEN or c in "%&@#§‰°+=×÷−"


def _label_finding(f: Facts, frame_seconds: float) -> Iterator[Finding]:
    repeats = sum(a == b for a, b in zip(f.text, f.text[1:], strict=False))  # equal neighbours, such as rr
    frames = int(f.seconds / frame_seconds)
    # CTC needs a frame per letter and a blank between equal letters (Graves et al. 2006).
    if len(f.text) + repeats > frames:
        detail = f"{len(f.text)} characters and {repeats} repeats in {frames} frames"
        yield Finding(f.id, "label-too-long", QUARANTINE, detail)


def pace_findings(facts: Iterable[Facts]) -> Iterator[Finding]:
    """Texts that are too long or too short for their recordings, by absolute bounds and by the speaker's own pace."""
    usable = [f for f in facts if not f.audio_error and f.letters and f.seconds]
    paces = measure_pace(
        [f.letters for f in usable], [f.seconds for f in usable], [f.utterance.speaker for f in usable]
    )
    for f, pace in zip(usable, paces, strict=True):
        severity = _pace_severity(pace)
        if severity:
            detail = (
                f"{f.letters} letters in {f.seconds:.2f} s ({pace.letters_per_second:.1f} a second), "
                f"{pace.expected_seconds:.2f} s expected: {f.utterance.text[:80]!r}"
            )
            yield Finding(f.id, "pace", severity, detail)


def _pace_severity(pace: Pace) -> str:
    fast = pace.letters_per_second
    if fast > MAX_LETTERS_PER_SECOND or fast < MIN_LETTERS_PER_SECOND:
        return QUARANTINE
    if pace.score > PACE_QUARANTINE and fast > FAST_LETTERS_PER_SECOND:
        return QUARANTINE
    # Fewer letters than expected are mostly a pause or a spelt word, which does no harm.
    return WARNING if abs(pace.score) > PACE_WARNING else ""


def corpus_findings(facts: Sequence[Facts]) -> Iterator[Finding]:
    """Faults between utterances: duplicates, and speakers or texts on both sides of a split."""
    yield from _same_audio(facts)
    yield from _same_text(facts)
    yield from _leaks(facts, "speaker-leak", lambda f: f.utterance.speaker)
    yield from _leaks(facts, "text-leak", lambda f: f.text)
    for f in facts:
        if not f.utterance.split:
            yield Finding(f.id, "no-split", WARNING, "training takes only utterances of split train")
        if not f.utterance.speaker:
            yield Finding(f.id, "no-speaker", WARNING, "speaker leaks and scores per speaker cannot see it")
        # A test may be made on what is "not for training", but not without consent.
        if (f.utterance.split != "test" or no_consent(f.utterance)) and (reason := untrainable(f.utterance)):
            yield Finding(f.id, "rights", QUARANTINE, f"not to be trained on: {reason}")


def _same_audio(facts: Sequence[Facts]) -> Iterator[Finding]:
    for group in _groups(facts, lambda f: f.digest):
        if len({f.text for f in group}) > 1:  # at least one of the texts is wrong, and nobody knows which
            for f in group:
                others = ", ".join(g.id for g in group if g is not f)
                yield Finding(f.id, "duplicate-audio", QUARANTINE, f"same file as {others}, another text")
            continue
        # A copy in the test set stays before one in dev, and this before one in train, which must not see either.
        best = min(group, key=lambda f: _EVALUATION.index(f.utterance.split) if f.utterance.split in _EVALUATION else 2)
        for f in group:
            if f is not best:
                yield Finding(f.id, "duplicate-audio", QUARANTINE, f"same file as {best.id}, which stays")


def _same_text(facts: Sequence[Facts]) -> Iterator[Finding]:
    for group in _groups(facts, lambda f: f.text and f"{f.utterance.split}\n{f.utterance.speaker}\n{f.text}"):
        for f in group[1:]:
            yield Finding(f.id, "duplicate-text", WARNING, f"same speaker and text as {group[0].id}: {f.text[:80]!r}")


def _leaks(facts: Sequence[Facts], kind: str, key: Callable[[Facts], str]) -> Iterator[Finding]:
    for group in _groups(facts, key):
        splits = sorted({f.utterance.split for f in group})
        if len(splits) > 1:
            for f in group:
                if f.utterance.split in _EVALUATION:
                    others = ", ".join(s for s in splits if s != f.utterance.split)
                    yield Finding(f.id, kind, WARNING, f"{key(f)[:80]!r} is in {others} too")


def _groups(facts: Iterable[Facts], key: Callable[[Facts], str]) -> Iterator[list[Facts]]:
    groups: dict[str, list[Facts]] = defaultdict(list)
    for f in facts:
        if key(f):
            groups[key(f)].append(f)
    yield from (group for group in groups.values() if len(group) > 1)
