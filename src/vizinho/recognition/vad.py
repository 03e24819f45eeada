"""Voice activity detection: Silero's network, whose weights come in its wheel, in onnxruntime."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.audio.io import SAMPLE_RATE, Waveform

WINDOW_SAMPLES = 512
"""One probability is given for every 32 ms."""
WINDOW_SECONDS = WINDOW_SAMPLES / SAMPLE_RATE
_CONTEXT_SAMPLES = 64
_WEIGHTS = "silero_vad_16k_sequence.onnx"
"""The variant that takes many windows at once; it gives bit-equal probabilities at a third of the time."""


def _state() -> npt.NDArray[np.float32]:
    return np.zeros((1, 1, 128), np.float32)


@dataclass(slots=True)
class SpeechProbability:
    """The detector's memory for one stream of audio; the network itself is shared by all streams."""

    _h: npt.NDArray[np.float32] = field(default_factory=_state)
    _c: npt.NDArray[np.float32] = field(default_factory=_state)
    _rest: Waveform = field(default_factory=lambda: np.zeros(_CONTEXT_SAMPLES, np.float32))
    """The last samples of the window before, and samples that do not fill a window yet."""

    def feed(self, samples: Waveform) -> npt.NDArray[np.float32]:
        """Probability of speech for each window that is full now, shape (windows,); 16 kHz samples (N,)."""
        audio = np.concatenate([self._rest, samples])
        count = (audio.size - _CONTEXT_SAMPLES) // WINDOW_SAMPLES  # complete windows
        self._rest = audio[count * WINDOW_SAMPLES :]  # begins with the context of the next window
        if count == 0:
            return np.zeros(0, np.float32)
        # The network sees each window after the last samples of the one before it: (windows, context + window).
        # Made by hand, because sliding_window_view takes longer than the rest of a tenth of a second's samples.
        shape, step = (count, _CONTEXT_SAMPLES + WINDOW_SAMPLES), audio.itemsize
        windows = np.ndarray(shape, audio.dtype, audio, strides=(WINDOW_SAMPLES * step, step))
        inputs = {"input": windows, "h": self._h, "c": self._c}
        probabilities, self._h, self._c = _session().run(None, inputs)
        return probabilities  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The package is found, not imported: importing it would load torch.
    package = importlib.util.find_spec("silero_vad")
    assert package is not None and package.origin is not None, "silero-vad is a dependency of this package"
    return onnxruntime.InferenceSession(str(Path(package.origin).parent / "data" / _WEIGHTS), options)
