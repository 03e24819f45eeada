"""A network's inputs: waveforms through the Hugging Face extractor that is saved with every model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import ParakeetFeatureExtractor

from vizinho.audio.augment import AugmentOptions, Random, mask_features, mask_waveform
from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.audio.logmel import MIN_SAMPLES
from vizinho.errors import AudioError

MEL_CHANNELS = 80


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """Padded inputs: `features` (B, T, F), or (B, T) for waveforms; `mask` (B, T), true on real input steps."""

    features: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True, slots=True)
class Convolution:
    """One convolution along time between the inputs and the output frames."""

    kernel: int
    stride: int
    padding: int = 0

    def frames(self, steps: int) -> int:
        """Number of outputs for a number of inputs, 0 when they are too few."""
        return max(0, (steps + 2 * self.padding - self.kernel) // self.stride + 1)


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """How a network takes its audio, and how many output frames it makes of it.

    An input step is one position on the time axis of the input: a sample of the waveform, a log-mel frame, or several
    frames stacked.
    """

    extractor: Any
    samples_per_step: int
    """Audio samples from one input step to the next: 1 for waveforms."""
    overhang_samples: int = 0
    """Samples at the end of a recording that are too few for a step."""
    convolutions: tuple[Convolution, ...] = ()
    masked: bool = True
    """Whether the network takes an attention mask. Those with a group norm over time (wav2vec 2.0 base) do not."""
    alone: bool = False
    """Whether padding changes the outputs in spite of a mask: then utterances are recognised one at a time."""
    stacked: int = 1
    """Log-mel frames side by side in one step."""
    centred: bool = True
    """Whether the extractor subtracts the mean, so that zero stands for a masked value."""
    max_seconds: float | None = None
    """Longest audio for which the network has position embeddings."""
    windows: tuple[float, ...] = ()
    """Lengths in seconds, in rising order, that audio is padded to; empty where padding means nothing."""
    margin_seconds: float = 0.0
    """Silence that a window has at its end, except the longest."""

    @property
    def waveform(self) -> bool:
        """Whether steps are samples, not log-mel frames."""
        return self.samples_per_step == 1

    @property
    def step_seconds(self) -> float:
        """Time from one input step to the next."""
        return self.samples_per_step / SAMPLE_RATE

    @property
    def subsampling(self) -> int:
        """Input steps from one output frame to the next."""
        product = 1
        for convolution in self.convolutions:
            product *= convolution.stride
        return product

    @property
    def frame_seconds(self) -> float:
        """Time from one output frame to the next."""
        return self.step_seconds * self.subsampling

    def steps_of(self, samples: int) -> int:
        """Input steps of a recording."""
        return max(0, (samples - self.overhang_samples) // self.samples_per_step)

    def output_frames(self, steps: int) -> int:
        """Output frames T' for a number of input steps."""
        for convolution in self.convolutions:
            steps = convolution.frames(steps)
        return steps

    def can_hear(self, seconds: float) -> bool:
        """Whether audio is not longer than `max_seconds`."""
        return self.max_seconds is None or seconds <= self.max_seconds

    def window_samples(self, samples: int) -> int:
        """Samples of the shortest window that holds so many and the margin."""
        sizes = [round(seconds * SAMPLE_RATE) for seconds in self.windows]
        needed = samples + round(self.margin_seconds * SAMPLE_RATE)
        return next((size for size in sizes if size >= needed), sizes[-1])

    def attention_mask(self, mask: torch.Tensor) -> torch.Tensor | None:
        """The mask as the network takes it: None for networks without one."""
        return mask if self.masked else None

    def extract(self, waveforms: Sequence[Waveform]) -> FeatureBatch:
        """Inputs of several waveforms, each (N,), padded to the longest, or to the shortest window that holds it.

        Raises AudioError for waveforms under 40 ms or over `max_seconds`.
        """
        for position, samples in enumerate(waveforms):
            seconds = samples.size / SAMPLE_RATE
            if samples.size < MIN_SAMPLES:
                raise AudioError(
                    f"{seconds:.3f} s of audio is too short to recognise",
                    where=f"waveform {position}",
                    fix=f"give at least {MIN_SAMPLES / SAMPLE_RATE:.2f} s",
                )
            if not self.can_hear(seconds):
                raise AudioError(
                    f"{seconds:.1f} s is too long for this network",
                    where=f"waveform {position}",
                    fix=f"cut it into pieces of at most {self.max_seconds:g} s",
                )
        longest = max(samples.size for samples in waveforms)
        padding = (
            {"padding": "max_length", "max_length": self.window_samples(longest)}
            if self.windows
            else {"padding": "longest"}
        )
        extracted = self.extractor(
            list(waveforms),
            sampling_rate=SAMPLE_RATE,
            **padding,
            truncation=False,
            return_attention_mask=True,
            return_tensors="pt",
        )
        features = extracted[self.extractor.model_input_names[0]]
        if features.shape[1] != extracted["attention_mask"].shape[1]:  # Whisper's features come as (B, F, T)
            features = features.transpose(1, 2)
        # Not the extractor's mask: Whisper's counts one frame more for all but the longest utterance of a batch.
        steps = torch.tensor([self.steps_of(samples.size) for samples in waveforms])
        return FeatureBatch(features.contiguous(), torch.arange(features.shape[1]) < steps[:, None])

    def masked_waveform(self, samples: Waveform, options: AugmentOptions, rng: Random) -> Waveform:
        """SpecAugment for networks that take waveforms; others get theirs in `mask_inputs`."""
        return mask_waveform(samples, options, rng) if self.waveform else samples

    def mask_inputs(self, inputs: torch.Tensor, options: AugmentOptions, rng: Random) -> torch.Tensor:
        """SpecAugment on the (T, F) log-mel inputs of one utterance; waveforms are left unchanged."""
        if self.waveform:
            return inputs
        T, F = inputs.shape
        frames = inputs.numpy().reshape(T * self.stacked, F // self.stacked)  # unstacked: one frame per row
        mean = np.float32(0.0) if self.centred else frames.mean(axis=0)
        return torch.from_numpy(mask_features(frames - mean, options, rng) + mean).reshape(T, F)


def make_extractor() -> Any:
    """The extractor of every preset: 80 mel channels, 25 ms windows every 10 ms, normalised per utterance."""
    return ParakeetFeatureExtractor(feature_size=MEL_CHANNELS, sampling_rate=SAMPLE_RATE)
