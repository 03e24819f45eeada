"""How alike two languages sound in recordings: the distributions of acoustic units that recur in their speech.

Acoustic-token distribution similarity (ATDS; San et al. 2024, arXiv 2402.02302): clusters and units are learnt on the
target's speech, both languages are written in them, and the frequencies of the units are compared by their cosine.
One thing is added. Counts are noisy, which lowers a plain cosine the more the less speech there is; here the norms come
from pairs of different utterances, so that the amount of speech does not move the value (as in Morisita's index, 1959).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.corpora.manifest import read_manifest
from vizinho.errors import AudioError, CorpusError
from vizinho.languages.levels.acoustic_tokens import (
    Array,
    Frames,
    Tokeniser,
    TokenSettings,
    learn_tokens,
    mfcc_frames,
    normalise_by_speaker,
    shuffled_runs,
)
from vizinho.languages.levels.sampling import centred_interval
from vizinho.languages.measures import Gap, Kind, LevelResult, by_donor
from vizinho.languages.sources import Inputs
from vizinho.records import Utterance
from vizinho.text.language import Language

LEVEL = "acoustics"
LEAST_SECONDS = 20.0
"""Less speech than this has too few sounds to say anything about a language."""
SPEAKERS_TO_RESAMPLE = 5
"""With as many speakers on both sides the interval resamples speakers, else utterances."""
RESAMPLES = 200
FITS = 3
"""Clusterings from different starts that are averaged: one start or another moves the value by about .01."""
SHUFFLES = 3
SHOWN_UNITS = 12
_BATCH = 32
_SIMILARITY = Kind(
    LEVEL,
    "token_similarity",
    "Similarity of the sounds that recur in recordings (acoustic-token distributions)",
    "higher",
    source="ATDS, San et al. 2024 (arXiv 2402.02302); norms corrected for the amount of speech",
)
_HALVES = "halves of the target's utterances, the same people in both"
Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Speech:
    """The recordings of one language that are compared: frames (T, F) by utterance, and what could not be read."""

    language: Language
    utterances: tuple[Utterance, ...]
    frames: tuple[Array, ...]
    skipped: tuple[str, ...]

    def part(self, rows: Sequence[int]) -> Speech:
        """Some of the utterances."""
        utterances = tuple(self.utterances[i] for i in rows)
        return replace(self, utterances=utterances, frames=tuple(self.frames[i] for i in rows))

    @property
    def seconds(self) -> float:
        """Length of the recordings, pauses included."""
        return sum(u.duration_seconds for u in self.utterances)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Speaker of each utterance."""
        return tuple(u.speaker for u in self.utterances)


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two samples of speech in units learnt from the target's: counts (S, K) by utterance."""

    tokens: Tokeniser
    target: Counts
    target_speakers: tuple[str, ...]
    runs: tuple[npt.NDArray[np.int64], ...]
    """The donor's utterances as runs of clusters."""
    donor: Counts
    donor_speakers: tuple[str, ...]
    seconds: float
    """Length of the shorter sample."""

    @property
    def value(self) -> float:
        return similarity(self.target, self.donor)

    def chance(self, rng: np.random.Generator) -> float:
        """The value when the donor's sounds come in random order."""
        shuffled = [self.tokens.counts(shuffled_runs(self.runs, rng)) for _ in range(SHUFFLES)]
        return float(np.mean([similarity(self.target, counts) for counts in shuffled]))

    @property
    def has_speakers(self) -> bool:
        """Whether there are enough speakers to resample them."""
        return min(len(set(self.target_speakers)), len(set(self.donor_speakers))) >= SPEAKERS_TO_RESAMPLE

    def resampled(self, rng: np.random.Generator) -> Counts:
        """Values when speakers (or utterances, where there are few speakers) are drawn with replacement, (R,)."""
        groups: Sequence[Sequence[Any]] = (self.target_speakers, self.donor_speakers)
        if not self.has_speakers:
            groups = (range(len(self.target)), range(len(self.donor)))
        return _similarities(self.target, self.donor, *(_weights(g, rng) for g in groups))


@dataclass(frozen=True, slots=True)
class _Target:
    """What is learnt once from the target and serves every donor."""

    speech: Speech
    fits: tuple[tuple[Tokeniser, Counts], ...]
    """Units learnt FITS times, and the counts of the target's utterances in them."""
    halves: tuple[_Pair, ...]
    """Each half of the target's speech with the other as its donor, FITS times: the ceiling."""

    @property
    def ceiling(self) -> float:
        return float(np.mean([pair.value for pair in self.halves]))


def compare_acoustics(
    target: Language,
    donors: Sequence[Language],
    inputs: Inputs,
    *,
    frames: Frames = mfcc_frames,
    settings: TokenSettings | None = None,
) -> Iterator[LevelResult]:
    """Compare recordings of the target with those of each donor.

    At most `minutes` of each language are used, drawn at random from every split but "test", and as much of the target
    as there is of the donor. `frames` turns audio files into frames (T, F), such as an encoder's; the default is MFCC.
    A missing manifest, a malformed one or too little speech is a gap; recordings that cannot be read are left out and
    named in a gap.
    """

    settings = settings or TokenSettings(seed=inputs.seed)

    @cache
    def own() -> _Target:  # learnt when the first donor turns out to have recordings
        return _learn(_speech(target, inputs, frames), inputs.seed, settings)

    def against(_: None, donor: Language) -> LevelResult:
        path, learnt = _manifest(donor, inputs).resolve(), own()
        if path == _manifest(target, inputs).resolve():
            # One set of recordings on both sides would say nothing: its halves are compared.
            return _compared(learnt, None, learnt.halves, inputs.seed)
        other = _speech(donor, inputs, frames)
        return _compared(learnt, other, _pairs(learnt, other), inputs.seed)

    return by_donor(LEVEL, donors, lambda: None, against)


def _manifest(language: Language, inputs: Inputs) -> Path:
    path = inputs.recordings(language)
    if path is None:
        fix = f"give a manifest of recordings for {language.code}"
        raise CorpusError(f"no recordings of {language.code}", fix=fix)
    if not path.is_file():
        raise CorpusError("no such manifest of recordings", where=path, fix="check the path of the JSONL file")
    return path


def similarity(target: Counts, donor: Counts) -> float:
    """Cosine of unit frequencies from counts by utterance, (S, K) and (S', K), corrected for the noise of counting.

    NaN where no unit occurs in two utterances of a side.
    """
    return float(_similarities(target, donor, np.ones((1, len(target))), np.ones((1, len(donor))))[0])


def plain_cosine(target: Counts, donor: Counts) -> float:
    """Cosine of unit frequencies as in the paper: it falls with the amount of speech."""
    a, b = target.sum(axis=0), donor.sum(axis=0)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def _similarities(target: Counts, donor: Counts, weights: Counts, donor_weights: Counts) -> Counts:
    """`similarity` for R weightings of the utterances, (R, S) and (R, S'), at once: (R,)."""
    a, b = weights @ target, donor_weights @ donor  # (R, K): unit counts of each weighting
    norms = _squared_norms(target, weights, a) * _squared_norms(donor, donor_weights, b)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((a * b).sum(axis=1) / np.sqrt(norms))


def _squared_norms(counts: Counts, weights: Counts, sums: Counts) -> Counts:
    """Squared norm of the expected counts, from pairs of different utterances only: their noise is independent.

    |sum of w c|^2 holds each utterance with itself, whose noise adds up; w^2 |c|^2 takes these pairs out, and what is
    left is scaled from the pairs that remain to all pairs.
    """
    own = (weights**2) @ (counts**2).sum(axis=1)  # (R,)
    everything = weights.sum(axis=1) ** 2  # all pairs of utterances, each with itself included
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(((sums**2).sum(axis=1) - own) * everything / (everything - (weights**2).sum(axis=1)))


def _pairs(own: _Target, donor: Speech) -> tuple[_Pair, ...]:
    rows = _as_long(own.speech, donor.seconds)
    part = own.speech.part(rows)
    return tuple(_pair(tokens, counts[rows], part, donor) for tokens, counts in own.fits)


def _pair(tokens: Tokeniser, counts: Counts, own: Speech, other: Speech) -> _Pair:
    runs = tuple(tokens.runs(f) for f in other.frames)
    seconds = min(own.seconds, other.seconds)
    return _Pair(tokens, counts, own.speakers, runs, tokens.counts(runs), other.speakers, seconds)


def _compared(own: _Target, donor: Speech | None, pairs: Sequence[_Pair], seed: int) -> LevelResult:
    value = float(np.mean([pair.value for pair in pairs]))
    rng = np.random.default_rng([seed, 10])
    floor = float(np.mean([pair.chance(rng) for pair in pairs]))
    # The same utterances are drawn for every fit, else their average would hide how much depends on the utterances.
    resampled = np.mean([pair.resampled(np.random.default_rng([seed, 11])) for pair in pairs[:FITS]], axis=0)
    resampled = resampled[np.isfinite(resampled)]  # NaN where a draw has one utterance alone
    if not np.isfinite([value, floor, own.ceiling]).all() or not resampled.size:
        raise CorpusError("too few sounds recur in the recordings", fix="give more speech of both languages")
    over = "speakers" if pairs[0].has_speakers else "utterances"
    sample = round(min(pair.seconds for pair in pairs)), f"seconds of speech of each; interval over {over}"
    interval = centred_interval(value, resampled)
    measure = _SIMILARITY.measure(value, floor=floor, ceiling=(own.ceiling, _HALVES), sample=sample, interval=interval)
    evidence = _evidence(own.speech, donor, pairs[0])
    gaps = [gap for speech in (own.speech, donor) if speech is not None for gap in _skipped(speech)]
    return LevelResult(LEVEL, (measure,), tuple(gaps), evidence)


def _weights(groups: Sequence[Any], rng: np.random.Generator) -> Counts:
    """How often each utterance is drawn, (R, S), when its group (speaker, or itself) is drawn with replacement."""
    column = {g: i for i, g in enumerate(dict.fromkeys(groups))}  # groups in the order they first occur
    drawn = rng.multinomial(len(column), np.full(len(column), 1 / len(column)), size=RESAMPLES)
    return np.asarray(drawn[:, [column[g] for g in groups]], dtype=np.float64)


def _as_long(speech: Speech, seconds: float) -> list[int]:
    """Rows of the target's utterances, in the order they were drawn in, that together are as long as the donor's."""
    until = np.cumsum([u.duration_seconds for u in speech.utterances])
    # The last utterance of either side is cut nowhere, so a little less than the whole is the whole.
    return list(range(max(4, int((until <= seconds * 1.02).sum()))))[: len(until)]


def _learn(speech: Speech, seed: int, settings: TokenSettings) -> _Target:
    starts = [replace(settings, seed=settings.seed + i) for i in range(FITS)]
    fits = tuple(_fit(speech, start) for start in starts)
    first, second = halves(speech.utterances, np.random.default_rng([seed, 12]))
    sides = speech.part(first), speech.part(second)
    # The computation for a donor, with each half of the target's speech as the donor of the other.
    ways = ((own, other, start) for own, other in (sides, sides[::-1]) for start in starts)
    return _Target(speech, fits, tuple(_pair(*_fit(own, start), own, other) for own, other, start in ways))


def _fit(speech: Speech, settings: TokenSettings) -> tuple[Tokeniser, Counts]:
    tokens = learn_tokens(speech.frames, settings)
    return tokens, tokens.counts([tokens.runs(f) for f in speech.frames])


def halves(utterances: Sequence[Utterance], rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """Indices of two halves of the utterances at random, with every speaker of two utterances or more in both.

    Halves of different speakers would be no ceiling: two people differ more than two languages may.
    """
    # Every other one of the utterances sorted by speaker: both halves get as many of each.
    order = sorted(rng.permutation(len(utterances)), key=lambda i: utterances[int(i)].speaker)
    return sorted(int(i) for i in order[::2]), sorted(int(i) for i in order[1::2])


def _speech(language: Language, inputs: Inputs, frames: Frames) -> Speech:
    """Frames of at most `minutes` of a manifest. Raises CorpusError for a bad manifest and for too little speech."""
    path = _manifest(language, inputs)
    everything = read_manifest(path)
    # A test set stays unseen, even without its texts: it must not choose the donor it later judges.
    pool = [u for u in everything if u.split != "test"] or everything
    chosen = in_turns(pool, 60 * inputs.minutes, np.random.default_rng([inputs.seed, 13]))
    utterances, features, skipped = _frames_of(chosen, frames)
    seconds = sum(u.duration_seconds for u in utterances)
    if seconds < LEAST_SECONDS or len(utterances) < 4:
        raise CorpusError(
            f"only {seconds:.0f} s of speech in {len(utterances)} recordings can be read"
            + (f"; the first that cannot: {skipped[0]}" if skipped else ""),
            where=path.name,
            fix=f"give at least {LEAST_SECONDS:.0f} s in 4 recordings",
        )
    normalised = normalise_by_speaker(features, [u.speaker for u in utterances])
    return Speech(language, tuple(utterances), tuple(normalised), tuple(skipped))


def in_turns(utterances: Sequence[Utterance], seconds: float, rng: np.random.Generator) -> list[Utterance]:
    """Utterances in random order, speakers taking turns so that no voice outweighs the others: at most `seconds`."""
    queues: dict[str, list[Utterance]] = {}
    for i in rng.permutation(len(utterances)):
        queues.setdefault(utterances[int(i)].speaker, []).append(utterances[int(i)])
    chosen: list[Utterance] = []
    left = seconds
    while queues:
        for speaker in list(queues):
            utterance = queues[speaker].pop()  # the queues are in random order already
            left -= utterance.duration_seconds
            if left < 0:
                return chosen
            chosen.append(utterance)
            if not queues[speaker]:
                del queues[speaker]
    return chosen


def _frames_of(chosen: Sequence[Utterance], frames: Frames) -> tuple[list[Utterance], list[Array], list[str]]:
    """Utterances with their frames, and "ID: reason" of those that cannot be read."""
    readable: list[tuple[Utterance, Array]] = []
    skipped: list[str] = []
    for start in range(0, len(chosen), _BATCH):
        batch = chosen[start : start + _BATCH]
        try:
            features: list[Array | None] = list(frames([u.audio for u in batch]))
        except AudioError:  # one of them; find out which
            features = [_frames_or_none(u, frames, skipped) for u in batch]
        for utterance, own in zip(batch, features, strict=True):
            if own is not None and np.isfinite(own).all() and len(own) >= 2:
                readable.append((utterance, own))
            elif own is not None:
                skipped.append(f"{utterance.id}: too short, or frames that are not numbers")
    return [u for u, _ in readable], [f for _, f in readable], skipped


def _frames_or_none(utterance: Utterance, frames: Frames, skipped: list[str]) -> Array | None:
    try:
        return frames([utterance.audio])[0]
    except AudioError as error:
        skipped.append(f"{utterance.id}: {error.what}")
        return None


def _skipped(speech: Speech) -> tuple[Gap, ...]:
    return Gap.skipped(LEVEL, "recordings", speech.language.code, speech.skipped, "run `vizinho corpus check`")


def _evidence(target: Speech, donor: Speech | None, pair: _Pair) -> dict[str, Any]:
    shares = [c.sum(axis=0) / max(1.0, c.sum()) for c in (pair.target, pair.donor)]
    names = pair.tokens.names
    longer = [int(i) for i in np.argsort(-(shares[0] + shares[1]), kind="stable") if " " in names[i]][:SHOWN_UNITS]
    notes = []
    if donor is None:
        notes.append("Both sides have the same recordings, so one half of them is compared with the other.")
    if not pair.has_speakers:
        notes.append(
            "Few speakers: how these people speak and were recorded counts as a difference between the languages, and"
            " the interval, over utterances, is too narrow."
        )
    return {
        "recordings": [row for speech in (target, donor) if speech is not None for row in _described(speech)],
        "notes": notes,
        "plain_cosine": plain_cosine(pair.target, pair.donor),
        "units": [{"unit": names[i], "target": float(shares[0][i]), "donor": float(shares[1][i])} for i in longer],
    }


def _described(speech: Speech) -> list[dict[str, Any]]:
    own: dict[str, list[float]] = {}
    for u in speech.utterances:
        own.setdefault(u.speaker, []).append(u.duration_seconds)
    return [
        {
            "language": speech.language.code,
            "speaker": speaker,
            "utterances": len(durations),
            "minutes": round(sum(durations) / 60, 2),
        }
        for speaker, durations in own.items()
    ]
