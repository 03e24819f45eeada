"""Training steps in bfloat16 against float32 on this processor: forward, backward and update, in alternating pairs.

Batches are as mixed as real ones: three shapes of equal length in sum, with padding. Times are of the processor, so
that another job on the machine distorts them less.

    .venv/bin/python bench/train_precision.py [--presets tiny small] [--pairs 8] [--seconds 16]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from surroundings import describe

from vizinho.model.fast import make_fast
from vizinho.model.presets import build_model
from vizinho.training.losses import ctc_loss

UTTERANCES = (8, 5, 3)
"""Of the batches of a round."""
TOKENS = 40
MASKED = 20
"""Frames of padding of every utterance but the first."""


def learner(preset: str, seconds: float) -> Callable[[str], float]:
    """A function that trains one round in a precision and returns its processor time."""
    model = build_model(preset, TOKENS, 0).train()
    make_fast(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, betas=(0.9, 0.98), fused=True)
    shrink = model.config.encoder_config.subsampling_factor

    def step(utterances: int, precision: str) -> None:
        B, T = utterances, int(seconds * 100 / utterances)
        features, mask = torch.randn(B, T, 80), torch.ones(B, T, dtype=torch.bool)
        mask[1:, -MASKED:] = False
        frames = torch.full((B,), T // shrink - MASKED // shrink - 2)
        labels = torch.full((B,), T // shrink // 4)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = model(features, attention_mask=mask).logits
        ctc_loss(logits, frames, torch.randint(1, TOKENS, (int(labels.sum()),)), labels, blank=0).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def one_round(precision: str) -> float:
        start = time.process_time()
        for utterances in UTTERANCES:
            step(utterances, precision)
        return time.process_time() - start

    return one_round


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    print(describe())
    for preset in options.presets:
        one_round = learner(preset, options.seconds)
        one_round("no"), one_round("bf16")
        pairs = [(one_round("no"), one_round("bf16")) for _ in range(options.pairs)]
        single, half = (statistics.median(side) / len(UTTERANCES) for side in zip(*pairs, strict=True))
        ratios = sorted(a / b for a, b in pairs)
        print(
            f"{preset}: a step of {options.seconds:g} s takes {single * 1000:.0f} ms in float32, {half * 1000:.0f} ms "
            f"in bfloat16; {statistics.median(ratios):.2f} times as fast ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["tiny", "small"])
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=16.0)
    main(parser.parse_args())
