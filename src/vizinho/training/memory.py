"""Batches that fit into memory: large networks try a step on the longest utterance before the first one.

A batch that does not fit is computed in parts, whose gradients are added up, so that a step learns from as much.
"""

from __future__ import annotations

import ctypes
import json
import math
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import torch

from vizinho.corpora.batches import Batch, BatchData, ListedSource, stream
from vizinho.errors import ModelError
from vizinho.files import write_text
from vizinho.parallel import free_memory, process_count
from vizinho.progress import Log
from vizinho.training.options import Chunking, TrainingOptions
from vizinho.training.speech_task import SpeechTask

DECIDED = "memory.json"
"""In the run's folder, so that a run that goes on computes as it began."""
BYTES_A_WEIGHT = 16
"""Its value, its gradient and Adam's two moments, in float32."""
WORTH_TRYING = 0.1
"""Share of the free memory that weights, gradients and moments need before a trial is made: it takes a step's time."""
SAFE = 0.8
"""Share of the free memory that a step may take: allocators keep more than they hand out."""


def fitted(task: SpeechTask, options: TrainingOptions, run: Path, log: Log) -> TrainingOptions:
    """The options with batches that fit: as they are, or with smaller ones and more of them in a step.

    Raises ModelError where not even the longest utterance alone fits.
    """
    if (run / DECIDED).is_file():
        return _in_parts(options, int(json.loads((run / DECIDED).read_text(encoding="utf-8"))["parts"]))
    weights = _count(task.model.parameters())
    free = torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else free_memory()
    listed = isinstance(task.examples, Sequence)
    if not listed or process_count() > 1 or weights * BYTES_A_WEIGHT < WORTH_TRYING * free:
        return options
    tried = _trial(task, options)
    if tried is None:
        return options
    seconds, needed = tried
    # The trial has freed its gradients again; moments come with the first step.
    learning = _count(p for p in task.model.parameters() if p.requires_grad)
    # Of BYTES_A_WEIGHT the values, 4 bytes, are resident already.
    room = SAFE * free - learning * (BYTES_A_WEIGHT - 4)
    most = seconds * room / needed
    if most < seconds:
        raise ModelError(
            f"a step on the longest utterance ({seconds:.1f} s) needs {_gigabytes(needed)} of memory, "
            f"{_gigabytes(max(0.0, room))} are free",
            where="training",
            fix="cut long utterances (corpus check), set activation_checkpointing, train an adapter, or free memory",
        )
    # Powers of two: what is free varies a little from start to start, and should not change what is computed.
    parts = 1
    while options.batch_seconds / parts > most:
        parts *= 2
    if parts == 1:
        return options
    chosen = _in_parts(options, parts)
    log(
        f"a batch of {options.batch_seconds:g} s does not fit into {_gigabytes(free)}: each step has {parts} times as "
        f"many of {chosen.batch_seconds:g} s"
    )
    write_text(run / DECIDED, json.dumps({"parts": parts}))
    return chosen


def _in_parts(options: TrainingOptions, parts: int) -> TrainingOptions:
    return replace(options, batch_seconds=options.batch_seconds / parts, accumulate=options.accumulate * parts)


def _count(parameters: Iterable[torch.Tensor]) -> int:
    return sum(parameter.numel() for parameter in parameters)


def _trial(task: SpeechTask, options: TrainingOptions) -> tuple[float, float] | None:
    """Seconds of the longest utterance that can be read, and bytes that forward and backward pass on it take at their
    peak; None where none can."""
    ranks = task.begin(options)
    model = ranks.place(task.model)
    longest = _longest(task, options)
    if longest is None:
        return None
    seconds, batch = longest
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    was_training = model.training
    model.train()
    try:
        with task.computing(model, options, nullcontext), _Peak(ranks.device) as peak:
            torch.autograd.backward(task.loss(model, batch, options, ranks))
    finally:
        model.zero_grad(set_to_none=True)
        model.train(was_training)
        for name, buffer in model.named_buffers():
            buffer.copy_(before[name])
    return seconds, peak.bytes


def _longest(task: SpeechTask, options: TrainingOptions) -> tuple[float, Batch] | None:
    """Seconds of the longest utterance, and it as a batch; what cannot be read is left for the run to report."""
    assert isinstance(task.examples, Sequence)
    chunking = Chunking(options.streaming, options.seed)
    for example in sorted(task.examples, key=lambda e: -e.utterance.duration_seconds):
        source = ListedSource((example,), options.batch_seconds, options.seed)
        data = BatchData(source, task.checkpoint.front, options.augment, options.seed, chunking)
        batch = next(stream(data, range(1), 0))
        if not task.facts(batch).fault:
            return example.utterance.duration_seconds, batch
    return None


class _Peak:
    """Bytes of memory that a block of code took at its peak; 1 where the system does not say."""

    def __init__(self, device: torch.device) -> None:
        self._device, self.bytes = device, 1.0

    def __enter__(self) -> _Peak:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = float(torch.cuda.memory_allocated(self._device))
        else:
            _reset_peak()
            self._before = _status("VmRSS")
        return self

    def __exit__(self, *_error: object) -> None:
        cuda = self._device.type == "cuda"
        peak = float(torch.cuda.max_memory_allocated(self._device)) if cuda else _status("VmHWM")
        self.bytes = max(1.0, peak - self._before)


def _reset_peak() -> None:
    """Let VmHWM begin again from what is resident now (proc(5), clear_refs)."""
    # What was freed and is still resident would hide as much of what is allocated next.
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc's
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _status(field: str) -> float:
    """A line of /proc/self/status in bytes; nan where there is none."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return math.nan
    return next((float(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), math.nan)


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
