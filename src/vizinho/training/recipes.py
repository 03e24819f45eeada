"""The training options of each kind of run, and recipe files (TOML) that override them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from vizinho.errors import SpecError
from vizinho.files import read_toml
from vizinho.parallel import fast_bf16
from vizinho.training.options import LayerPolicy, TrainingOptions, from_dict

PASSES = 13
"""Epochs of a transfer over the target speech, where that makes between LEAST_STEPS and MOST_STEPS steps."""
LEAST_STEPS, MOST_STEPS = 400, 20_000
START_SHARES = (0.2, 0.3, 0.4, 0.5, 0.7)
"""Shares of the start's weights that are tried on dev at the end; each costs one evaluation. The more of it, the fewer
minutes there are: with one real minute .7 was best, with 8 and 30 minutes .2 to .5 (docs/recipe.md)."""
WHISPER_PASSES, WHISPER_MINUTES = 8, 8.0
"""Epochs of a transfer from Whisper with its decoder, with up to this many minutes. Beyond them steps grow with the
root of the minutes, but not below one epoch: with 121 minutes dev was best after 200 and 500 of 600 steps (two seeds),
where eight epochs are 2,420."""
MUCH_MINUTES = 30.0
"""With this much target speech a transfer gets the rate of training from scratch."""
NEW_HEAD_ENCODER_RATE = 0.05
"""Rate of a pretrained encoder relative to its new head: Whisper base's encoder has test CER .366 with it (8 real
minutes, 400 steps) and .557 with one rate of 5e-5 (one seed each)."""


def default_recipe(
    kind: str, minutes: float = 0.0, *, practice: bool = False, donor: str = "recogniser"
) -> TrainingOptions:
    """Options of "train", or of "transfer" to a target with this much speech.

    From scratch all layers learn at once; after a transfer the head goes first. Slower rates for lower blocks, which
    are usual in fine-tuning, were no better on dev. Rates and steps were the best on dev in the case study (8 real
    minutes) and on synthetic speech (10 and 60 minutes): docs/recipe.md. Other sizes and corpora may need others.

    Args:
        kind: "train" or "transfer".
        minutes: Target speech; steps and rate of a transfer follow it.
        practice: With practice speech every voice is also trained with other vocal tracts, as it was measured.
        donor: "recogniser"; "encoder" for one that gets a new output layer, whose rate is high and the encoder's a
            twentieth of it (with one rate such a network stays on the CTC plateau: docs/donors.md); "whisper" for one
            that keeps its decoder.
    """
    if kind == "train":
        return TrainingOptions(steps=3600, learning_rate=1e-3)
    if donor == "whisper":
        return _of_whisper(minutes)
    new_head = donor == "encoder"
    layers = LayerPolicy(head_first_share=0.1, encoder_rate=NEW_HEAD_ENCODER_RATE if new_head else 1.0)
    options = TrainingOptions(learning_rate=5e-4, layers=layers)
    passes = round(PASSES * minutes * 60 / options.batch_seconds, -2)
    steps = int(min(max(passes, LEAST_STEPS), MOST_STEPS))
    # About forty evaluations on dev, however long the run.
    every = max(options.evaluate_every, 10 * round(steps / 400))
    rate = 1e-3 if new_head or minutes >= MUCH_MINUTES else options.learning_rate
    augment = replace(options.augment, warp_share=0.5) if practice else options.augment
    # A new head has nothing to mix: its start is random.
    shares = () if new_head else START_SHARES
    return replace(
        options,
        steps=steps,
        learning_rate=rate,
        evaluate_every=every,
        checkpoint_every=every,
        augment=augment,
        start_shares=shares,
    )


def _of_whisper(minutes: float) -> TrainingOptions:
    """A low rate for all layers, as the network knows the task; dev says when it begins to overfit."""
    batch_seconds = 24.0
    epochs = max(1.0, WHISPER_PASSES * min(1.0, math.sqrt(WHISPER_MINUTES / minutes))) if minutes else 1.0
    passes = round(epochs * minutes * 60 / batch_seconds, -1)
    steps = int(min(max(passes, 120), MOST_STEPS))
    every = max(20, 10 * round(steps / 100))
    return TrainingOptions(
        steps=steps,
        learning_rate=2e-5,
        batch_seconds=batch_seconds,
        evaluate_every=every,
        checkpoint_every=every,
        start_shares=START_SHARES,
        precision="bf16" if fast_bf16() else "no",
    )


def read_recipe(path: Path) -> TrainingOptions:
    """Read a TOML file of TrainingOptions with tables [augment] and [layers]. Raises SpecError naming the fault."""
    return from_dict(TrainingOptions, read_toml(path, "recipe file", SpecError), where=str(path))
