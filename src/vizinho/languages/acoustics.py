"""How alike the recordings of two languages sound, without text: similarity of acoustic-token distributions.

ATDS (San et al. 2024, arXiv 2402.02302): frames become tokens by k-means, sequences of tokens become subword units, and
two languages are as alike as the cosine of their unit counts. The paper takes its frames from a large multilingual
encoder; here they are MFCCs unless a recogniser's encoder is given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.audio.io import SAMPLE_RATE, load_audio
from vizinho.corpora.manifest import read_manifest
from vizinho.errors import CorpusError, VizinhoError
from vizinho.languages.measures import Gap, LevelResult, Measure
from vizinho.languages.sampling import centred_interval, count_matrix, resampled_totals, totals, widen
from vizinho.languages.variants import Variant
from vizinho.records import Utterance

LEVEL = "acoustics"
CLUSTERS = 100
UNITS = 600
"""Subword units that are learnt over the clusters: mostly pairs and triples of phones' parts."""
LEAST_MINUTES = 0.5
_FIRST = 0x4E00
"""Character that stands for cluster 0 in the unit learner."""

Frames = npt.NDArray[np.float32]
FrameMaker = Callable[[Sequence[Path]], list[Frames]]
"""Recordings to their frames, each (T, F)."""


@dataclass(frozen=True, slots=True)
class Recordings:
    """Frames of utterances, normalised by speaker; both tuples have one entry for each utterance."""

    frames: tuple[Frames, ...]
    speakers: tuple[str, ...]
    minutes: float
    unreadable: tuple[str, ...] = ()


def compare_acoustics(
    target: Variant,
    donor: Variant,
    speech: Mapping[str, Path],
    *,
    frames: FrameMaker | None = None,
    minutes: float = 5.0,
    seed: int = 1,
) -> LevelResult:
    """Similarity of acoustic-token distributions, from the train parts of two corpora (manifests by language code).

    At most `minutes` of each language; `frames` replaces MFCCs. A language without recordings makes the level a gap.
    """
    missing = [v.base for v in (target, donor) if v.base not in speech]
    if missing:
        fix = "put LANG.jsonl manifests into the folder given with --speech"
        return LevelResult(LEVEL, gaps=(Gap(LEVEL, "*", f"no recordings of {', '.join(missing)}", fix),))
    try:
        ours = recordings(speech[target.base], minutes, seed, frames)
        theirs = recordings(speech[donor.base], minutes, seed, frames)
    except VizinhoError as error:
        return LevelResult(LEVEL, gaps=(Gap(LEVEL, "*", str(error)),))
    model, own, half = _model(speech[target.base], minutes, seed, frames)
    rng = np.random.default_rng([seed, 5])
    tokens = [model.tokens(f) for f in theirs.frames]
    value, resampled = _similarity(own, [model.units(t) for t in tokens], rng)
    floor, _ = _similarity(own, [model.units(rng.permutation(t)) for t in tokens], rng)
    ceiling, _ = _similarity(own, half, rng)
    gaps = tuple(
        Gap(LEVEL, "unreadable_audio", line, "run `vizinho corpus check`")
        for line in (*ours.unreadable, *theirs.unreadable)
    )
    measure = Measure(
        LEVEL,
        "token_similarity",
        "Similarity of acoustic-token distributions (ATDS)",
        value,
        "higher",
        len(theirs.frames),
        f"donor utterances ({theirs.minutes:.1f} min, {len(set(theirs.speakers))} speakers)",
        floor,
        ceiling,
        _halves_name(ours),
        centred_interval(value, resampled),
        unit="cosine",
        source="San et al. 2024, arXiv 2402.02302" + ("; MFCC frames" if frames is None else "; encoder frames"),
    )
    return LevelResult(LEVEL, (measure,), gaps, {"recordings": _described(target, ours) + _described(donor, theirs)})


@lru_cache(maxsize=32)
def recordings(manifest: Path, minutes: float, seed: int, frames: FrameMaker | None = None) -> Recordings:
    """Frames of at most `minutes` of the train part, speakers taking turns, each normalised by mean and deviation.

    Raises CorpusError when there is less than half a minute.
    """
    utterances = [u for u in read_manifest(manifest) if u.split == "train"]
    chosen = _turns(utterances, 60 * minutes, np.random.default_rng([seed, 6]))
    made, speakers, unreadable, seconds = [], [], [], 0.0
    for utterance in chosen:
        try:
            made.append(frames([utterance.audio])[0] if frames else mfcc(load_audio(utterance.audio)))
        except VizinhoError as error:
            unreadable.append(str(error))
            continue
        speakers.append(utterance.speaker)
        seconds += utterance.duration_seconds
    if seconds < 60 * LEAST_MINUTES:
        raise CorpusError(
            f"only {seconds:.0f} s of train speech", where=manifest, fix=f"give at least {60 * LEAST_MINUTES:.0f} s"
        )
    return Recordings(tuple(_by_speaker(made, speakers)), tuple(speakers), seconds / 60, tuple(unreadable))


def _turns(utterances: Sequence[Utterance], seconds: float, rng: np.random.Generator) -> list[Utterance]:
    """Utterances in random order, one speaker after the other, until there are enough seconds."""
    queues: dict[str, list[Utterance]] = defaultdict(list)
    for i in rng.permutation(len(utterances)):
        queues[utterances[int(i)].speaker].append(utterances[int(i)])
    chosen: list[Utterance] = []
    total = 0.0
    while any(queues.values()) and total < seconds:
        for queue in queues.values():
            if queue and total < seconds:
                chosen.append(queue.pop())
                total += chosen[-1].duration_seconds
    return chosen


def _by_speaker(frames: Sequence[Frames], speakers: Sequence[str]) -> list[Frames]:
    moments = {}
    for speaker in set(speakers):
        together = np.concatenate([f for f, s in zip(frames, speakers, strict=True) if s == speaker])
        moments[speaker] = together.mean(axis=0), together.std(axis=0) + 1e-6
    return [(f - moments[s][0]) / moments[s][1] for f, s in zip(frames, speakers, strict=True)]


def mfcc(samples: npt.NDArray[np.float32]) -> Frames:
    """13 mel-frequency cepstral coefficients every 10 ms (lhotse's extractor) and their differences: (T, 26)."""
    found = np.asarray(_mfcc_extractor().extract(samples, SAMPLE_RATE), dtype=np.float32)
    padded = np.pad(found, ((2, 2), (0, 0)), mode="edge")
    return np.concatenate([found, (padded[4:] - padded[:-4]) / 4], axis=1)


@lru_cache(maxsize=1)
def _mfcc_extractor() -> Any:
    from lhotse import Mfcc, MfccConfig

    return Mfcc(MfccConfig(sampling_rate=SAMPLE_RATE))


class _UnitModel:
    """Clusters and subword units learnt from one language."""

    def __init__(self, frames: Sequence[Frames], seed: int) -> None:
        from sklearn.cluster import MiniBatchKMeans
        from tokenizers import Tokenizer
        from tokenizers.models import BPE
        from tokenizers.trainers import BpeTrainer

        stacked = np.concatenate(frames)
        count = min(CLUSTERS, max(2, len(stacked) // 20))
        self._clusters = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=4096, max_iter=40).fit(stacked)
        self._tokenizer = Tokenizer(BPE())
        trainer = BpeTrainer(vocab_size=UNITS, show_progress=False, min_frequency=2)
        self._tokenizer.train_from_iterator([self._text(self.tokens(f)) for f in frames], trainer)

    def tokens(self, frames: Frames) -> npt.NDArray[np.int64]:
        """The cluster of each frame: (T,)."""
        return np.asarray(self._clusters.predict(frames), dtype=np.int64)

    def units(self, tokens: npt.NDArray[np.int64]) -> list[str]:
        """Subword units of a sequence of clusters, repeats taken as one."""
        return list(self._tokenizer.encode(self._text(tokens)).tokens)

    def _text(self, tokens: npt.NDArray[np.int64]) -> str:
        kept = tokens[np.concatenate(([True], tokens[1:] != tokens[:-1]))]
        return "".join(chr(_FIRST + int(t)) for t in kept)


@lru_cache(maxsize=4)
def _model(
    manifest: Path, minutes: float, seed: int, frames: FrameMaker | None
) -> tuple[_UnitModel, list[list[str]], list[list[str]]]:
    """A model of one half of the target's recordings, that half's units, and the other's for the ceiling."""
    found = recordings(manifest, minutes, seed, frames)
    first, second = _split(found, np.random.default_rng([seed, 7]))
    model = _UnitModel([found.frames[i] for i in first], seed)
    own, other = ([model.units(model.tokens(found.frames[i])) for i in half] for half in (first, second))
    return model, own, other


def _split(found: Recordings, rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """Halves by speaker where there are several, else by utterance."""
    speakers = sorted(set(found.speakers), key=lambda s: (-sum(x == s for x in found.speakers), s))
    if len(speakers) < 2:
        order = [int(i) for i in rng.permutation(len(found.frames))]
        return order[::2], order[1::2]
    sizes = {s: sum(len(f) for f, x in zip(found.frames, found.speakers, strict=True) if x == s) for s in speakers}
    ours: set[str] = set()
    for speaker in sorted(speakers, key=lambda s: -sizes[s]):
        if sum(sizes[s] for s in ours) <= sum(sizes.values()) / 2 - sizes[speaker] / 2:
            ours.add(speaker)
    ours = ours or {speakers[0]}
    if len(ours) == len(speakers):
        ours.discard(speakers[-1])
    first = [i for i, s in enumerate(found.speakers) if s in ours]
    return first, [i for i, s in enumerate(found.speakers) if s not in ours]


def _halves_name(found: Recordings) -> str:
    return (
        "the target's other speakers" if len(set(found.speakers)) > 1 else "the other half of the target's utterances"
    )


def _similarity(
    ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]], rng: np.random.Generator
) -> tuple[float, npt.NDArray[np.float64]]:
    """Cosine of the unit counts, and the same for resampled utterances of both."""
    kinds: dict[str, int] = {}
    made = [count_matrix(side, kinds) for side in (ours, theirs)]
    first, second = (widen(c, len(kinds)) for c in made)
    value = float(_cosine(totals(first), totals(second)))
    return value, _cosine(resampled_totals(first, rng), resampled_totals(second, rng))


def _cosine(a: Any, b: Any) -> Any:
    return (a * b).sum(axis=-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def _described(variant: Variant, found: Recordings) -> list[dict[str, Any]]:
    return [
        {
            "language": variant.code,
            "speaker": speaker,
            "utterances": sum(s == speaker for s in found.speakers),
            "minutes": round(
                sum(len(f) for f, s in zip(found.frames, found.speakers, strict=True) if s == speaker) / 6000, 2
            ),
        }
        for speaker in dict.fromkeys(found.speakers)
    ]


def blank_statistics(log_probabilities: npt.NDArray[np.float64], blank: int) -> dict[str, float]:
    """How a donor's recogniser decodes foreign audio: (T, V) log-probabilities to its share of blanks and mean entropy.

    A donor that hears letters in the target's audio, and is sure of them, has less to learn. Entropy in nats.
    """
    probabilities = np.exp(log_probabilities)
    entropy = -(probabilities * log_probabilities).sum(axis=-1)
    return {
        "blank_share": float((log_probabilities.argmax(axis=-1) == blank).mean()),
        "entropy": float(entropy.mean()),
    }


def log_me(features: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], rounds: int = 11) -> float:
    """LogME (You et al. 2021, algorithm 3): mean evidence of labels (N,) given features (N, D); higher is better."""
    N, D = features.shape
    u, s, _ = np.linalg.svd(features, full_matrices=False)
    eigenvalues = s**2
    evidences = []
    for label in np.unique(labels):
        y = (labels == label).astype(np.float64)
        projected = u.T @ y
        rest = float(y @ y - projected @ projected)
        alpha, beta = 1.0, 1.0
        for _ in range(rounds):
            ratio = alpha / beta
            gamma = float((eigenvalues / (eigenvalues + ratio)).sum())
            m2 = float((eigenvalues * projected**2 / (eigenvalues + ratio) ** 2).sum())
            residual = float((projected**2 * (ratio / (eigenvalues + ratio)) ** 2).sum()) + rest
            alpha, beta = gamma / max(m2, 1e-12), (N - gamma) / max(residual, 1e-12)
        logdet = float(np.log(alpha + beta * eigenvalues).sum()) + max(0, D - len(s)) * np.log(alpha)
        evidence = (
            D / 2 * np.log(alpha) + N / 2 * np.log(beta) - beta / 2 * residual - alpha / 2 * m2 - logdet / 2
        ) - N / 2 * np.log(2 * np.pi)
        evidences.append(evidence / N)
    return float(np.mean(evidences))
