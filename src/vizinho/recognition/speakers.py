"""Who spoke which word: voices of stretches of speech, grouped by how alike they are.

A stretch of 1.6 s becomes a vector (Wan et al. 2018, arXiv 1710.10467; the weights come in Resemblyzer's wheel, of
which nothing else is used), vectors are grouped by average linkage, and a word belongs to the stretch nearest to its
middle. N stretches, E values of a vector.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.audio.logmel import mel_filters
from vizinho.errors import SpecError
from vizinho.recognition.cutting import CutOptions, Cutter
from vizinho.recognition.segments import segments_of
from vizinho.records import Transcript, Word

Vectors = npt.NDArray[np.float32]
"""(N, E), each of length one."""
Voice = npt.NDArray[np.float32]
"""(E,), of length one: the mean of a person's vectors."""
SECONDS = 1.6
"""Length of a stretch: what the network was trained on."""
STEP_SECONDS = 0.8
PAUSE_SECONDS = 0.5
"""Words farther apart are in different stretches; segments of a transcript end there too."""
APART = 0.46
"""Cosine distance from which voices are two, chosen on mixed recordings (bench/speakers.py)."""
KNOWN_APART = 0.28
"""Cosine distance of two means from which they are two people's (bench/speakers.py --known)."""
_FEWEST_SHARE, _FEWEST = 0.02, 3
"""Groups smaller than either belong to the group that they are most like: they are noise, or several voices at once."""
_GROUPED = 2000
"""Stretches that are grouped; those of longer recordings are compared with the groups' means."""
_BATCH = 64
_WINDOW, _HOP, _BANDS = 400, 160, 40
_LOUDNESS = 10 ** (-30 / 20)
"""Root mean square to which quiet stretches are raised, as in training."""
_SAMPLES = int(SECONDS * SAMPLE_RATE)


def speakers_possible() -> bool:
    """Whether the weights are installed."""
    return importlib.util.find_spec("resemblyzer") is not None


def check_speakers() -> None:
    """Raises ModuleNotFoundError, naming the package, where the weights are not installed."""
    _weights()


def load_speakers() -> None:
    """Load the network, which takes seconds the first time."""
    _network()


def with_speakers(
    transcript: Transcript, blocks: Iterable[Waveform], count: int | None = None, known: Sequence[Voice] = ()
) -> Transcript:
    """The transcript with a speaker for every word and segment.

    `blocks` are the recording's 16 kHz samples once more; `count` how many people speak, if it is known. People whose
    voices are `known` have the numbers 1, 2, ... in that order, the others the next ones in the order they begin.
    """
    starts = stretches(transcript.words)
    if not starts:
        return transcript
    vectors = np.concatenate(list(_vectors(starts, blocks)))
    labels = grouped(vectors, count)
    # A word belongs to the stretch whose middle is nearest to its own.
    middles = np.array(starts) / SAMPLE_RATE + SECONDS / 2
    numbers = _recognised(vectors, labels, known)
    unknown = len(known) - len(numbers) + 1  # so that the next number is unknown + len(numbers)
    words = []
    for word in transcript.words:
        label = int(labels[np.abs(middles - (word.start_seconds + word.end_seconds) / 2).argmin()])
        words.append(replace(word, speaker=numbers.setdefault(label, unknown + len(numbers))))
    return replace(transcript, words=tuple(words), segments=tuple(segments_of(words, PAUSE_SECONDS)))


def voice(samples: Waveform) -> Voice:
    """The voice of one person who speaks, from 16 kHz samples (N,)."""
    cutter = Cutter(CutOptions())
    pieces = [*cutter.feed(samples), *cutter.flush()]
    spans = [(p.start_sample / SAMPLE_RATE, p.end_sample / SAMPLE_RATE) for p in pieces]
    spoken = [Word("", start, end, 1.0) for start, end in spans or [(0.0, samples.size / SAMPLE_RATE)]]
    return _mean(np.concatenate(list(_vectors(stretches(spoken), [samples]))))


def _recognised(vectors: Vectors, labels: npt.NDArray[np.int64], known: Sequence[Voice]) -> dict[int, int]:
    """Groups that are people whose voices are known, each with its person's number."""
    numbers = {}
    for label in np.unique(labels) if known else ():
        alike = np.stack(known) @ _mean(vectors[labels == label])
        if 1.0 - alike.max() < KNOWN_APART:
            numbers[int(label)] = int(alike.argmax()) + 1
    return numbers


def _mean(vectors: Vectors) -> Voice:
    mean = vectors.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)


def stretches(words: Sequence[Word]) -> list[int]:
    """First samples of the stretches that cover the words; one may begin before the recording does."""
    spans: list[list[float]] = []
    for word in words:
        if spans and word.start_seconds - spans[-1][1] <= PAUSE_SECONDS:
            spans[-1][1] = max(spans[-1][1], word.end_seconds)
        else:
            spans.append([word.start_seconds, word.end_seconds])
    starts = []
    for start, end in spans:
        room = end - start - SECONDS
        # Speech shorter than a stretch stands in its middle; longer speech is covered from end to end.
        offsets = [room / 2] if room <= 0 else np.linspace(0.0, room, 1 + int(np.ceil(room / STEP_SECONDS)))
        starts += [round((start + offset) * SAMPLE_RATE) for offset in offsets]
    return starts


def grouped(vectors: Vectors, count: int | None = None) -> npt.NDArray[np.int64]:
    """The group of each vector, (N,): as many groups as there are voices, or `count`."""
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(vectors) == 1 or count == 1:
        return np.zeros(len(vectors), np.int64)
    # Linkage needs the square of what it groups.
    chosen = vectors[np.linspace(0, len(vectors) - 1, min(len(vectors), _GROUPED)).round().astype(int)]
    tree = linkage(chosen, "average", metric="cosine")
    labels = fcluster(tree, count, "maxclust") if count else fcluster(tree, APART, "distance")
    names, sizes = np.unique(labels, return_counts=True)
    enough = (sizes >= _FEWEST) & (sizes >= _FEWEST_SHARE * len(chosen))
    large = names if count else names[enough] if enough.any() else names[[sizes.argmax()]]
    means = np.stack([_mean(chosen[labels == name]) for name in large])
    return np.asarray((vectors @ means.T).argmax(axis=1), dtype=np.int64)


def _vectors(starts: Sequence[int], blocks: Iterable[Waveform]) -> Iterator[Vectors]:
    """Vectors of the stretches that begin at these samples, in rising order, while the blocks go by."""
    samples, first = np.zeros(0, np.float32), 0  # those from `first` on that a later stretch may need
    waiting, batch = list(starts), []
    for block in blocks:
        samples = np.concatenate([samples, block])
        while waiting and waiting[0] + _SAMPLES <= first + samples.size:
            batch.append(_cut(samples, waiting.pop(0) - first))
            if len(batch) == _BATCH:
                yield _voices(np.stack(batch))
                batch = []
        if waiting and waiting[0] > first:
            passed = min(waiting[0] - first, samples.size)
            samples, first = samples[passed:], first + passed
    batch += [_cut(samples, start - first) for start in waiting]  # they reach past the end
    if batch:
        yield _voices(np.stack(batch))


def voices_at(starts: Sequence[int], samples: Waveform) -> Vectors:
    """Vectors (N, E) of the stretches that begin at these samples; silence stands where there are none."""
    return _voices(np.stack([_cut(samples, start) for start in starts]))


def _cut(samples: Waveform, start: int) -> Waveform:
    """`_SAMPLES` samples from `start` on; silence where there are none."""
    stretch = np.zeros(_SAMPLES, np.float32)
    inside = samples[max(0, start) : max(0, start + _SAMPLES)]
    offset = max(0, -start)
    stretch[offset : offset + inside.size] = inside[: _SAMPLES - offset]
    return stretch


def _voices(stretches: npt.NDArray[np.float32]) -> Vectors:
    """(N, samples) to (N, E)."""
    import torch

    loudness = np.sqrt(np.mean(np.square(stretches), axis=1, keepdims=True)) + 1e-9
    padded = np.pad(stretches * np.maximum(_LOUDNESS / loudness, 1.0), ((0, 0), (_WINDOW // 2, _WINDOW // 2)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW, axis=1)[:, ::_HOP][:, : _SAMPLES // _HOP]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(_WINDOW + 1)[:-1], axis=2)))
    bands = (power @ mel_filters(_BANDS, _WINDOW).T).astype(np.float32)  # (N, T, bands), no logarithm
    lstm, linear = _network()
    with torch.inference_mode():
        _, (hidden, _) = lstm(torch.from_numpy(bands))
        vectors = linear(hidden[-1]).relu()
        return np.asarray(torch.nn.functional.normalize(vectors, dim=1).numpy(), dtype=np.float32)


@lru_cache(maxsize=1)
def _network() -> tuple[Any, Any]:
    """Three layers of an LSTM, and the layer on its last state."""
    import torch

    weights = torch.load(_weights(), map_location="cpu", weights_only=True)["model_state"]
    lstm, linear = torch.nn.LSTM(_BANDS, 256, 3, batch_first=True), torch.nn.Linear(256, 256)
    for module, name in ((lstm, "lstm."), (linear, "linear.")):
        module.load_state_dict(
            {key.removeprefix(name): value for key, value in weights.items() if key.startswith(name)}
        )
    return lstm.eval(), linear.eval()


def _weights() -> Path:
    # The package is found, not imported: importing it would load librosa and its compiler.
    package = importlib.util.find_spec("resemblyzer")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("No module named 'resemblyzer'", name="resemblyzer")
    path = Path(package.origin).parent / "pretrained.pt"
    if not path.is_file():
        raise SpecError("the voices' weights are missing", where=path, fix="pip install --force-reinstall resemblyzer")
    return path
