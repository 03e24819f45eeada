"""A recogniser at work: audio to features to log-probabilities to tokens to words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vizinho.audio.features import FrontEnd
from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio
from vizinho.audio.logmel import at_least_minimum
from vizinho.decoding.greedy import Decoder, Emission, LogProbs, greedy
from vizinho.decoding.words import words_of
from vizinho.errors import AudioError
from vizinho.model.checkpoint import Checkpoint, load_checkpoint
from vizinho.progress import Advance, silent
from vizinho.records import Transcript, Utterance

MAX_BATCH_SECONDS = 60.0
"""Padded audio decoded at once; bounds memory."""
MAX_UTTERANCE_SECONDS = 600.0
"""Attention over more than ten minutes at once would need gigabytes; longer files must be cut first."""


@dataclass(frozen=True, slots=True)
class Recognizer:
    """A loaded model that turns waveforms into transcripts; without a decoder, decoding is greedy."""

    checkpoint: Checkpoint
    decoder: Decoder | None = None

    @classmethod
    def load(cls, folder: Path, decoder: Decoder | None = None) -> Recognizer:
        """Open a model folder; raises ModelError when it is not a whole one."""
        return cls(load_checkpoint(folder), decoder)

    @property
    def frame_seconds(self) -> float:
        """Time between two output frames."""
        return self.checkpoint.front.frame_seconds

    def log_probs(self, waveforms: Sequence[Waveform]) -> list[LogProbs]:
        """Log-probabilities of each waveform, each (T, V) without padding."""
        front = self.checkpoint.front
        padded = [at_least_minimum(w) for w in waveforms]
        groups = [[w] for w in padded] if front.alone else [padded]
        return [frames for group in groups for frames in self._log_probs(front, group)]

    def _log_probs(self, front: FrontEnd, waveforms: Sequence[Waveform]) -> list[LogProbs]:
        made = front.extract(waveforms)
        with torch.inference_mode():
            model = self.checkpoint.model
            device = next(model.parameters()).device
            logits = model(made.features.to(device), attention_mask=front.attention_mask(made.mask.to(device))).logits
            log_probs = logits.float().log_softmax(dim=-1).cpu().numpy()
        lengths = [front.output_frames(int(n)) for n in made.mask.sum(dim=1)]
        return [log_probs[i, :length] for i, length in enumerate(lengths)]

    def transcribe(self, path: Path) -> Transcript:
        """Transcribe one file. Raises AudioError for a file that cannot be read or is too long."""
        return self.transcript(str(path), *self.hear(path))

    def hear(self, path: Path) -> tuple[Waveform, LogProbs]:
        """Samples and log-probabilities (T, V) of one file. Raises AudioError as `transcribe`."""
        samples = load_audio(path)
        seconds = samples.size / SAMPLE_RATE
        limit = min(MAX_UTTERANCE_SECONDS, self.checkpoint.front.max_seconds or MAX_UTTERANCE_SECONDS)
        if seconds > limit:
            raise AudioError(
                f"{seconds:.0f} s is too long to decode in one piece",
                where=path,
                fix=f"cut it into pieces of at most {limit:.0f} s",
            )
        return samples, self.log_probs([samples])[0]

    def transcribe_corpus(self, utterances: Sequence[Utterance], progress: Advance = silent) -> dict[str, Transcript]:
        """Transcripts of utterances by id; decoded in batches of similar length."""
        return {u.id: self.transcript(u.id, samples, frames) for u, samples, frames in self.heard(utterances, progress)}

    def heard(
        self, utterances: Sequence[Utterance], progress: Advance = silent
    ) -> Iterator[tuple[Utterance, Waveform, LogProbs]]:
        """Utterances with their samples and log-probabilities (T, V); run in batches of similar length."""
        for group in _by_duration(utterances):
            waveforms = [load_audio(u.audio) for u in group]
            for utterance, samples, frames in zip(group, waveforms, self.log_probs(waveforms), strict=True):
                yield utterance, samples, frames
                progress(1, "")

    def decode(self, log_probs: LogProbs) -> list[Emission]:
        """What the decoder makes of the log-probabilities (T, V) of one utterance."""
        if self.decoder is None:
            return greedy(log_probs, self.checkpoint.tokenizer.pad_token_id)
        return self.decoder(log_probs)

    def transcript(self, name: str, samples: Waveform, log_probs: LogProbs) -> Transcript:
        """What was said in samples whose log-probabilities (T, V) are known."""
        emissions = self.decode(log_probs)
        words = tuple(words_of(emissions, self.checkpoint.inventory, self.frame_seconds))
        confidence = float(np.mean([w.confidence for w in words])) if words else 0.0
        return Transcript(name, " ".join(w.text for w in words), words, confidence, samples.size / SAMPLE_RATE)


def _by_duration(utterances: Sequence[Utterance]) -> Iterator[list[Utterance]]:
    group: list[Utterance] = []
    for utterance in sorted(utterances, key=lambda u: u.duration_seconds):
        if group and utterance.duration_seconds * (len(group) + 1) > MAX_BATCH_SECONDS:
            yield group
            group = []
        group.append(utterance)
    if group:
        yield group
