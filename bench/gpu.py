"""How fast and in how much memory a network trains on the device there is; prints one JSON object.

    .venv/bin/python bench/gpu.py [--preset base] [--precision bf16] [--batch-seconds 320] [--workers 8]

The same code on a GPU and on a processor; "device" says which it was. Two rates, in hours of audio per hour:

- network: forward, backward and update on batches that are already in the device's memory, median of the steps; with
  it the operations per second (counted by torch's FlopCounterMode on the original network) as a share of the largest
  rate of a matrix product measured here in the same precision;
- loop: vizinho's training loop on files, which decodes, varies and transforms audio in worker processes.

The recordings are noise of 2 to 16 s in Ogg Opus with texts of 14 letters a second (rates do not depend on what is
said), or those of `--corpus`. Memory is the device's peak on a GPU, the process's on a processor (all it has loaded
counted in). Under torchrun the loop's rate is that of all processes together.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from surroundings import describe
from torch.utils.flop_counter import FlopCounterMode

from vizinho.audio.io import SAMPLE_RATE, load_audio, save_audio
from vizinho.corpora.batches import BatchPlan
from vizinho.corpora.manifest import write_manifest
from vizinho.job.job import Job
from vizinho.job.start import ReadyJob, make_ready
from vizinho.model.fast import fast_forward
from vizinho.model.recompute import recomputed_blocks
from vizinho.parallel import is_main_process
from vizinho.records import Utterance
from vizinho.training.loop import fit
from vizinho.training.losses import ctc_loss
from vizinho.training.norms import RunningStatistics
from vizinho.training.options import TrainingOptions
from vizinho.training.speech_task import SpeechTask

LETTERS_PER_SECOND = 14
CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}
MATRIX = {"cuda": 8192, "cpu": 1536}
"""Rows of the square matrices whose product gives the peak."""


def noise_corpus(folder: Path, count: int) -> Path:
    """Recordings that cost what real ones cost to decode, with texts of usual density."""
    rng = np.random.default_rng(1)
    utterances = []
    for number in range(count):
        seconds = float(rng.uniform(2, 16))
        audio = folder / f"{number}.opus"
        save_audio(audio, rng.standard_normal(int(seconds * SAMPLE_RATE)).astype(np.float32) * 0.05)
        letters = rng.choice(list("abcdefghijklmnopqrstuvwxyz    "), int(seconds * LETTERS_PER_SECOND))
        text = " ".join("".join(letters).split()) or "a"
        utterances.append(Utterance(f"noise-{number}", audio, text, "es", "noise", seconds, "train"))
    # The job wants a dev part; the loop is run without looking at it.
    utterances.append(replace(utterances[0], id="noise-dev", split="dev"))
    write_manifest(folder / "noise.jsonl", utterances)
    return folder / "noise.jsonl"


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def settle(device: torch.device, clock: str = "wall") -> float:
    """The time, once the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return CLOCKS[clock]()


def matrix_peak(device: torch.device, dtype: torch.dtype, clock: str) -> float:
    """Largest measured rate of a matrix product, in floating-point operations per second."""
    size = MATRIX[device.type]
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    a @ b
    best = 0.0
    for _ in range(10):
        begun = settle(device, clock)
        a @ b
        best = max(best, 2 * size**3 / (settle(device, clock) - begun))
    return best


def peak_mib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@dataclass(frozen=True, slots=True)
class Loaded:
    """A batch in the device's memory; shapes as in corpora/batches.py."""

    features: torch.Tensor
    mask: torch.Tensor
    frames: torch.Tensor
    labels: torch.Tensor
    label_lengths: torch.Tensor
    audio_seconds: float


def loaded(ready: ReadyJob, count: int, device: torch.device) -> list[Loaded]:
    """The first batches of the run, without variation."""
    examples, front = ready.prepared.examples, ready.checkpoint.front
    plan = BatchPlan([e.utterance.duration_seconds for e in examples], ready.job.options.batch_seconds, 1)
    batches = []
    for number in range(count):
        chosen = [examples[i] for i in plan(number)[1]]
        made = front.extract([load_audio(e.utterance.audio) for e in chosen])
        steps = made.mask.sum(dim=1).tolist()
        batches.append(
            Loaded(
                made.features.to(device),
                made.mask.to(device),
                torch.tensor([front.output_frames(n) for n in steps]),
                torch.tensor([row for e in chosen for row in e.labels], device=device),
                torch.tensor([len(e.labels) for e in chosen], device=device),
                sum(steps) * front.step_seconds,
            )
        )
    return batches


def network_rate(ready: ReadyJob, steps: int, device: torch.device, clock: str) -> dict[str, float]:
    """Updates on batches in the device's memory: audio hours per hour, operations per second."""
    options, model = ready.job.options, ready.checkpoint.model.to(device).train()
    batches = loaded(ready, min(4, steps), device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    network = torch.compile(model, dynamic=True) if options.compile else model
    half = options.precision == "bf16"

    def loss_of(batch: Loaded, called: Any) -> torch.Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
            logits = called(batch.features, attention_mask=batch.mask).logits
        return ctc_loss(logits, batch.frames, batch.labels, batch.label_lengths, blank=0)

    def update(batch: Loaded) -> None:
        loss_of(batch, network).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    with FlopCounterMode(display=False) as counter:
        loss_of(batches[0], model).backward()
    optimizer.zero_grad(set_to_none=True)
    operations = counter.get_total_flops() / batches[0].features.shape[:2].numel()
    again = RunningStatistics(model).still
    recomputed: AbstractContextManager[None] = (
        recomputed_blocks(model, again) if options.activation_checkpointing else nullcontext()
    )
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds, audio, work = [], [], []
    with recomputed, fast_forward(model):
        for batch in batches:  # each shape once before it is timed
            update(batch)
        for number in range(steps):
            batch = batches[number % len(batches)]
            begun = settle(device, clock)
            update(batch)
            seconds.append(settle(device, clock) - begun)
            audio.append(batch.audio_seconds)
            work.append(operations * batch.features.shape[:2].numel())
    return {
        "audio_hours_per_hour": statistics.median(a / s for a, s in zip(audio, seconds, strict=True)),
        "operations_per_second": statistics.median(w / s for w, s in zip(work, seconds, strict=True)),
        "step_seconds": statistics.median(seconds),
        "peak_memory_mib": peak_mib(device),
    }


def loop_rate(ready: ReadyJob, clock: str) -> dict[str, float]:
    """The training loop on files; its first step, which starts the workers, is not timed."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    moments: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        result = fit(
            SpeechTask(ready.checkpoint, ready.prepared.examples),
            ready.job.options,
            Path(folder),
            progress=lambda done, note: moments.append(settle(device, clock)) if note else None,
        )
        newest = max(Path(folder).glob("step-*"), default=None)
        size = sum(f.stat().st_size for f in newest.iterdir()) if newest else 0
    steps = ready.job.options.steps
    if not moments:  # a process beside the main one
        return {}
    timed = moments[-1] - moments[0]
    return {
        "audio_hours_per_hour": result.amount * (steps - 1) / steps / timed,
        "step_seconds": timed / (steps - 1),
        "checkpoint_bytes": size,
        "peak_memory_mib": peak_mib(device),
    }


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny", help="micro, tiny, small, base or large")
    parser.add_argument("--tokens", default="characters", help="characters (40 ms frames) or bpe (80 ms)")
    parser.add_argument("--precision", default="no", choices=("no", "bf16"))
    parser.add_argument("--batch-seconds", type=float, default=32.0)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--activation-checkpointing", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--corpus", type=Path, help="Spanish manifest instead of noise")
    parser.add_argument("--clock", default="wall", choices=("wall", "cpu"), help="cpu: this process's processor time")
    parser.add_argument("--part", default="both", choices=("both", "network", "loop"))
    return parser.parse_args()


def measured(given: argparse.Namespace, corpus: Path) -> dict[str, Any]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(given.threads)
    options = TrainingOptions(
        steps=given.steps,
        batch_seconds=given.batch_seconds,
        accumulate=given.accumulate,
        learning_rate=1e-5,
        evaluate_every=10 * given.steps,
        checkpoint_every=10 * given.steps,
        precision=given.precision,
        activation_checkpointing=given.activation_checkpointing,
        compile=given.compile,
        threads=given.threads,
        workers=given.workers,
    )
    ready = make_ready(Job("es", (corpus,), preset=given.preset, tokens=given.tokens, options=options))
    found: dict[str, Any] = {
        "device": device_name(device),
        "kind": device.type,
        "torch": torch.__version__,
        "parameters": sum(p.numel() for p in ready.checkpoint.model.parameters()),
        **{key: value for key, value in vars(given).items() if key != "corpus"},
    }
    if given.part != "loop" and is_main_process():
        peak = matrix_peak(device, torch.bfloat16 if given.precision == "bf16" else torch.float32, given.clock)
        network = network_rate(ready, given.steps, device, given.clock)
        share = {"share_of_matrix_peak": network["operations_per_second"] / peak}
        found |= {"matrix_peak_operations_per_second": peak, "network": network | share}
    if given.part != "network":
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        found["loop"] = loop_rate(make_ready(ready.job), given.clock)
    return found


def main() -> None:
    given = parsed()
    with tempfile.TemporaryDirectory() as folder:
        corpus = given.corpus or noise_corpus(Path(folder), given.recordings)
        found = measured(given, corpus)
    if is_main_process():
        print(json.dumps({"machine": describe()} | found, indent=1))


if __name__ == "__main__":
    main()
