"""Learning rates over the run and over the layers, and when each layer starts to learn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from vizinho.errors import SpecError
from vizinho.model.adapters import adapted
from vizinho.model.layers import layer_of, layer_order
from vizinho.training.options import LayerPolicy, TrainingOptions


def rate_at(step: int, options: TrainingOptions) -> float:
    """Share of the peak learning rate at a step (0-based): linear warm-up, then cosine decay."""
    warmup = max(1, round(options.steps * options.warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, options.steps - warmup)
    return options.final_rate + (1 - options.final_rate) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


@dataclass(frozen=True, slots=True)
class LayerSchedule:
    """For one layer: its rate relative to the run's, and the step (0-based) at which it starts to learn."""

    layer: str
    rate: float
    thaw_step: int | None
    """None: never."""


def layer_schedules(layers: list[str], policy: LayerPolicy, steps: int) -> list[LayerSchedule]:
    """One schedule per layer; `layers` from the front end to the head. Raises SpecError for unknown frozen names."""
    unknown = sorted(set(policy.frozen) - set(layers))
    if unknown:
        raise SpecError(f"no layer named {', '.join(unknown)}", where="frozen", fix=f"layers: {', '.join(layers)}")
    head_steps = round(policy.head_first_share * steps)
    thaw_steps = round(policy.thaw_share * steps)
    schedules = []
    for depth, layer in enumerate(reversed(layers)):  # depth 0 is the head
        rate = 1.0 if depth == 0 else policy.encoder_rate * policy.layer_decay ** (depth - 1)
        below = max(1, len(layers) - 2)
        thaw = 0 if depth == 0 else head_steps + round(thaw_steps * (depth - 1) / below)
        schedules.append(LayerSchedule(layer, rate, None if layer in policy.frozen else thaw))
    return schedules[::-1]


class LayerRates:
    """Parameter groups of a model, one per layer, whose rates and frozenness follow the schedules."""

    def __init__(self, model: Any, options: TrainingOptions) -> None:
        self._options = options
        self._model = model
        layers = layer_order(name for name, _ in model.named_parameters())
        self.schedules = layer_schedules(layers, options.layers, options.steps)
        members: dict[str, list[torch.nn.Parameter]] = {layer: [] for layer in layers}
        for name, parameter in model.named_parameters():
            if options.adapter is None or adapted(name):
                members[layer_of(name)].append(parameter)
        # One-dimensional parameters (biases, norms) are not decayed, as is usual for transformers.
        self.groups: list[dict[str, Any]] = []
        self._schedule_of_group: list[LayerSchedule] = []
        for schedule in self.schedules:
            for decayed in (True, False):
                chosen = [p for p in members[schedule.layer] if (p.ndim > 1) == decayed]
                if chosen:
                    decay = options.weight_decay if decayed else 0.0
                    self.groups.append({"params": chosen, "lr": 0.0, "weight_decay": decay})
                    self._schedule_of_group.append(schedule)

    def apply(self, step: int, optimizer: torch.optim.Optimizer) -> float:
        """Set every group's rate for this step, thaw what is due; returns the run's rate."""
        rate = self._options.learning_rate * rate_at(step, self._options)
        for group, schedule in zip(optimizer.param_groups, self._schedule_of_group, strict=True):
            learns = schedule.thaw_step is not None and step >= schedule.thaw_step
            group["lr"] = rate * schedule.rate if learns else 0.0
            for parameter in group["params"]:
                parameter.requires_grad_(learns)
        self._set_batch_norm(step)
        return rate

    def _set_batch_norm(self, step: int) -> None:
        """Statistics of frozen layers never move: unlike requires_grad, that is a matter of the module's mode."""
        by_layer = {s.layer: s for s in self.schedules}
        for name, module in self._model.named_modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                thaw = by_layer[layer_of(name + ".weight")].thaw_step
                learns = thaw is not None and step >= thaw
                # With an adapter the network is the donor's, and so are its statistics.
                follows = self._options.layers.batch_norm == "adapt" and self._options.adapter is None
                module.train(learns and follows)
