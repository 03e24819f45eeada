"""What computes log-probabilities of waveforms: a network in torch, or its export in onnxruntime.

An exported model is a folder that `recognition.export` writes and `OnnxEngine` reads:

    model.onnx or model.int8.onnx   features (B, F, T), lengths (B,) to log-probabilities (B, T', V), as NeMo's
    tokens.txt                      a token and its column per line, blank last, as sherpa-onnx wants it
    vizinho.json                    everything else a recogniser needs: features, roles of tokens, rows of the model

Of a transducer there are three graphs instead of one (`recognition.export_transducer`). The graph's columns are the
model's rows with the blank moved to the end; `rows` in vizinho.json says where each went.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from vizinho.audio.io import Waveform
from vizinho.audio.logmel import LogMel, at_least_minimum
from vizinho.decoding.greedy import LogProbs
from vizinho.errors import ModelError
from vizinho.parallel import fast_bf16
from vizinho.recognition.graphs import FORMAT, GRAPHS, SETTINGS, feature_inputs, open_session
from vizinho.records import Word
from vizinho.text.tokens import TokenInventory

if TYPE_CHECKING:
    from vizinho.decoding.nbest import Candidate, Choose
    from vizinho.model.networks import Checkpoint


class Engine(Protocol):
    """A network at work. `log_probs` may be called by several threads at once."""

    @property
    def inventory(self) -> TokenInventory:
        """Tokens in the order of the log-probabilities' columns (V of them)."""

    @property
    def blank(self) -> int:
        """Column of CTC's blank."""

    @property
    def frame_seconds(self) -> float:
        """Time between two rows of log-probabilities."""

    @property
    def max_seconds(self) -> float | None:
        """Longest audio that the network has positions for; None where there is no limit."""

    def log_probs(self, waveforms: Sequence[Waveform]) -> list[LogProbs]:
        """Log-probabilities of 16 kHz waveforms, each (N,), as one batch; each (T, V) without padding."""


@runtime_checkable
class WordsEngine(Protocol):
    """A network with a decoder (Whisper, a transducer): it writes words by itself and gives no log-probabilities."""

    @property
    def max_seconds(self) -> float | None:
        """See Engine."""

    def words(self, waveforms: Sequence[Waveform]) -> list[list[Word]]:
        """Words of 16 kHz waveforms, each (N,), with times from the start of its waveform; several calls at once."""

    def expecting(self, hotwords: Sequence[str]) -> WordsEngine:
        """This network where these words are likely. Raises SpecError where it cannot be told."""

    def choosing(self, choose: Choose, count: int) -> WordsEngine:
        """This network where `choose` takes one of `count` texts of a piece. Raises SpecError where it writes one."""

    def candidates(self, waveforms: Sequence[Waveform], count: int) -> list[list[Candidate]]:
        """Texts to choose from, the favourite first; none where nobody speaks. Raises SpecError as `choosing` does."""


class TorchEngine:
    """A network in torch. It may be in training: each call computes with the weights of the moment.

    The forward pass changes nothing in the model, so threads may share it.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self._front = checkpoint.front
        self.frame_seconds, self.max_seconds = self._front.frame_seconds, self._front.max_seconds

    @classmethod
    def load(cls, folder: Path) -> TorchEngine:
        """Open a folder of a CTC network; raises ModelError when it is not a whole one."""
        engine = load_torch(folder)
        if not isinstance(engine, cls):
            raise ModelError("it has a decoder, and gives no log-probabilities", where=folder, fix="use a CTC model")
        return engine

    @cached_property
    def inventory(self) -> TokenInventory:
        """See Engine. Read from the tokenizer once, on first use: encoders without one can still be run."""
        return self.checkpoint.inventory

    @cached_property
    def blank(self) -> int:
        """See Engine."""
        return int(self.checkpoint.tokenizer.pad_token_id)

    def log_probs(self, waveforms: Sequence[Waveform]) -> list[LogProbs]:
        """See Engine."""
        padded = [at_least_minimum(w) for w in waveforms]
        # Padding changes the output of some networks whatever the mask says: their utterances go one by one.
        groups = [[w] for w in padded] if self._front.alone else [padded]
        return [frames for group in groups for frames in self._batch(group)]

    def _batch(self, waveforms: Sequence[Waveform]) -> list[LogProbs]:
        import torch

        front, model = self._front, self.checkpoint.model
        inputs = front.extract(waveforms)
        with torch.inference_mode():
            device = next(model.parameters()).device
            mask = front.attention_mask(inputs.mask.to(device))  # None for networks trained without
            logits = model(inputs.features.to(device), attention_mask=mask).logits  # (B, T', V)
            log_probs = logits.float().log_softmax(dim=-1).cpu().numpy()
        lengths = [front.output_frames(int(steps)) for steps in inputs.mask.sum(dim=1)]
        return [log_probs[i, :length] for i, length in enumerate(lengths)]


def torch_engine(
    checkpoint: Checkpoint, language: str | None = None, precision: str = "no", *, pooled: bool = False
) -> TorchEngine | WordsEngine:
    """What computes with a network in memory; the options are for Whisper (`TorchWhisper`)."""
    from vizinho.model.frontends import is_whole_whisper
    from vizinho.model.networks import is_transducer

    if is_transducer(checkpoint.model):
        from vizinho.recognition.transducer_torch import TorchTransducer

        return TorchTransducer(checkpoint)
    if is_whole_whisper(checkpoint.model):
        from vizinho.recognition.whisper_torch import TorchWhisper

        return TorchWhisper(checkpoint, language, precision, pooled=pooled)
    return TorchEngine(checkpoint)


def load_torch(folder: Path, language: str | None = None) -> TorchEngine | WordsEngine:
    """Open a model folder; raises ModelError when it is not a whole one. `language` is as in `torch_engine`."""
    from vizinho.model.checkpoint import load_checkpoint
    from vizinho.model.fast import make_fast

    checkpoint = load_checkpoint(folder)
    # Only here: the forward pass of a network in training belongs to the training loop, which may have replaced it.
    make_fast(checkpoint.model)
    return torch_engine(checkpoint, language, "bf16" if fast_bf16() else "no")


class OnnxEngine:
    """An exported network in onnxruntime, whose sessions may be shared by threads; features without torch."""

    max_seconds = None
    """FastConformer's relative positions are computed for any length."""

    def __init__(self, session: Any, settings: Mapping[str, Any]) -> None:
        self._session = session
        self._features = LogMel.of(settings["features"])
        self._subsampling = int(settings["subsampling"])
        self._columns = np.argsort(settings["rows"])  # from the graph's order back to the model's
        self.inventory = TokenInventory(tuple(settings["tokens"]), tuple(settings["roles"]))
        self.blank = int(settings["blank"])
        self.frame_seconds = self._subsampling * self._features.hop_length / self._features.sampling_rate

    def log_probs(self, waveforms: Sequence[Waveform]) -> list[LogProbs]:
        """See Engine."""
        return self.run(self.features(waveforms))

    def features(self, waveforms: Sequence[Waveform]) -> dict[str, npt.NDArray[Any]]:
        """The graph's inputs for 16 kHz waveforms, each (N,): padded features (B, F, T) and lengths (B,)."""
        return feature_inputs([self._features(at_least_minimum(w)) for w in waveforms], self._subsampling)

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> list[LogProbs]:
        """Log-probabilities of the inputs that `features` returned."""
        log_probs = self._session.run(None, inputs)[0]
        frames = -(-inputs["length"] // self._subsampling)  # each stride-2 convolution rounds up
        return [rows[:count, self._columns] for rows, count in zip(log_probs, frames, strict=True)]


def load_export(folder: Path, threads: int = 1) -> OnnxEngine | WordsEngine:
    """Open a folder that `vizinho export` wrote; raises ModelError when it is not a whole one."""
    from vizinho.recognition.transducer_onnx import OnnxTransducer

    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        if settings["format"] != FORMAT:
            raise ModelError(f"export format {settings['format']}, this version reads {FORMAT}", where=folder)
        if settings.get("kind") == "transducer":
            return OnnxTransducer(folder, settings, threads)
        return OnnxEngine(open_session(folder / GRAPHS[settings["precision"]], threads), settings)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"not an exported model ({error})", where=folder, fix="write it again with `vizinho export`"
        ) from error
