"""A recogniser at work: audio to features to log-probabilities to tokens to words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vizinho.audio.features import HOP_SECONDS, extract
from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio
from vizinho.audio.logmel import at_least_minimum
from vizinho.decoding.greedy import LogProbs, greedy
from vizinho.decoding.words import words_of
from vizinho.errors import AudioError
from vizinho.model.checkpoint import Checkpoint, load_checkpoint
from vizinho.model.presets import output_frames
from vizinho.progress import Advance, silent
from vizinho.records import Transcript, Utterance

MAX_BATCH_SECONDS = 60.0
"""Padded audio decoded at once; bounds memory."""
MAX_UTTERANCE_SECONDS = 600.0
"""Attention over more than ten minutes at once would need gigabytes; longer files must be cut first."""


@dataclass(frozen=True, slots=True)
class Recognizer:
    """A loaded model that turns waveforms into transcripts; decoding is greedy."""

    checkpoint: Checkpoint

    @classmethod
    def load(cls, folder: Path) -> Recognizer:
        """Open a model folder; raises ModelError when it is not a whole one."""
        return cls(load_checkpoint(folder))

    @property
    def frame_seconds(self) -> float:
        """Time between two output frames."""
        return HOP_SECONDS * self.checkpoint.subsampling

    def log_probs(self, waveforms: Sequence[Waveform]) -> list[LogProbs]:
        """Log-probabilities of each waveform, each (T, V) without padding."""
        made = extract(self.checkpoint.extractor, [at_least_minimum(w) for w in waveforms])
        with torch.inference_mode():
            logits = self.checkpoint.model(made.features, attention_mask=made.mask).logits
            log_probs = logits.float().log_softmax(dim=-1).cpu().numpy()
        lengths = [output_frames(int(n), self.checkpoint.subsampling) for n in made.mask.sum(dim=1)]
        return [log_probs[i, :length] for i, length in enumerate(lengths)]

    def transcribe(self, path: Path) -> Transcript:
        """Transcribe one file. Raises AudioError for a file that cannot be read or is too long."""
        samples = load_audio(path)
        seconds = samples.size / SAMPLE_RATE
        if seconds > MAX_UTTERANCE_SECONDS:
            raise AudioError(
                f"{seconds:.0f} s is too long to decode in one piece",
                where=path,
                fix=f"cut it into pieces of at most {MAX_UTTERANCE_SECONDS:.0f} s",
            )
        return self._transcript(str(path), samples, self.log_probs([samples])[0])

    def transcribe_corpus(self, utterances: Sequence[Utterance], progress: Advance = silent) -> dict[str, Transcript]:
        """Transcripts of utterances by id; decoded in batches of similar length."""
        found: dict[str, Transcript] = {}
        for group in _by_duration(utterances):
            waveforms = [load_audio(u.audio) for u in group]
            for utterance, samples, frames in zip(group, waveforms, self.log_probs(waveforms), strict=True):
                found[utterance.id] = self._transcript(utterance.id, samples, frames)
            progress(len(group), "")
        return found

    def _transcript(self, name: str, samples: Waveform, log_probs: LogProbs) -> Transcript:
        emissions = greedy(log_probs, self.checkpoint.tokenizer.pad_token_id)
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


def recognizer_of(model: Any, extractor: Any, tokenizer: Any) -> Recognizer:
    """A recogniser of parts already in memory."""
    return Recognizer(Checkpoint(model, extractor, tokenizer))
