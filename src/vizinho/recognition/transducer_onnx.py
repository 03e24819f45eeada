"""An exported transducer in onnxruntime, without torch: the folder that `recognition.export_transducer` writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.audio.logmel import LogMel, at_least_minimum
from vizinho.decoding.greedy import Emission, words_of
from vizinho.decoding.transducer import Rows, State, TransducerSettings, Values, greedy_transducer
from vizinho.recognition.graphs import feature_inputs, open_session
from vizinho.recognition.one_text import OneText
from vizinho.records import Word
from vizinho.text.tokens import TokenInventory

ENCODERS = {"fp32": "encoder.onnx", "int8": "encoder.int8.onnx"}
DECODER, JOINER = "decoder.onnx", "joiner.onnx"


TRANSDUCER, TRANSDUCER_WAY_OUT = "a transducer", "leave them out, or transfer with --head ctc"


class OnnxTransducer(OneText):
    """A `WordsEngine` that decodes greedily."""

    engine_name, way_out = TRANSDUCER, TRANSDUCER_WAY_OUT

    max_seconds = None
    """FastConformer's relative positions are computed for any length."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], threads: int = 1) -> None:
        """Raises ModelError for a broken graph, and what an incomplete mapping raises."""
        self._encoder = open_session(folder / ENCODERS[settings["precision"]], threads)
        layers, size = settings["state"]
        # One thread: a step has too little to do for more.
        decoder, joiner = (open_session(folder / name, 1) for name in (DECODER, JOINER))
        self._network = OnnxPredicting(decoder, joiner, (int(layers), int(size)))
        self._features, self._subsampling = LogMel.of(settings["features"]), int(settings["subsampling"])
        self.inventory = TokenInventory(tuple(settings["tokens"]), tuple(settings["roles"]))
        self._settings = TransducerSettings(
            len(self.inventory.tokens) - 1, tuple(settings["durations"]), int(settings["most_at_once"])
        )
        self._frame_seconds = self._subsampling * self._features.hop_length / self._features.sampling_rate

    def words(self, waveforms: Sequence[Waveform]) -> list[list[Word]]:
        """See WordsEngine."""
        features = [self._features(at_least_minimum(samples)) for samples in waveforms]
        frames, lengths = self._encoder.run(None, feature_inputs(features, self._subsampling))
        emissions = greedy_transducer(self._network, frames.transpose(0, 2, 1), lengths, self._settings)
        timed = zip(emissions, waveforms, strict=True)
        return [words_within(of_one, self.inventory, self._frame_seconds, samples) for of_one, samples in timed]


class OnnxPredicting:
    """Prediction and joint network in onnxruntime; `Predicting`."""

    def __init__(self, decoder: Any, joiner: Any, state: tuple[int, int]) -> None:
        """`state` is the layers and the channels of the prediction network."""
        self._decoder, self._joiner, self._state = decoder, joiner, state
        self._names = [[item.name for item in graph.get_inputs()] for graph in (decoder, joiner)]

    def start(self, count: int) -> State:
        """See Predicting."""
        layers, size = self._state
        return np.zeros((layers, count, size), np.float32), np.zeros((layers, count, size), np.float32)

    def predict(self, tokens: Rows, state: State) -> tuple[Values, State]:
        """See Predicting."""
        values = (tokens[:, None].astype(np.int32), np.ones(tokens.size, np.int32), *state)
        predicted, _, hidden, cell = self._decoder.run(None, dict(zip(self._names[0], values, strict=True)))
        return predicted[:, :, 0], (hidden, cell)

    def join(self, frames: Values, predicted: Values) -> Values:
        """See Predicting."""
        sides = (frames[:, :, None], predicted[:, :, None])
        logits: Values = self._joiner.run(None, dict(zip(self._names[1], sides, strict=True)))[0]
        return logits[:, 0, 0]


def words_within(
    emissions: Iterable[Emission], inventory: TokenInventory, frame_seconds: float, samples: Waveform
) -> list[Word]:
    """Words of emissions, none longer than the audio: the last frame may end after it, and so may TDT's durations."""
    seconds = samples.size / SAMPLE_RATE
    return [
        replace(word, start_seconds=min(word.start_seconds, seconds), end_seconds=min(word.end_seconds, seconds))
        for word in words_of(emissions, inventory, frame_seconds)
    ]
