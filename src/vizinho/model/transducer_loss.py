"""The loss of transducers: minus the log-probability of all ways to say the labels in the frames, summed up."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from transformers.loss.loss_tdt import tdt_loss


def transducer_loss(
    logits: torch.Tensor,
    frames: torch.Tensor,
    labels: torch.Tensor,
    label_lengths: torch.Tensor,
    *,
    blank: int,
    durations: Sequence[int] = (),
) -> torch.Tensor:
    """Mean over utterances of the loss per label token, as `ctc_loss` gives it.

    Args:
        logits: (B, T, U + 1, V + D) before softmax: after u labels, at frame t. D durations, none for RNN-T.
        frames: (B,) real frames of each utterance.
        labels: (B, U) token rows; what stands after an utterance's last label does not count.
        label_lengths: (B,) labels of each utterance.
        blank: Row of the blank.
        durations: Frames that each of the D rows stands for (TDT: Xu et al. 2023, arXiv 2304.06795).
    """
    # float32 under autocast in both: a sum over all alignments underflows in half precision.
    if durations:
        tokens = logits.shape[3] - len(durations)
        per_utterance = tdt_loss(
            logits[..., :tokens], logits[..., tokens:], labels, frames, label_lengths, blank, list(durations),
            reduction="none",
        )  # fmt: skip
    else:
        per_utterance = rnnt_losses(logits, frames, labels, label_lengths, blank=blank)
    loss: torch.Tensor = (per_utterance / label_lengths.clamp(min=1)).mean()
    return loss


def rnnt_losses(
    logits: torch.Tensor, frames: torch.Tensor, labels: torch.Tensor, label_lengths: torch.Tensor, *, blank: int
) -> torch.Tensor:
    """RNN-T's loss (B,) of each utterance (Graves 2012, arXiv 1211.3711); arguments as of `transducer_loss`.

    All labels of a frame are computed at once: a way reaches label u in frame t from any label v before it, whose
    blank came in the frame before, by saying v to u - 1; a running sum in logarithms adds these ways up.
    """
    B, T, _, _ = logits.shape
    # The softmax's denominator once for both kinds of steps: log-probabilities of all V tokens are never stored.
    total = logits.float().logsumexp(dim=3)
    blanks = (logits[..., blank].float() - total).double()
    index = labels[:, None, :, None].expand(-1, T, -1, 1)
    spoken = (logits[:, :, :-1].gather(3, index).squeeze(3).float() - total[:, :, :-1]).double()
    # along[t, u]: saying the first u labels in frame t. Double precision, as differences of long sums are taken of it.
    along = F.pad(spoken.cumsum(dim=2), (1, 0))  # (B, T, U + 1)
    # reached[t][u]: all ways to have said u labels when frame t is left.
    reached = [along[:, 0]]
    for t in range(1, T):
        arrived = reached[-1] + blanks[:, t - 1]
        reached.append(along[:, t] + torch.logcumsumexp(arrived - along[:, t], dim=1))
    # The last frame of each utterance is left by a blank, after its last label.
    last = (torch.arange(B, device=logits.device), frames - 1, label_lengths)
    return -(torch.stack(reached, dim=1)[last] + blanks[last]).float()
