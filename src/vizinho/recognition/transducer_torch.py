"""A transducer in torch, as the training loop scores it and as it is recognised."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from vizinho.audio.io import Waveform
from vizinho.audio.logmel import at_least_minimum
from vizinho.decoding.transducer import Rows, State, TransducerSettings, Values, greedy_transducer
from vizinho.recognition.one_text import OneText
from vizinho.recognition.transducer_onnx import TRANSDUCER, TRANSDUCER_WAY_OUT, words_within
from vizinho.records import Word
from vizinho.text.tokens import TokenInventory

if TYPE_CHECKING:
    from vizinho.model.networks import Checkpoint


class TorchTransducer(OneText):
    """A `WordsEngine` that decodes greedily with the weights of the moment."""

    engine_name, way_out = TRANSDUCER, TRANSDUCER_WAY_OUT

    def __init__(self, checkpoint: Checkpoint) -> None:
        from vizinho.model.networks import durations_of

        model = checkpoint.model
        self._checkpoint, self._front = checkpoint, checkpoint.front
        self.max_seconds = self._front.max_seconds
        self._settings = TransducerSettings(
            checkpoint.blank, durations_of(model), int(model.config.max_symbols_per_step)
        )

    @cached_property
    def inventory(self) -> TokenInventory:
        """Tokens in the order of the rows."""
        return self._checkpoint.inventory

    def words(self, waveforms: Sequence[Waveform]) -> list[list[Word]]:
        """See WordsEngine. A word lasts from its first token to the end of its last one."""
        import torch

        front, model = self._front, self._checkpoint.model
        inputs = front.extract([at_least_minimum(samples) for samples in waveforms])
        with torch.inference_mode():
            audio = model.get_audio_features(inputs.features.to(model.device), inputs.mask.to(model.device))
            # Projected once for all: the joint network adds them to the predictions token by token.
            frames = audio.pooler_output.float().cpu().numpy()  # (B, T', J)
            lengths = [front.output_frames(int(steps)) for steps in inputs.mask.sum(dim=1)]
            emissions = greedy_transducer(_TorchPredicting(model), frames, lengths, self._settings)
        timed = zip(emissions, waveforms, strict=True)
        return [words_within(of_one, self.inventory, front.frame_seconds, samples) for of_one, samples in timed]


class _TorchPredicting:
    """Prediction and joint network of a ParakeetForRNNT or ParakeetForTDT."""

    def __init__(self, model: Any) -> None:
        self._decoder, self._joint, self._device = model.decoder, model.joint, model.device

    def start(self, count: int) -> State:
        """See Predicting."""
        lstm = self._decoder.lstm
        shape = (lstm.num_layers, count, lstm.hidden_size)
        return np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def predict(self, tokens: Rows, state: State) -> tuple[Values, State]:
        """See Predicting."""
        import torch

        decoder = self._decoder
        # Without the official cache, which updates the rows of a batch under a mask: here only new tokens come.
        embedded = decoder.embedding(torch.from_numpy(tokens).to(self._device))[:, None]
        hidden, cell = (torch.from_numpy(np.ascontiguousarray(part)).to(self._device) for part in state)
        output, after = decoder.lstm(embedded, (hidden, cell))
        predicted = decoder.decoder_projector(output[:, 0])
        hidden, cell = (part.cpu().numpy() for part in after)
        return predicted.cpu().numpy(), (hidden, cell)

    def join(self, frames: Values, predicted: Values) -> Values:
        """See Predicting."""
        import torch

        sides = (torch.from_numpy(side).to(self._device) for side in (predicted, frames))
        logits: Values = self._joint(*sides).float().cpu().numpy()
        return logits
