"""Everything a training run can be told: one frozen dataclass for the run, one for how layers learn."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast, get_args, get_type_hints

import numpy as np

from vizinho.audio.augment import AugmentOptions
from vizinho.corpora.manifest import DEV_MINUTES
from vizinho.errors import SpecError
from vizinho.model.layers import AdapterOptions

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LayerPolicy:
    """Which layers learn, from when on, and how fast against the run's learning rate.

    Layers are counted from the output: the head first, then encoder blocks from the top, the front end last.
    """

    head_first_share: float = 0.0
    """Share of the steps in which only the head learns (as fairseq's freeze_finetune_updates)."""
    thaw_share: float = 0.0
    """Share of the steps, after the head's, over which blocks are thawed one by one from the top (ULMFiT)."""
    layer_decay: float = 1.0
    """Learning rate of each block relative to the one above it."""
    encoder_rate: float = 1.0
    """Learning rate of the top block relative to the head (Kaldi's recipes use 0.25)."""
    frozen: tuple[str, ...] = ()
    """Layers that never learn: names as `vizinho models show` prints them ("front", "block0", ..., "head")."""
    batch_norm: str = "adapt"
    """"adapt": statistics follow the new audio; "donor": statistics stay, scale and shift learn."""
    norms_always: bool = False
    """Normalisation layers learn, and follow the new audio, even where their block is frozen (NeMo's tutorial)."""
    pull: float = 0.0
    """Strength of the pull of every moving weight towards its start (L2-SP: Li et al. 2018, arXiv 1802.01483); the
    output layer is left free. Decoupled from the gradient, as weight decay is."""

    def __post_init__(self) -> None:
        if self.batch_norm not in ("adapt", "donor"):
            raise SpecError(f"batch_norm is {self.batch_norm!r}", where="layers", fix='use "adapt" or "donor"')
        for name in ("head_first_share", "thaw_share"):
            if not 0 <= getattr(self, name) < 1:
                raise SpecError(
                    f"{name} is {getattr(self, name)}", where="layers", fix="use a share of the steps, 0 to below 1"
                )


@dataclass(frozen=True, slots=True)
class StreamingOptions:
    """Training for streams: some batches are computed as a stream is, in chunks of changing size (Zhang et al. 2020).

    The other batches keep the network good at whole utterances.
    """

    share: float = 0.0
    """Probability that a batch is computed in chunks; 0 trains a network for whole utterances only."""
    chunk_frames: tuple[int, ...] = (8, 16, 32)
    """Encoder frames of a chunk, one of these at random; the middle one becomes the saved model's."""
    left_chunks: int = 4
    """Chunks before its own that a frame hears."""

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise SpecError(f"share is {self.share}", where="streaming", fix="use a probability, 0 to 1")
        if not self.chunk_frames or min(self.chunk_frames) < 1 or self.left_chunks < 0:
            raise SpecError(
                f"chunk_frames {self.chunk_frames}, left_chunks {self.left_chunks}",
                where="streaming",
                fix="use chunks of at least one frame",
            )

    @property
    def usual_frames(self) -> int:
        """Chunk that a model trained so streams with."""
        return sorted(self.chunk_frames)[len(self.chunk_frames) // 2]


@dataclass(frozen=True, slots=True)
class Chunking:
    """How a batch is computed, as a function of its number: (encoder frames of a chunk, chunks before), or whole."""

    options: StreamingOptions
    seed: int

    def __call__(self, number: int) -> tuple[int, int] | None:
        """None: the whole utterance at once."""
        # 5 keeps these draws apart from the others that follow from seed and number.
        rng = np.random.default_rng([self.seed, number, 5])
        if rng.random() >= self.options.share:
            return None
        return int(rng.choice(self.options.chunk_frames)), self.options.left_chunks


@dataclass(frozen=True, slots=True)
class PhonemeOptions:
    """A second CTC loss, on phones, whose output rows are made of phonological features (training/phonemes.py)."""

    weight: float = 0.0
    """Share of the phones in the loss; 0 leaves them out."""
    layer: str = "top"
    """Which layer the phones are read from: "top", the encoder's output, or a block ("block3")."""

    def __post_init__(self) -> None:
        if not 0 <= self.weight < 1:
            raise SpecError(f"weight is {self.weight}", where="phonemes", fix="use a share, 0 to below 1")


@dataclass(frozen=True, slots=True)
class DistributedOptions:
    """How several processes (torchrun) share the work. One process alone needs none of it."""

    strategy: str = "ddp"
    """"ddp": each process holds the whole network. "fsdp": each holds a part of weights, gradients and optimiser state,
    for networks that one device has no memory for."""

    def __post_init__(self) -> None:
        if self.strategy not in ("ddp", "fsdp"):
            raise SpecError(f"strategy is {self.strategy!r}", where="distributed", fix='use "ddp" or "fsdp"')


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """What the training loop reads for every kind of network. Shares are of the run's steps."""

    steps: int = 600
    """Optimiser steps."""
    learning_rate: float = 1e-3
    """Peak rate of the fastest layer."""
    warmup_share: float = 0.1
    hold_share: float = 0.0
    """Share of the steps after the warm-up at the peak rate, before the decay (fairseq's tri-stage has 0.4)."""
    final_rate: float = 0.02
    """Rate at the end of the cosine decay, as a share of the peak; 1.0 keeps the rate constant."""
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    """Gradient norm above which gradients are scaled down; FastConformer's first norms are about 2e5."""
    accumulate: int = 1
    """Batches that each process computes before a step; a step of N processes has N times as many."""
    evaluate_every: int = 40
    """Steps between evaluations on dev."""
    patience: int = 0
    """Evaluations without a better dev score before stopping early; 0 never stops early."""
    average_share: float = 0.0
    """The last share of the run whose evaluated weights are averaged (Izmailov et al. 2018, arXiv 1803.05407)."""
    checkpoint_every: int = 40
    """Steps between checkpoints to resume from."""
    threads: int = 1
    """Torch threads. Sums are ordered by their number, so results are bit-equal for the same number only."""
    # 1 on every machine, so that results do not depend on it. What 2 gain on an idle machine is not measured yet
    # (bench/train_throughput.py --threads 2); on a machine with other work they were 5 to 50 times slower.
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("steps", "accumulate", "evaluate_every", "checkpoint_every", "threads"):
            check_least(self, name, 1)


def check_least(options: Any, name: str, least: float) -> None:
    """Raises SpecError for an option below its least value."""
    if not getattr(options, name) >= least:  # this way round NaN is refused too
        raise SpecError(f"{name} is {getattr(options, name)}", fix=f"use at least {least:g}")


@dataclass(frozen=True, slots=True)
class TrainingOptions(LoopOptions):
    """One training run of a recogniser. Times are seconds of audio, shares are of the run's steps."""

    batch_seconds: float = 16.0
    """Padded audio in one batch. Small ones suit few recordings and one core: in the trials behind this default, half
    the batch with twice the steps reached the same dev CER in half the time."""
    average_share: float = 0.25
    start_shares: tuple[float, ...] = ()
    """Shares of the weights that a transfer started from which are tried on dev at the end, mixed into the trained ones
    (WiSE-FT: Wortsman et al. 2022, arXiv 2109.01903)."""
    precision: str = "no"
    """"no" is float32; "bf16" where the hardware multiplies it faster (accelerate's mixed_precision)."""
    activation_checkpointing: bool = False
    """Compute each block's forward pass a second time going backward instead of keeping what it made (Chen et al. 2016,
    arXiv 1604.06174): less memory, more time, the same result."""
    compile: bool = False
    """Compile the network (torch.compile); on processors it was found not to pay (docs/scale.md)."""
    workers: int = 1
    """Processes that prepare batches ahead of time."""
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    layers: LayerPolicy = field(default_factory=LayerPolicy)
    streaming: StreamingOptions = field(default_factory=StreamingOptions)
    adapter: AdapterOptions | None = None
    """Low-rank adapters that learn instead of the network; None: the network learns."""
    distributed: DistributedOptions = field(default_factory=DistributedOptions)
    phonemes: PhonemeOptions = field(default_factory=PhonemeOptions)
    dev_minutes: float = DEV_MINUTES
    """Speech of dev on which weights are chosen, always the same utterances; 0 takes all. A run scores dev dozens of
    times, and a large corpus has hours of it."""

    def __post_init__(self) -> None:
        LoopOptions.__post_init__(self)
        check_least(self, "batch_seconds", 1)
        check_least(self, "dev_minutes", 0)
        check_least(self, "workers", 0)
        if self.precision not in ("no", "bf16"):
            raise SpecError(f"precision is {self.precision!r}", fix='use "no" or "bf16"')
        if any(not 0 < share < 1 for share in self.start_shares):
            raise SpecError(f"start_shares is {list(self.start_shares)}", fix="use shares between 0 and 1")


def differing(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not the defaults, tables inside too."""
    different: dict[str, Any] = {}
    for key, value in values.items():
        default = defaults.get(key)
        if value == default:
            continue
        if isinstance(value, Mapping) and isinstance(default, Mapping):
            value = differing(value, default)
        different[key] = value
    return different


LARGEST = 2**53
"""No count or size here comes near it, and torch and numpy cannot hold every whole number beyond it."""


def from_dict(kind: type[T], values: Mapping[str, Any], *, where: str = "") -> T:
    """Build an options dataclass from plain values, such as a table of a TOML file.

    Raises SpecError naming the key for one that is unknown or missing, for a value of another type, and for numbers
    that are not finite or too large.
    """
    from pydantic import ConfigDict, ValidationError, create_model

    # A dataclass takes over the configuration of the model around it.
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    model: Any = create_model("Model", __config__=config, options=(kind, ...))
    try:
        # In strict JSON pydantic takes lists for tuples, but neither "5" nor true for 5. Dates, which fit no option,
        # become tables.
        text = json.dumps({"options": values}, default=lambda value: {type(value).__name__: str(value)})
        options = model.model_validate_json(text).options
    except ValidationError as error:
        raise _refusal(kind, error.errors(include_url=False), where) from error
    except SpecError as error:  # from __post_init__, which knows no file
        place = f"{where}.{error.where}" if error.where else where
        raise SpecError(error.what, where=place, fix=error.fix) from error
    except ValueError as error:  # json refuses to write whole numbers of thousands of digits
        raise SpecError("a number is too large", where=where, fix="give a smaller one") from error
    return cast(T, _as_written(options, values, where))


def _refusal(kind: type, errors: Sequence[Any], where: str) -> SpecError:
    """The first of pydantic's errors, in our words."""
    first = errors[0]
    *tables, key = map(str, first["loc"][1:] or ["options"])
    place = "".join([where, *(f".{table}" for table in tables)])
    if first["type"] == "unexpected_keyword_argument":
        unknown = sorted(str(e["loc"][-1]) for e in errors if e["type"] == first["type"])
        return SpecError(f"unknown key {', '.join(unknown)}", where=place, fix=f"known keys: {_keys(kind, tables)}")
    if first["type"] == "missing":
        return SpecError(f"the key {key} is missing", where=place, fix="add it")
    advice = first["msg"].removeprefix("Input should be ")
    return SpecError(f"{key} is {first['input']!r:.60}", where=place, fix=f"give {advice}")


def _keys(kind: Any, tables: Sequence[str]) -> str:
    """The keys of a table inside others, by the names that lead to it."""
    for name in tables:
        hint = get_type_hints(kind)[name]
        kind = next(one for one in (hint, *get_args(hint)) if dataclasses.is_dataclass(one))
    return ", ".join(sorted(field.name for field in dataclasses.fields(kind)))


def _as_written(options: Any, values: Mapping[str, Any], where: str) -> Any:
    """Options with numbers as written, 8 and not 8.0: the digest that names a run tells them apart.

    Raises SpecError for whole numbers that are too large.
    """
    changes: dict[str, Any] = {}
    for key, value in values.items():
        numbers = value if isinstance(value, (list, tuple)) else (value,)
        if isinstance(value, Mapping):
            table = getattr(options, key)
            # A table with keys of its own, as rows.overrides, is no dataclass.
            changes[key] = _as_written(table, value, f"{where}.{key}") if dataclasses.is_dataclass(table) else table
        elif all(isinstance(number, (int, float)) for number in numbers):
            if any(abs(number) > LARGEST for number in numbers):
                raise SpecError(f"{key} is {value!r:.60}", where=where, fix="give a smaller number")
            changes[key] = tuple(value) if numbers is value else value
    return dataclasses.replace(options, **changes)
