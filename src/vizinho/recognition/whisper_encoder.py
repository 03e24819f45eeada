"""Whisper's encoder in onnxruntime, with the silence after the speech computed at a few places.

The method is that of `vizinho.model.whisper_silence`, whose numbers come with the graph. The decoder in CTranslate2 has
no bias for its attention, so it gets each of these places as often as it counts: 1500 positions, as of a whole window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.audio.logmel import Features

Encoded = npt.NDArray[np.float32]
"""What the encoder makes of a batch, shape (B, T', D) with T' half of the features' T."""
_PER_SECOND = 50  # positions


@dataclass(frozen=True, slots=True)
class Positions:
    """Which positions of a window are computed, and what for."""

    frames: int
    """Feature frames that they need."""
    source: npt.NDArray[np.int64]
    """Which output of the convolutions each comes from."""
    places: npt.NDArray[np.int64]
    """Its place in the whole window."""
    times: npt.NDArray[np.int64]
    """How many positions of the whole window it stands for."""

    bias: npt.NDArray[np.float32]
    """What is added to the scores of attention to it: so many equal keys come to the logarithm of their number."""


class PooledEncoder:
    """The encoder of a converted model; `silence` has the windows, margin, stride and after of `whisper_silence`."""

    def __init__(self, session: Any, silence: Mapping[str, Any], positions: int) -> None:
        self._session, self._silence, self._count = session, silence, positions

    def __call__(self, features: Features, seconds: float) -> Encoded:
        """Features (F, T) of a whole window, in which speech ends after `seconds`, to (1, T / 2, D)."""
        positions = self.positions(seconds)
        inputs = {
            "features": np.ascontiguousarray(features[None, :, : positions.frames]),
            "source": positions.source,
            "places": positions.places,
            "bias": positions.bias,
        }
        return np.repeat(self._session.run(None, inputs)[0], positions.times, axis=1)

    def positions(self, seconds: float) -> Positions:
        """The positions that are computed for speech of some length."""
        needed = seconds + self._silence["margin"]
        window = next((w for w in self._silence["windows"] if w >= needed), math.inf)
        computed = min(self._count, round(min(window * _PER_SECOND, self._count)))
        own, once = np.arange(computed, dtype=np.int64), np.ones(computed, np.int64)
        if computed == self._count:
            return Positions(2 * computed, own, own, once, np.zeros(computed, np.float32))
        stride = self._silence["stride"]
        silent = np.arange(computed + stride // 2, self._count, stride, dtype=np.int64)
        # The second output after the window sees nothing but silence.
        source = np.concatenate([own, np.full(silent.size, computed + 1)])
        # The places share what is left as evenly as whole numbers can.
        shares = np.diff(np.linspace(0, self._count - computed, silent.size + 1).round()).astype(np.int64)
        bias = np.zeros(computed + silent.size, np.float32)
        bias[computed:] = math.log((self._count - computed) / silent.size)
        frames = 2 * (computed + self._silence["after"])
        return Positions(frames, source, np.concatenate([own, silent]), np.concatenate([once, shares]), bias)
