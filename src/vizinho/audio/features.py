"""What a network hears: waveforms through the Hugging Face extractor that is saved with every model."""

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
    """Padded inputs. `features` is (B, T, F) float32, or (B, T) for networks that hear waveforms; `mask` is (B, T)
    bool, true on real input steps."""

    features: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True, slots=True)
class Convolution:
    """One convolution along time between the inputs and the output frames."""

    kernel: int
    stride: int
    padding: int = 0

    def frames(self, steps: int) -> int:
        """Outputs for a number of inputs, 0 when they are too few."""
        return max(0, (steps + 2 * self.padding - self.kernel) // self.stride + 1)


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """How a network wants its audio, and how many output frames it makes of it.

    An input step is what the network's time axis counts at its input: a sample of the waveform, a log-mel frame, or
    several of them stacked.
    """

    extractor: Any
    samples_per_step: int
    """Audio samples from one input step to the next: 1 for waveforms."""
    overhang_samples: int = 0
    """Samples at the end of a recording that make no step of their own."""
    convolutions: tuple[Convolution, ...] = ()
    masked: bool = True
    """Whether the network is told what is padding. Those with a group norm over time were trained without (wav2vec 2.0
    base): they see zeros there."""
    alone: bool = False
    """Whether padding changes what the network hears, mask or not: at recognition each utterance then goes alone."""
    stacked: int = 1
    """Log-mel frames side by side in one step."""
    centred: bool = True
    """Whether the extractor takes out the mean, so that zero masks."""
    max_seconds: float | None = None
    """Longest audio the network has positions for."""

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
        """Whether audio is short enough for the network's positions."""
        return self.max_seconds is None or seconds <= self.max_seconds

    def attention_mask(self, mask: torch.Tensor) -> torch.Tensor | None:
        """The mask as the network takes it: None for those that were trained without."""
        return mask if self.masked else None

    def extract(self, waveforms: Sequence[Waveform]) -> FeatureBatch:
        """Inputs of several waveforms, each (N,), padded to the longest.

        Raises AudioError under 40 ms and over what the network has positions for.
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
        made = self.extractor(
            list(waveforms),
            sampling_rate=SAMPLE_RATE,
            padding="longest",
            truncation=False,
            return_attention_mask=True,
            return_tensors="pt",
        )
        features = made[self.extractor.model_input_names[0]]
        if features.shape[1] != made["attention_mask"].shape[1]:  # Whisper's features come as (B, F, T)
            features = features.transpose(1, 2)
        # Not the extractor's mask: Whisper's counts a frame more where a longer utterance stands beside.
        steps = torch.tensor([self.steps_of(samples.size) for samples in waveforms])
        return FeatureBatch(features.contiguous(), torch.arange(features.shape[1]) < steps[:, None])

    def masked_waveform(self, samples: Waveform, options: AugmentOptions, rng: Random) -> Waveform:
        """SpecAugment for networks that hear waveforms; others get theirs in `mask_inputs`."""
        return mask_waveform(samples, options, rng) if self.waveform else samples

    def mask_inputs(self, inputs: torch.Tensor, options: AugmentOptions, rng: Random) -> torch.Tensor:
        """SpecAugment on the (T, F) log-mel inputs of one utterance; waveforms stay as they are."""
        if self.waveform:
            return inputs
        T, F = inputs.shape
        frames = inputs.numpy().reshape(T * self.stacked, F // self.stacked)
        mean = np.float32(0.0) if self.centred else frames.mean(axis=0)
        return torch.from_numpy(mask_features(frames - mean, options, rng) + mean).reshape(T, F)


def make_extractor() -> Any:
    """The extractor every preset uses: 80 mel channels, 25 ms windows every 10 ms, normalised per utterance."""
    return ParakeetFeatureExtractor(feature_size=MEL_CHANNELS, sampling_rate=SAMPLE_RATE)
