"""The transducers' losses against the sum over all alignments, written out one by one."""

import math

import pytest
import torch

from vizinho.model.transducer_loss import rnnt_losses, transducer_loss

BLANK, V = 2, 4


def brute_force(logits, frames, labels, durations):
    """Minus the log of the summed probabilities of every way through (T, U + 1, V + D), in double precision."""
    tokens = logits[..., :V].double().softmax(-1)
    lasting = logits[..., V:].double().softmax(-1)

    def ways(t, u):
        if t >= frames:
            return 1.0 if t == frames and u == len(labels) else 0.0
        steps = list(zip(durations, lasting[t, u].tolist(), strict=True)) if durations else None
        after_blank = [(d, p) for d, p in steps if d > 0] if steps else [(1, 1.0)]
        total = sum(float(tokens[t, u, BLANK]) * p * ways(t + d, u) for d, p in after_blank)
        if u < len(labels):
            # A label ends inside: only a blank leads out of the last frame.
            for d, p in steps or [(0, 1.0)]:
                if t + d < frames:
                    total += float(tokens[t, u, labels[u]]) * p * ways(t + d, u + 1)
        return total

    return -math.log(ways(0, 0))


@pytest.mark.parametrize("durations", [(), (0, 1, 2), (0, 1, 2, 3, 4)], ids=["rnnt", "tdt", "long"])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_sum_over_all_alignments(durations, seed):
    generator = torch.Generator().manual_seed(seed)
    frames, lengths = torch.tensor([5, 4, 4]), torch.tensor([3, 2, 1])
    logits = 3 * torch.randn(3, 5, 4, V + len(durations), generator=generator)
    labels = torch.tensor([0, 1, 3])[torch.randint(3, (3, 3), generator=generator)]
    expected = [
        brute_force(logits[i], int(frames[i]), labels[i, : lengths[i]].tolist(), durations) / int(lengths[i])
        for i in range(3)
    ]
    logits.requires_grad_(True)
    loss = transducer_loss(logits, frames, labels, lengths, blank=BLANK, durations=durations)
    assert float(loss.detach()) == pytest.approx(sum(expected) / 3, rel=1e-4)
    loss.backward()
    assert torch.isfinite(logits.grad).all()
    # What lies behind an utterance's frames and labels does not count.
    assert not logits.grad[1, 4:].any()
    assert not logits.grad[2, :, 2:].any()


def test_gradients_of_rnnt_are_those_of_differences():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 3, V, generator=generator).requires_grad_(True)
    labels, frames, lengths = torch.tensor([[0, 1], [3, 3]]), torch.tensor([3, 2]), torch.tensor([2, 1])

    def loss(values):
        return rnnt_losses(values, frames, labels, lengths, blank=BLANK).sum()

    (gradient,) = torch.autograd.grad(loss(logits), logits)
    with torch.no_grad():
        for place in [(0, 0, 0, 0), (0, 2, 2, BLANK), (0, 1, 1, 1), (1, 0, 0, 3), (1, 1, 1, BLANK)]:
            step = torch.zeros_like(logits)
            step[place] = 1e-2
            slope = (loss(logits + step) - loss(logits - step)) / 2e-2
            assert float(gradient[place]) == pytest.approx(float(slope), abs=1e-3)


def test_long_texts_and_sure_networks_keep_their_precision():
    """Labels of almost no probability in all frames but one: sums of logarithms reach thousands."""
    T, U = 60, 200
    logits = torch.zeros(1, T, U + 1, V)
    logits[..., 0] = -20.0
    logits[0, 30, :, 0] = 20.0  # all labels are said in one frame
    labels = torch.zeros(1, U, dtype=torch.long)
    logits.requires_grad_(True)
    (loss,) = rnnt_losses(logits, torch.tensor([T]), labels, torch.tensor([U]), blank=BLANK)
    # Three tokens share each other frame; in the frame itself the blank stands at 0 against 20.
    expected = (T - 1) * math.log(3) + 20
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-3)
    loss.backward()
    assert torch.isfinite(logits.grad).all()
