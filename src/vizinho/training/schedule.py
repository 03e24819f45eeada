"""Learning rates over the run and over the layers, and when each layer starts to learn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from vizinho.errors import SpecError
from vizinho.model.fast import can_stream
from vizinho.model.layers import adapted, layer_of, layer_order
from vizinho.training.options import LayerPolicy, LoopOptions, TrainingOptions


def rate_at(step: int, options: LoopOptions) -> float:
    """Share of the peak learning rate at a step (0-based): linear warm-up, then cosine decay.

    Between them the peak is held for `options.hold_share` of the steps (fairseq's tri-stage).
    """
    warmup = max(1, round(options.steps * options.warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    decay_from = warmup + round(options.steps * options.hold_share)
    # Share of the decay that is done, 0 at its first step and 1 at the end.
    done = max(0.0, (step - decay_from) / max(1, options.steps - decay_from))
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
        # Blocks below the top one, over which the thawing is spread; head and top block do not count.
        below = max(1, len(layers) - 2)
        thaw = 0 if depth == 0 else head_steps + round(thaw_steps * (depth - 1) / below)
        schedules.append(LayerSchedule(layer, rate, None if layer in policy.frozen else thaw))
    return schedules[::-1]


class Rates:
    """Parameter groups of a model that all learn from the first step on, at the run's rate."""

    def __init__(self, groups: list[dict[str, Any]], options: LoopOptions) -> None:
        self.groups, self._options = groups, options

    @property
    def every_gradient(self) -> bool:
        """Whether every parameter has a gradient in every batch."""
        return True

    def apply(self, step: int, optimizer: torch.optim.Optimizer) -> float:
        """Set every group's rate for this step; returns the run's rate."""
        rate = self._options.learning_rate * rate_at(step, self._options)
        for group in optimizer.param_groups:
            group["lr"] = rate
        return rate

    def hold_back(self, optimizer: torch.optim.Optimizer) -> None:
        """After the backward pass: drop gradients of what is frozen."""

    def pull(self, optimizer: torch.optim.Optimizer) -> None:
        """After the update: move weights towards where they started."""


def plain_rates(model: Any, options: LoopOptions, *, never_decayed: tuple[str, ...] = ()) -> Rates:
    """One rate for all parameters. Vectors (biases, norms) are not decayed, as is usual for transformers.

    Nor are parameters whose names begin with one of `never_decayed`.
    """
    groups: dict[bool, list[torch.nn.Parameter]] = {True: [], False: []}
    for name, parameter in model.named_parameters():
        # A tuple of prefixes: an empty one fits no name.
        groups[parameter.ndim > 1 and not name.startswith(never_decayed)].append(parameter)
    decays = {True: options.weight_decay, False: 0.0}
    return Rates([{"params": g, "weight_decay": decays[decayed]} for decayed, g in groups.items() if g], options)


class LayerRates(Rates):
    """Parameter groups of a model, one per layer, whose rates and frozenness follow the schedules."""

    def __init__(self, model: Any, options: TrainingOptions, *, by_gradient: bool = False) -> None:
        """`by_gradient`: layers are frozen by dropping their gradients (`hold_back`), not by asking for none."""
        super().__init__([], options)
        self._layers = options.layers
        self._adapter = options.adapter is not None
        self._model = model
        self._by_gradient = by_gradient
        layers = layer_order(name for name, _ in model.named_parameters())
        self.schedules = layer_schedules(layers, options.layers, options.steps)
        norms = _norm_parameters(model)
        members: dict[tuple[str, str], list[torch.nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            if options.adapter is not None and not adapted(name):
                continue
            parameter.requires_grad_(True)  # a run before may have left it frozen
            # One-dimensional parameters (biases, norms) are not decayed, as is usual for transformers.
            kind = "norm" if name in norms else "matrix" if parameter.ndim > 1 else "bias"
            members.setdefault((layer_of(name), kind), []).append(parameter)
        self._schedule_of_group: list[tuple[LayerSchedule, str]] = []
        for schedule in self.schedules:
            for kind in ("matrix", "norm", "bias"):
                if chosen := members.get((schedule.layer, kind)):
                    decay = options.weight_decay if kind == "matrix" else 0.0
                    self.groups.append({"params": chosen, "lr": 0.0, "weight_decay": decay})
                    self._schedule_of_group.append((schedule, kind))
        # Before a resumed run loads its state these are the weights that the transfer plan gave.
        self._anchors = [
            [p.detach().clone() for p in group["params"]] if self._pulled(schedule) else []
            for group, (schedule, _) in zip(self.groups, self._schedule_of_group, strict=True)
        ]

    @property
    def every_gradient(self) -> bool:
        """Whether every parameter has a gradient in every batch: nothing is frozen or skipped."""
        dropped = not can_stream(self._model) or self._model.encoder.layerdrop
        return not dropped and all(s.thaw_step == 0 for s in self.schedules)

    def apply(self, step: int, optimizer: torch.optim.Optimizer) -> float:
        """Set every group's rate for this step, thaw what is due; returns the run's rate."""
        rate = self._options.learning_rate * rate_at(step, self._options)
        for group, (schedule, kind) in zip(optimizer.param_groups, self._schedule_of_group, strict=True):
            learns = self._learns(schedule, step) or (kind == "norm" and self._layers.norms_always)
            # With a rate of zero AdamW would still gather moments; without a gradient it skips the parameter.
            group["lr"] = rate * schedule.rate if learns else 0.0
            if not self._by_gradient:
                for parameter in group["params"]:
                    parameter.requires_grad_(learns)  # no gradient is computed for what is frozen, which saves time
        self._set_batch_norm(step)
        return rate

    def hold_back(self, optimizer: torch.optim.Optimizer) -> None:
        """After the backward pass: drop gradients of what is frozen, where that was not said before it.

        FSDP2 asks a parameter only once whether it wants a gradient, so there it cannot change its mind.
        """
        if self._by_gradient:
            for group in optimizer.param_groups:
                if not group["lr"]:
                    for parameter in group["params"]:
                        parameter.grad = None

    def pull(self, optimizer: torch.optim.Optimizer) -> None:
        """Move every weight that learns a little towards its start, by its rate times the policy's `pull`."""
        for group, anchors in zip(optimizer.param_groups, self._anchors, strict=True):
            if anchors and group["lr"]:
                with torch.no_grad():
                    torch._foreach_lerp_(group["params"], anchors, min(1.0, group["lr"] * self._layers.pull))

    def _pulled(self, schedule: LayerSchedule) -> bool:
        return self._layers.pull > 0 and schedule.layer != "head"

    def _learns(self, schedule: LayerSchedule, step: int) -> bool:
        return schedule.thaw_step is not None and step >= schedule.thaw_step

    def _set_batch_norm(self, step: int) -> None:
        """Statistics of frozen layers never move: unlike requires_grad, that is a matter of the module's mode."""
        by_layer = {s.layer: s for s in self.schedules}
        for name, module in self._model.named_modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                learns = self._learns(by_layer[layer_of(name + ".weight")], step) or self._layers.norms_always
                # With an adapter the network is the donor's, and so are its statistics.
                follows = self._layers.batch_norm == "adapt" and not self._adapter
                module.train(learns and follows)


def _norm_parameters(model: Any) -> set[str]:
    kinds = (torch.nn.LayerNorm, torch.nn.GroupNorm, torch.nn.modules.batchnorm._BatchNorm)
    return {
        f"{name}.{own}"
        for name, module in model.named_modules()
        if isinstance(module, kinds)
        for own, _ in module.named_parameters(recurse=False)
    }
