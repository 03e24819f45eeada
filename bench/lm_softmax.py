"""How much faster a training step is when the right word is told from some words instead of all; prints the ratio.

python bench/lm_softmax.py
"""

from __future__ import annotations

import time

import torch
from surroundings import describe

from vizinho.text_models.lstm import Architecture, build, predictions
from vizinho.text_models.lstm_task import word_loss
from vizinho.text_models.words import Batch

WORDS, SENTENCES, PLACES, REPEATS = 10_000, 48, 21, 10


def step_seconds(samples: int) -> float:
    """Fastest of several steps: forward, loss, backward."""
    model = build(Architecture(), WORDS, None, seed=1)
    rows = torch.randint(3, WORDS, (SENTENCES, PLACES))
    distinct, places = rows.unique(return_inverse=True)
    batch = Batch(distinct, places, rows, torch.full((SENTENCES,), PLACES))
    generator = torch.Generator().manual_seed(1)
    found = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        (states, right), *_ = predictions(model, batch)
        word_loss(model, states, right, samples, generator).backward()
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    print(describe())
    torch.set_num_threads(1)
    whole = step_seconds(0)
    for samples in (1024, 512):
        some = step_seconds(samples)
        print(f"{WORDS:,} words: {whole:.3f} s a step; {samples} drawn: {some:.3f} s; {whole / some:.1f} times as fast")


if __name__ == "__main__":
    main()
