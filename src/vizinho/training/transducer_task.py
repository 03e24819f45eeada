"""Training a transducer (RNN-T, TDT): all ways to say the labels count, and dev is decoded greedily."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from vizinho.corpora.batches import Batch
from vizinho.errors import ModelError
from vizinho.model.networks import Checkpoint, durations_of, frames_needed
from vizinho.model.transducer_loss import transducer_loss
from vizinho.training.data import Preparer
from vizinho.training.options import TrainingOptions
from vizinho.training.ranks import Ranks
from vizinho.training.speech_task import SpeechTask
from vizinho.training.written_task import ranks_of_decoder


class TransducerTask(SpeechTask):
    """A transducer and what it learns from: batches and dev scores are those of `SpeechTask`."""

    @classmethod
    def preparer(cls, checkpoint: Checkpoint, *texts: Any, **more: Any) -> Preparer:
        """See SpeechTask; several labels may be said in one frame."""
        return replace(super().preparer(checkpoint, *texts, **more), frames_needed=frames_needed(checkpoint.model))

    def begin(self, options: TrainingOptions) -> Ranks:
        """Raises SpecError for what only networks with CTC can do, ModelError for durations that have no gradient."""
        durations = durations_of(self.model)
        if durations and 0 not in durations:
            # Then some places are never reached, and transformers' loss has gradients that are not numbers.
            what = f"its durations are {', '.join(map(str, durations))}; without 0 they cannot be trained"
            raise ModelError(what, where="durations", fix="use another donor, or its encoder alone: --head ctc")
        return ranks_of_decoder(options, "a transducer")

    def loss(self, network: Any, batch: Batch, options: TrainingOptions, ranks: Ranks) -> torch.Tensor:
        """Mean over utterances of the loss per label."""
        blank, device = self.checkpoint.blank, ranks.device
        texts = torch.split(batch.labels, batch.label_lengths.tolist())
        labels = torch.nn.utils.rnn.pad_sequence(list(texts), batch_first=True, padding_value=blank).to(device)
        # The prediction network reads the blank and then the labels: (B, U + 1).
        inputs = torch.nn.functional.pad(labels, (1, 0), value=blank)
        with ranks.autocast():
            outputs = network(
                input_features=batch.features.to(device),
                attention_mask=batch.mask.to(device),
                decoder_input_ids=inputs,
            )
        # Logits (B, T, U + 1, V + D) are the largest tensor of a step: what is padding in all utterances is cut off.
        frames = batch.frames.to(device)
        return transducer_loss(
            outputs.logits[:, : int(frames.max())],
            frames,
            labels,
            batch.label_lengths.to(device),
            blank=blank,
            durations=durations_of(self.checkpoint.model),
        )
