"""How alike two languages sound in recordings: the distributions of acoustic units that recur in their speech.

Acoustic-token distribution similarity (ATDS; San et al. 2024, arXiv 2402.02302): clusters and units are learnt on the
target's speech, both languages are written in them, and the frequencies of the units are compared by their cosine.
One thing is added. Counts are noisy, which lowers a plain cosine the more the less speech there is; here the norms come
from pairs of different utterances, so that the amount of speech does not move the value (as in Morisita's index, 1959).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.corpora.manifest import read_manifest
from vizinho.errors import AudioError, CorpusError, VizinhoError
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
from vizinho.languages.measures import Gap, LevelResult, Measure
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
MOST_NAMED = 5
_BATCH = 32
Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Speech:
    """The recordings of one language that are compared: frames (T, F) by utterance, and what could not be read."""

    utterances: tuple[Utterance, ...]
    frames: tuple[Array, ...]
    skipped: tuple[str, ...]

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
    """Two samples of speech in the units of the first."""

    tokens: Tokeniser
    mine: Counts
    my_speakers: tuple[str, ...]
    runs: tuple[npt.NDArray[np.int64], ...]
    yours: Counts
    your_speakers: tuple[str, ...]
    seconds: float
    """Length of the shorter sample."""

    @property
    def value(self) -> float:
        return similarity(self.mine, self.yours)

    def chance(self, rng: np.random.Generator) -> float:
        """The value when the second sample's sounds come in random order."""
        return float(
            np.mean([similarity(self.mine, self.tokens.counts(shuffled_runs(self.runs, rng))) for _ in range(SHUFFLES)])
        )

    @property
    def has_speakers(self) -> bool:
        """Whether there are enough speakers to resample them."""
        return min(len(set(self.my_speakers)), len(set(self.your_speakers))) >= SPEAKERS_TO_RESAMPLE

    def resampled(self, rng: np.random.Generator) -> Counts:
        """Values when speakers (or utterances, where there are few speakers) are drawn with replacement, (R,)."""
        groups = (
            (self.my_speakers, self.your_speakers)
            if self.has_speakers
            else (range(len(self.mine)), range(len(self.yours)))
        )
        return _similarities(self.mine, self.yours, *(_weights(list(g), rng) for g in groups))


@dataclass(frozen=True, slots=True)
class _Target:
    """What is learnt once from the target and serves every donor."""

    speech: Speech
    fits: tuple[tuple[Tokeniser, Counts], ...]
    """Units learnt FITS times, and the counts of the target's utterances in them."""
    halves: tuple[_Pair, ...]
    """Each half of the target's speech with the other as its donor, FITS times: the ceiling."""
    halves_of: str

    @property
    def ceiling(self) -> float:
        return float(np.mean([pair.value for pair in self.halves]))


def compare_acoustics(
    target: Language,
    donor: Language,
    speech: Mapping[str, Path],
    *,
    frames: Frames | None = None,
    minutes: float = 5.0,
    seed: int = 0,
    settings: TokenSettings | None = None,
) -> LevelResult:
    """Compare recordings of two languages; `speech` has a manifest for each language code.

    At most `minutes` of each language are used, drawn at random from every split but "test", and as much of the target
    as there is of the donor. `frames` turns audio files into frames (T, F), such as an encoder's; the default is MFCC.
    A missing manifest, a malformed one or too little speech is a gap; recordings that cannot be read are left out and
    named in a gap.
    """
    paths = {v.code: next((speech[c] for c in v.candidates if c in speech), None) for v in (target, donor)}
    missing = [code for code, path in paths.items() if path is None]
    if missing:
        fix = f"give a manifest of recordings for {' and '.join(missing)}"
        return LevelResult(LEVEL, gaps=(Gap(LEVEL, "*", f"no recordings of {' and '.join(missing)}", fix),))
    make, settings = frames or mfcc_frames, settings or TokenSettings(seed=seed)
    try:
        keys = [_key(path) for path in paths.values()]
        ours = _target(keys[0], minutes, seed, make, settings)
        # The same recordings on both sides would say nothing: one half of them is compared with the other.
        theirs = None if keys[0] == keys[-1] else _speech(keys[-1], minutes, seed, make)
    except VizinhoError as error:
        where = f"{Path(error.where).name}: " if error.where else ""
        return LevelResult(LEVEL, gaps=(Gap(LEVEL, "*", where + error.what, error.fix),))
    pairs = ours.halves if theirs is None else _pairs(ours, theirs)
    return _compared(target, donor, ours, theirs, pairs, seed)


def similarity(ours: Counts, theirs: Counts) -> float:
    """Cosine of unit frequencies from counts by utterance, (S, K) and (S', K), corrected for the noise of counting.

    NaN where no unit occurs in two utterances of a side.
    """
    return float(_similarities(ours, theirs, np.ones((1, len(ours))), np.ones((1, len(theirs))))[0])


def plain_cosine(ours: Counts, theirs: Counts) -> float:
    """Cosine of unit frequencies as in the paper: it falls with the amount of speech."""
    a, b = ours.sum(axis=0), theirs.sum(axis=0)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def _similarities(ours: Counts, theirs: Counts, weights: Counts, other: Counts) -> Counts:
    """`similarity` for R weightings of the utterances, (R, S) and (R, S'), at once."""
    a, b = weights @ ours, other @ theirs
    norms = _squared_norms(ours, weights, a) * _squared_norms(theirs, other, b)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((a * b).sum(axis=1) / np.sqrt(norms))


def _squared_norms(counts: Counts, weights: Counts, sums: Counts) -> Counts:
    """Squared norm of the expected counts, from pairs of different utterances only: their noise is independent."""
    own = (weights**2) @ (counts**2).sum(axis=1)
    everything = weights.sum(axis=1) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(((sums**2).sum(axis=1) - own) * everything / (everything - (weights**2).sum(axis=1)))


def _pairs(ours: _Target, theirs: Speech) -> tuple[_Pair, ...]:
    rows = _as_long(ours.speech, theirs.seconds)
    seconds = min(sum(ours.speech.utterances[i].duration_seconds for i in rows), theirs.seconds)
    speakers = tuple(ours.speech.speakers[i] for i in rows)
    made = []
    for tokens, counts in ours.fits:
        runs = tuple(tokens.runs(f) for f in theirs.frames)
        made.append(_Pair(tokens, counts[rows], speakers, runs, tokens.counts(runs), theirs.speakers, seconds))
    return tuple(made)


def _compared(
    target: Language,
    donor: Language,
    ours: _Target,
    theirs: Speech | None,
    pairs: Sequence[_Pair],
    seed: int,
) -> LevelResult:
    value = float(np.mean([pair.value for pair in pairs]))
    rng = np.random.default_rng([seed, 10])
    floor = float(np.mean([pair.chance(rng) for pair in pairs]))
    # The same utterances are drawn for every fit, else their average would hide how much depends on the utterances.
    resampled = np.mean([pair.resampled(np.random.default_rng([seed, 11])) for pair in pairs[:FITS]], axis=0)
    resampled = resampled[np.isfinite(resampled)]
    if not np.isfinite([value, floor, ours.ceiling]).all() or not resampled.size:
        reason = "too few sounds recur in the recordings"
        return LevelResult(LEVEL, gaps=(Gap(LEVEL, "*", reason, "give more speech of both languages"),))
    # Resampling adds noise of its own, which shifts the resamples; their spread is kept and the shift taken out.
    low, high = np.quantile(resampled - resampled.mean(), [0.025, 0.975]) + value
    over = "speakers" if pairs[0].has_speakers else "utterances"
    measure = Measure(
        LEVEL,
        "token_similarity",
        "Similarity of the sounds that recur in recordings (acoustic-token distributions)",
        value,
        "higher",
        round(min(pair.seconds for pair in pairs)),
        f"seconds of speech of each; interval over {over}",
        floor,
        ours.ceiling,
        ours.halves_of,
        (float(max(0.0, low)), float(high)),
        source="ATDS, San et al. 2024 (arXiv 2402.02302); norms corrected for the amount of speech",
    )
    gaps = _skipped(target, ours.speech) + (_skipped(donor, theirs) if theirs else ())
    evidence = _evidence(target, donor, ours, theirs, pairs[0])
    if value > ours.ceiling:
        evidence["notes"].append(
            "The donor's recordings are nearer to the target's than the target's own speakers are to each other: read"
            " the order of the donors, not the place between floor and ceiling."
        )
    return LevelResult(LEVEL, (measure,), gaps, evidence)


def _weights(groups: Sequence[Any], rng: np.random.Generator) -> Counts:
    """How often each utterance is drawn, (R, S), when its group (speaker, or itself) is drawn with replacement."""
    names = {g: i for i, g in enumerate(dict.fromkeys(groups))}
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
    return np.asarray(drawn[:, [names[g] for g in groups]], dtype=np.float64)


def _as_long(speech: Speech, seconds: float) -> list[int]:
    """Rows of the target's utterances, in the order they were drawn in, that together are as long as the donor's."""
    until = np.cumsum([u.duration_seconds for u in speech.utterances])
    # The last utterance of either side is cut nowhere, so a little less than the whole is the whole.
    return list(range(max(4, int((until <= seconds * 1.02).sum()))))[: len(until)]


@lru_cache(maxsize=4)
def _target(key: tuple[Path, int], minutes: float, seed: int, frames: Frames, settings: TokenSettings) -> _Target:
    speech = _speech(key, minutes, seed, frames)
    starts = [replace(settings, seed=settings.seed + i) for i in range(FITS)]
    fits = tuple(_fit(speech, start) for start in starts)
    first, second, of = speaker_halves(speech.utterances, np.random.default_rng([seed, 12]))
    ways = ((first, second), (second, first))
    return _Target(speech, fits, tuple(_half_pair(speech, *way, start) for way in ways for start in starts), of)


def _fit(speech: Speech, settings: TokenSettings) -> tuple[Tokeniser, Counts]:
    tokens = learn_tokens(speech.frames, settings)
    return tokens, tokens.counts([tokens.runs(f) for f in speech.frames])


def _half_pair(speech: Speech, ours: list[int], theirs: list[int], settings: TokenSettings) -> _Pair:
    """The same computation as for a donor, with half of the target's speech as the donor of the other half."""
    tokens = learn_tokens([speech.frames[i] for i in ours], settings)
    runs = tuple(tokens.runs(speech.frames[i]) for i in theirs)
    mine = tokens.counts([tokens.runs(speech.frames[i]) for i in ours])
    speakers = [tuple(speech.speakers[i] for i in half) for half in (ours, theirs)]
    seconds = min(sum(speech.utterances[i].duration_seconds for i in half) for half in (ours, theirs))
    return _Pair(tokens, mine, speakers[0], runs, tokens.counts(runs), speakers[1], seconds)


def speaker_halves(utterances: Sequence[Utterance], rng: np.random.Generator) -> tuple[list[int], list[int], str]:
    """Indices of two halves with no speaker in both, about as long as each other, and what they are, in words.

    One speaker alone is split by utterances at random: a ceiling that different people would not reach.
    """
    seconds: dict[str, float] = {}
    for u in utterances:
        seconds[u.speaker] = seconds.get(u.speaker, 0.0) + u.duration_seconds
    if len(seconds) < 2:
        order = [int(i) for i in rng.permutation(len(utterances))]
        middle = len(order) // 2
        return sorted(order[:middle]), sorted(order[middle:]), "halves of the utterances of the target's one speaker"
    sides: tuple[list[str], list[str]] = ([], [])
    for speaker in sorted(seconds, key=lambda s: (-seconds[s], s)):
        side = min(sides, key=lambda names: sum(seconds[n] for n in names))
        side.append(speaker)
    first, second = ([i for i, u in enumerate(utterances) if u.speaker in names] for names in sides)
    return first, second, f"the target's speakers in two groups ({len(sides[0])} and {len(sides[1])})"


def _key(path: Path | None) -> tuple[Path, int]:
    """A manifest and when it was written: what is computed from it is kept until it changes."""
    if path is None or not path.is_file():
        raise CorpusError("no such manifest of recordings", where=path or "", fix="check the path of the JSONL file")
    return path.resolve(), path.stat().st_mtime_ns


@lru_cache(maxsize=16)
def _speech(key: tuple[Path, int], minutes: float, seed: int, frames: Frames) -> Speech:
    """Frames of at most `minutes` of a manifest. Raises CorpusError for a bad manifest and for too little speech."""
    path = key[0]
    everything = read_manifest(path)
    # A test set stays unseen, even without its texts: it must not choose the donor it later judges.
    pool = [u for u in everything if u.split != "test"] or everything
    chosen = in_turns(pool, 60 * minutes, np.random.default_rng([seed, 13]))
    kept, made, skipped = _frames_of(chosen, frames)
    seconds = sum(u.duration_seconds for u in kept)
    if seconds < LEAST_SECONDS or len(kept) < 4:
        raise CorpusError(
            f"only {seconds:.0f} s of speech in {len(kept)} recordings can be read"
            + (f"; the first that cannot: {skipped[0]}" if skipped else ""),
            where=path.name,
            fix=f"give at least {LEAST_SECONDS:.0f} s in 4 recordings",
        )
    return Speech(tuple(kept), tuple(normalise_by_speaker(made, [u.speaker for u in kept])), tuple(skipped))


def in_turns(utterances: Sequence[Utterance], seconds: float, rng: np.random.Generator) -> list[Utterance]:
    """Utterances in random order, speakers taking turns so that no voice outweighs the others: at most `seconds`."""
    queues: dict[str, list[Utterance]] = {}
    for i in rng.permutation(len(utterances)):
        queues.setdefault(utterances[int(i)].speaker, []).append(utterances[int(i)])
    chosen: list[Utterance] = []
    left = seconds
    while queues:
        for speaker in list(queues):
            utterance = queues[speaker].pop()
            left -= utterance.duration_seconds
            if left < 0:
                return chosen
            chosen.append(utterance)
            if not queues[speaker]:
                del queues[speaker]
    return chosen


def _frames_of(chosen: Sequence[Utterance], frames: Frames) -> tuple[list[Utterance], list[Array], list[str]]:
    kept: list[Utterance] = []
    made: list[Array] = []
    skipped: list[str] = []
    for start in range(0, len(chosen), _BATCH):
        batch = chosen[start : start + _BATCH]
        try:
            found: list[Array | None] = list(frames([u.audio for u in batch]))
        except AudioError:
            found = [_frames_or_none(u, frames, skipped) for u in batch]
        for utterance, own in zip(batch, found, strict=True):
            if own is None:
                continue
            if not np.isfinite(own).all() or len(own) < 2:
                skipped.append(f"{utterance.id}: too short, or frames that are not numbers")
                continue
            kept.append(utterance)
            made.append(own)
    return kept, made, skipped


def _frames_or_none(utterance: Utterance, frames: Frames, skipped: list[str]) -> Array | None:
    try:
        return frames([utterance.audio])[0]
    except AudioError as error:
        skipped.append(f"{utterance.id}: {error.what}")
        return None


def _skipped(variant: Language, speech: Speech) -> tuple[Gap, ...]:
    if not speech.skipped:
        return ()
    named = "; ".join(speech.skipped[:MOST_NAMED])
    more = f"; and {len(speech.skipped) - MOST_NAMED} more" if len(speech.skipped) > MOST_NAMED else ""
    reason = f"{len(speech.skipped)} recordings of {variant.code} were left out: {named}{more}"
    return (Gap(LEVEL, "skipped_recordings", reason, "run `vizinho corpus check`"),)


def _evidence(target: Language, donor: Language, ours: _Target, theirs: Speech | None, pair: _Pair) -> dict[str, Any]:
    shares = [c.sum(axis=0) / max(1.0, c.sum()) for c in (pair.mine, pair.yours)]
    names = pair.tokens.names
    longer = [int(i) for i in np.argsort(-(shares[0] + shares[1]), kind="stable") if " " in names[i]][:SHOWN_UNITS]
    recordings = _described(target, ours.speech.utterances)
    notes = []
    if theirs is None:
        notes.append("One set of recordings stands for both sides, so one half of it is compared with the other.")
    else:
        recordings += _described(donor, theirs.utterances)
    if not pair.has_speakers:
        notes.append(
            "Few speakers: how these people speak and were recorded counts as a difference between the languages, and"
            " the interval, over utterances, is too narrow."
        )
    return {
        "recordings": recordings,
        "notes": notes,
        "plain_cosine": plain_cosine(pair.mine, pair.yours),
        "units": [{"unit": names[i], "target": float(shares[0][i]), "donor": float(shares[1][i])} for i in longer],
    }


def _described(variant: Language, utterances: Sequence[Utterance]) -> list[dict[str, Any]]:
    own: dict[str, list[float]] = {}
    for u in utterances:
        own.setdefault(u.speaker, []).append(u.duration_seconds)
    return [
        {
            "language": variant.code,
            "speaker": speaker,
            "utterances": len(durations),
            "minutes": round(sum(durations) / 60, 2),
        }
        for speaker, durations in own.items()
    ]
