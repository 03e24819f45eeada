"""Takes silence from short recordings: at both ends, and where it is long within them.

Features are normalised over what is decoded, so silence beside speech moves them all, and a network that was trained
on closely trimmed recordings mishears the speech.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.decoding.greedy import PAUSE_SECONDS
from vizinho.recognition.cutting import CutOptions, Piece
from vizinho.recognition.vad import WINDOW_SAMPLES, SpeechProbability

Windows = npt.NDArray[np.bool_]
"""Something of each window of WINDOW_SAMPLES, shape (windows,)."""


@dataclass(frozen=True, slots=True)
class TrimOptions:
    """What counts as silence besides what the voice detector says, and how much of it stays."""

    quiet_share: float = 0.25
    """Whatever the detector says, a window stays that has more than this share of the speech's level (12 dB below)."""
    click_seconds: float = 0.07
    """Sound this short, apart from all speech, is a click."""
    pause_seconds: float = PAUSE_SECONDS
    """A pause this long parts a recording in two, decoded one by one."""
    pad_seconds: float = 0.2
    """Silence that stays beside speech."""


def trimmed(samples: Waveform, options: TrimOptions, cutting: CutOptions = CutOptions()) -> list[Piece]:
    """The parts of samples (N,) at 16 kHz with speech or other sound, in order; the whole where nothing is silent.

    A window is speech where it may go on by `cutting`. Nothing is cut from a recording in which no window may begin it:
    the detector may miss a very short word.
    """
    whole = [Piece(0, samples)] if samples.size else []
    filled = np.pad(samples, (0, -samples.size % WINDOW_SAMPLES))  # whole windows
    levels = _levels(filled)
    # The detector takes half as long as a small network, so it is asked only where it is quiet for long.
    if not levels.size or not _is_long(levels < options.quiet_share * levels.max(), options):
        return whole
    probabilities = SpeechProbability().feed(filled)
    surely = probabilities >= cutting.begin_probability
    if not surely.any():
        return whole
    # The level of sure speech, not of the whole: a click would raise that, silence lower it.
    speech_level = np.sqrt(np.mean(np.square(levels[surely])))
    loud = levels > options.quiet_share * speech_level
    spans = [
        (start, end)
        for start, end in _spans((probabilities >= cutting.hold_probability) | loud)
        if surely[start:end].any() or _seconds(end - start) > options.click_seconds
    ]
    # Spans of windows, from one to one past the last; those with a short pause between them are decoded in one go.
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and _seconds(start - joined[-1][1]) < options.pause_seconds:
            start = joined.pop()[0]
        joined.append((start, end))
    pad = round(options.pad_seconds * SAMPLE_RATE)
    pieces = []
    for start, end in joined:
        first = max(0, start * WINDOW_SAMPLES - pad)
        pieces.append(Piece(first, samples[first : end * WINDOW_SAMPLES + pad]))
    return pieces


def _levels(samples: Waveform) -> npt.NDArray[np.float32]:
    """Root mean square of each window of samples that are whole windows; shape (windows,)."""
    windows = samples.reshape(-1, WINDOW_SAMPLES)
    levels: npt.NDArray[np.float32] = np.sqrt(np.einsum("ij,ij->i", windows, windows) / np.float32(WINDOW_SAMPLES))
    return levels


def _is_long(quiet: Windows, options: TrimOptions) -> bool:
    """Whether windows are quiet for longer than the padding at an end, or as long as a pause within."""
    last = quiet.size
    return any(
        _seconds(end - start) > (options.pad_seconds if start == 0 or end == last else options.pause_seconds)
        for start, end in _spans(quiet)
    )


def _spans(windows: Windows) -> list[tuple[int, int]]:
    """First windows of the rows of true ones, and the windows after their last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], windows, [False]])))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _seconds(windows: int) -> float:
    return windows * WINDOW_SAMPLES / SAMPLE_RATE
