"""Training a recogniser with a decoder (Whisper): cross-entropy of the next token, the true ones before it given."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from vizinho.corpora.batches import Batch, Example
from vizinho.errors import SpecError
from vizinho.model.networks import Checkpoint
from vizinho.model.whisper import most_tokens, prompt_of, written_rows
from vizinho.records import Utterance
from vizinho.training.data import Preparer
from vizinho.training.options import TrainingOptions
from vizinho.training.ranks import Ranks
from vizinho.training.speech_task import SpeechTask

_IGNORED = -100  # cross_entropy's label of what has no part in the loss


@dataclass(frozen=True, slots=True)
class WrittenPreparer(Preparer):
    """Encodes texts as they are written, with case and punctuation, for Whisper."""

    most_tokens: int = 0
    """More tokens than the decoder has positions for."""

    def __call__(self, utterance: Utterance) -> Example | str:
        """See Preparer."""
        labels = written_rows(self.tokenizer, utterance.text)
        longest_seconds = utterance.duration_seconds / (1 - self.speed_range)
        if not labels or not self.normalizer(utterance.text):
            return "no text left after normalising"
        if not self.front.can_hear(longest_seconds):
            return f"{longest_seconds:.1f} s at its slowest, the network hears {self.front.max_seconds:g} s"
        if len(labels) > self.most_tokens:
            return f"{len(labels)} tokens of text, the network writes at most {self.most_tokens}"
        return Example(utterance, tuple(labels))


def ranks_of_decoder(options: TrainingOptions, what: str) -> Ranks:
    """The processes that train a network with a decoder. Raises SpecError for what only networks with CTC can do."""
    ctc_only = {"streaming": options.streaming.share, "phonemes": options.phonemes.weight}
    for name in (name for name, asked in ctc_only.items() if asked):
        raise SpecError("a network with a decoder cannot", where=name, fix="leave the table out, or use --head ctc")
    ranks = Ranks.accelerated(options)
    if ranks.sharded:
        raise SpecError(f"{what} cannot be sharded", where="distributed", fix='use strategy = "ddp"')
    return ranks


class WrittenTask(SpeechTask):
    """A recogniser with a decoder and what it learns from: batches, steps and dev scores are those of `SpeechTask`."""

    @classmethod
    def preparer(
        cls,
        checkpoint: Checkpoint,
        normalizer: Callable[[str], str],
        speed_range: float,
        as_written: Callable[[str], str] | None = None,
    ) -> Preparer:
        """See SpeechTask; texts are always learnt as they are written."""
        most = most_tokens(checkpoint.model, math.inf)
        return WrittenPreparer(checkpoint.tokenizer, normalizer, checkpoint.front, speed_range, most_tokens=most)

    def begin(self, options: TrainingOptions) -> Ranks:
        """Raises SpecError for what only networks with CTC can do."""
        return ranks_of_decoder(options, "Whisper")

    def loss(self, network: Any, batch: Batch, options: TrainingOptions, ranks: Ranks) -> torch.Tensor:
        """Mean over the tokens of the batch, each text's end among them; the prompt is given and not learnt."""
        inputs, labels = self._teacher(batch)
        with ranks.autocast():
            outputs = network(
                input_features=batch.features.transpose(1, 2).to(ranks.device),
                decoder_input_ids=inputs.to(ranks.device),
                use_cache=False,
            )
        # Tokens last, as they lie in memory: a softmax over another axis of 50,000 takes three times as long.
        logits = outputs.logits.float().flatten(0, 1)  # (B L, V)
        return cross_entropy(logits, labels.flatten().to(ranks.device), ignore_index=_IGNORED)

    def _teacher(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """What the decoder reads (B, L) and what it is to write at each place (B, L)."""
        config = self.checkpoint.model.config
        prompt = prompt_of(self.checkpoint.model)
        texts = torch.split(batch.labels, batch.label_lengths.tolist())
        width = len(prompt) + int(batch.label_lengths.max())
        inputs = torch.full((len(texts), width), int(config.eos_token_id))
        labels = torch.full((len(texts), width), _IGNORED)
        inputs[:, : len(prompt)] = torch.tensor(prompt)
        for row, text in enumerate(texts):
            inputs[row, len(prompt) : len(prompt) + len(text)] = text
            # The last row of the prompt writes the first token, the last token writes the end.
            labels[row, len(prompt) - 1 : len(prompt) - 1 + len(text)] = text
            labels[row, len(prompt) - 1 + len(text)] = int(config.eos_token_id)
        return inputs, labels
