"""Voice activity detection: Silero's network, computed in NumPy for many streams at once with the weights of its wheel.

Calls of onnxruntime take longer than so small a network computes, and the wheel's graphs take one stream a call.
Shapes: B streams, N windows of all of them, in which a stream's windows follow each other.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from vizinho.audio.io import SAMPLE_RATE, Waveform

Values = npt.NDArray[np.float32]

WINDOW_SAMPLES = 512
"""One probability is given for every 32 ms."""
WINDOW_SECONDS = WINDOW_SAMPLES / SAMPLE_RATE
_CONTEXT_SAMPLES = 64
_WEIGHTS = "silero_vad_16k_sequence.onnx"
_FRAME, _HOP, _FRAMES = 256, 128, 4
"""Each window is four overlapping frames, of which one is left after the convolutions."""
_BINS, _HIDDEN = 129, 128
_HALF = np.float32(0.5)
_AT_ONCE = 256
"""Windows that are computed at once: more of them leave the processor's caches."""


def _no_windows() -> Values:
    return np.zeros((0, _CONTEXT_SAMPLES + WINDOW_SAMPLES), np.float32)


def _state() -> Values:
    return np.zeros(_HIDDEN, np.float32)


@dataclass(slots=True)
class SpeechProbability:
    """The detector's memory for one stream of audio; the network itself is shared by all streams."""

    waiting: Values = field(default_factory=_no_windows)
    """Windows for `detect`, each after the last samples of the one before it."""
    _h: Values = field(default_factory=_state)
    _c: Values = field(default_factory=_state)
    _rest: Waveform = field(default_factory=lambda: np.zeros(_CONTEXT_SAMPLES, np.float32))
    """The last samples of the window before, and samples that do not fill a window yet."""
    _probabilities: Values = field(default_factory=lambda: np.zeros(0, np.float32))

    def feed(self, samples: Waveform) -> Values:
        """Probability of speech for each window that is full now, shape (windows,); 16 kHz samples (N,)."""
        self.take(samples)
        detect([self])
        return self.given()

    def take(self, samples: Waveform) -> None:
        """Take the next 16 kHz samples (N,), for `detect`."""
        audio = np.concatenate([self._rest, samples])
        count = (audio.size - _CONTEXT_SAMPLES) // WINDOW_SAMPLES  # complete windows
        self._rest = audio[count * WINDOW_SAMPLES :]  # begins with the context of the next window
        # Made by hand, because sliding_window_view takes longer than the rest of a tenth of a second's samples.
        shape, step = (count, _CONTEXT_SAMPLES + WINDOW_SAMPLES), audio.itemsize
        windows = np.ndarray(shape, audio.dtype, audio, strides=(WINDOW_SAMPLES * step, step))
        self.waiting = np.concatenate([self.waiting, windows]) if len(self.waiting) else windows

    def given(self) -> Values:
        """Probabilities since the last call."""
        probabilities, self._probabilities = self._probabilities, self._probabilities[:0]
        return probabilities


def detect(detectors: Sequence[SpeechProbability]) -> None:
    """Compute all windows that wait."""
    # Those with most windows come first, so that in every step of the recurrence the first rows are those that go on.
    busy = sorted((d for d in detectors if len(d.waiting)), key=lambda d: -len(d.waiting))
    if not busy:
        return
    network = _network()
    counts = np.array([len(detector.waiting) for detector in busy])
    starts = np.cumsum(counts) - counts
    gates = network.gates(np.concatenate([detector.waiting for detector in busy]))
    h, c = np.stack([detector._h for detector in busy]), np.stack([detector._c for detector in busy])
    hidden = np.empty((len(gates), _HIDDEN), np.float32)
    if len(busy) == 1:  # a recording: in so small steps, finding the rows that go on takes as long as computing them
        for row, added in enumerate(gates[:, None]):
            h, c = network.step(added, h, c)
            hidden[row] = h[0]
    else:
        for step in range(counts[0]):
            going = int((counts > step).sum())
            rows = starts[:going] + step
            h[:going], c[:going] = network.step(gates[rows], h[:going], c[:going])
            hidden[rows] = h[:going]
    probabilities = network.probabilities(hidden)
    for place, (detector, start, count) in enumerate(zip(busy, starts, counts, strict=True)):
        detector._h, detector._c, detector.waiting = h[place].copy(), c[place].copy(), _no_windows()
        detector._probabilities = np.concatenate([detector._probabilities, probabilities[start : start + count]])


class _Network:
    """Spectrum, four convolutions as products of matrices, an LSTM of one step a window, and a sigmoid."""

    def __init__(self, weights: dict[str, Values]) -> None:
        self._spectrum = np.ascontiguousarray(weights["stft.forward_basis_buffer"][:, 0].T)  # (256, 2 x 129)
        kernels = [weights[f"encoder.{n}.weight"].transpose(2, 1, 0) for n in range(4)]  # (3, in, out)
        # Of two frames the third convolution has one result, which sees no frame before them; the last has one frame.
        kernels[2:] = [kernels[2][1:], kernels[3][1:2]]
        self._kernels = [np.ascontiguousarray(k.reshape(-1, k.shape[2])) for k in kernels]
        self._biases = [weights[f"encoder.{n}.bias"] for n in range(4)]
        # ONNX has the gates in the order input, output, forget, cell. A sigmoid is a tanh of half its argument, so that
        # one tanh serves all gates.
        half = np.repeat(np.array([0.5, 1.0], np.float32), [3 * _HIDDEN, _HIDDEN])
        self._input, self._recurrent = (
            np.ascontiguousarray((weights[name][0] * half[:, None]).T) for name in ("onnx::LSTM_209", "onnx::LSTM_210")
        )
        self._bias = weights["onnx::LSTM_211"][0].reshape(2, -1).sum(axis=0) * half
        self._output, self._output_bias = weights["output.weight"][0, :, 0], weights["output.bias"]

    def gates(self, windows: Values) -> Values:
        """What windows (N, 576) add to the gates of their step, (N, 4 x 128)."""
        blocks = [self._gates(windows[at : at + _AT_ONCE]) for at in range(0, len(windows), _AT_ONCE)]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def _gates(self, windows: Values) -> Values:
        n, size = windows.shape
        mirrored = windows[:, size - 2 : size - 2 - _FRAME // 4 : -1]
        samples = np.concatenate([windows, mirrored], axis=1)
        step = samples.itemsize
        frames = as_strided(samples, (n, _FRAMES, _FRAME), (samples.strides[0], _HOP * step, step))
        squares = np.square(frames.reshape(-1, _FRAME) @ self._spectrum)
        magnitudes = np.sqrt(squares[:, :_BINS] + squares[:, _BINS:])
        hidden = self._convolved(0, _unfolded(magnitudes.reshape(n, _FRAMES, _BINS), 1))
        hidden = self._convolved(1, _unfolded(hidden.reshape(n, _FRAMES, -1), 2))
        hidden = self._convolved(3, self._convolved(2, hidden.reshape(n, -1)))
        return np.asarray(hidden @ self._input + self._bias, dtype=np.float32)

    def _convolved(self, number: int, unfolded: Values) -> Values:
        product = unfolded @ self._kernels[number]
        product += self._biases[number]
        np.maximum(product, 0.0, out=product)
        return np.asarray(product, dtype=np.float32)

    def step(self, gates: Values, h: Values, c: Values) -> tuple[Values, Values]:
        """The state (B, 128) after one more window."""
        opened = h @ self._recurrent
        opened += gates
        np.tanh(opened, out=opened)
        sure = opened[:, : 3 * _HIDDEN]
        sure *= _HALF
        sure += _HALF
        inputs, outputs, forgets = sure[:, :_HIDDEN], sure[:, _HIDDEN : 2 * _HIDDEN], sure[:, 2 * _HIDDEN :]
        c = forgets * c
        c += inputs * opened[:, 3 * _HIDDEN :]
        return outputs * np.tanh(c), c

    def probabilities(self, hidden: Values) -> Values:
        """Of hidden states (N, 128), (N,)."""
        scores = np.maximum(hidden, 0.0) @ self._output + self._output_bias
        return np.asarray(1.0 / (1.0 + np.exp(-scores)), dtype=np.float32)


def _unfolded(frames: Values, stride: int) -> Values:
    """Frames (N, T, C) with zeros around them as rows of three neighbours, every `stride`-th: (N T / stride, 3 C)."""
    n, length, channels = frames.shape
    padded = np.zeros((n, length + 2, channels), np.float32)
    padded[:, 1:-1] = frames
    row, step = padded.strides[:2]
    shape, strides = (n, length // stride, 3 * channels), (row, stride * step, padded.itemsize)
    return as_strided(padded, shape, strides).reshape(-1, 3 * channels)


@lru_cache(maxsize=1)
def _network() -> _Network:
    import onnx
    from onnx.numpy_helper import to_array

    # The package is found, not imported: importing it would load torch.
    package = importlib.util.find_spec("silero_vad")
    assert package is not None and package.origin is not None, "silero-vad is a dependency of this package"
    graph = onnx.load(str(Path(package.origin).parent / "data" / _WEIGHTS)).graph
    return _Network({tensor.name: to_array(tensor) for tensor in graph.initializer})
