"""The loss of networks that write a token a frame."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def ctc_loss(
    logits: torch.Tensor, frames: torch.Tensor, labels: torch.Tensor, label_lengths: torch.Tensor, *, blank: int
) -> torch.Tensor:
    """The CTC loss (Graves et al. 2006) on padded batches: mean over utterances of the loss per label token.

    Args:
        logits: (B, T', V) before softmax, T' encoder frames.
        frames: (B,) real frames of each utterance.
        labels: token rows of all utterances in one flat vector.
        label_lengths: (B,) labels of each utterance.
        blank: row of CTC's blank.

    An infinite loss is returned as such: labels longer than the frames are a fault of the data.
    """
    # float32 also under autocast: a sum over all alignments underflows in half precision. torch wants (T', B, V).
    log_probs = logits.float().log_softmax(dim=-1).transpose(0, 1)
    per_utterance = F.ctc_loss(log_probs, labels, frames, label_lengths, blank=blank, reduction="none")
    return (per_utterance / label_lengths.clamp(min=1).to(per_utterance.device)).mean()
