"""What breaks first as hours and languages grow, and what it costs: a simulation fed with rates measured here.

    .venv/bin/python bench/scale_plan.py measure --corpus MANIFEST > bench/scale_rates.json
    .venv/bin/python bench/scale_plan.py plan [--rates FILE ...] [--machines 1] [--price-per-core-hour P]

`measure` takes a Spanish manifest and counts processor time, so that others on the machine do not change much. `plan`
goes through 10, 1,000 and 100,000 hours of speech for each of 1, 10 and 1,000 target languages. For every cell it
trains each language once (`--passes` over its speech, the main process looking at `--dev-hours` of dev
`--evaluations` times while the others wait), one language after another on machines that fail now and then: each run
loses what it did since its last checkpoint and starts again, reading its manifest. Sums of failures are drawn from
`--seed`. Sizes and limits of the machine are arguments; prices are, too, and there is none by default.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HOURS = (10, 1_000, 100_000)
LANGUAGES = (1, 10, 1_000)
LINES = 100_000
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Rates:
    """What was measured; hours of audio per hour of one worker (a core, or a device with its cores)."""

    worker: str
    trained: float
    decoded: float
    opus_bytes_per_hour: float
    feature_bytes_per_hour: float
    checkpoint_bytes: float
    model_bytes: float
    utterance_seconds: float
    manifest_seconds_per_line: float
    manifest_bytes_per_line: float
    start_seconds: float
    resident_bytes: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, and on what."""

    passes: float
    machines: int
    workers: int
    """Cores or devices of each machine."""
    memory_gib: float
    disk_gib: float
    days: float
    dev_hours: float
    evaluations: int
    checkpoint_hours: float
    failure_hours: float
    seed: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One size: what it takes in all, and its limits as multiples of what there is (above 1: it breaks)."""

    worker_hours: float
    days: float
    machines_in_time: int
    """That it takes to be done within the plan's days, where a language can be shared by as many as it takes."""
    lost_share: float
    waiting_share: float
    decode_hours: float
    disk_gib: float
    features_gib: float
    memory_gib: float
    start_minutes: float
    loads: dict[str, float]


def simulate(hours: float, languages: int, rates: Rates, plan: Plan) -> Cell:
    """Train `languages` languages of `hours` hours each on the plan's machines."""
    lines = hours * 3600 / rates.utterance_seconds
    start = (rates.start_seconds + lines * rates.manifest_seconds_per_line) / 3600
    learning = plan.passes * hours / (rates.trained * plan.workers)
    looking = plan.evaluations * plan.dev_hours / rates.decoded
    rng = np.random.default_rng(plan.seed)
    lasted = [_with_failures(learning + looking, start, plan, rng) for _ in range(languages)]
    free = np.zeros(plan.machines)
    for one in sorted(lasted, reverse=True):  # the longest first, on whatever machine is free
        free[free.argmin()] += one
    machine_hours, useful = sum(lasted), languages * (learning + looking)
    speech = hours * languages * rates.opus_bytes_per_hour
    # A machine keeps the run it is at (two checkpoints, best and averaged weights in them); the store all models.
    kept = plan.machines * 2 * rates.checkpoint_bytes + languages * rates.model_bytes
    memory = plan.workers * (rates.resident_bytes + lines * rates.manifest_bytes_per_line)
    return Cell(
        worker_hours=machine_hours * plan.workers,
        days=float(free.max()) / 24,
        machines_in_time=math.ceil(machine_hours / 24 / plan.days),
        lost_share=1 - useful / machine_hours,
        waiting_share=looking / (learning + looking),
        decode_hours=hours * languages / rates.decoded,
        disk_gib=(speech + kept) / GIB,
        features_gib=hours * languages * rates.feature_bytes_per_hour / GIB,
        memory_gib=memory / GIB,
        start_minutes=start * 60,
        loads={
            "time": float(free.max()) / 24 / plan.days,
            "memory": memory / GIB / plan.memory_gib,
            "disk": (speech + kept) / GIB / (plan.disk_gib * plan.machines),
        },
    )


def _with_failures(work: float, start: float, plan: Plan, rng: np.random.Generator) -> float:
    """Hours that a run of `work` hours takes on a machine that fails every `failure_hours` on average.

    Between failures it starts (`start` hours) and gets as far as its last checkpoint, or to its end.
    """
    if work > 2000 * plan.failure_hours:  # so many that their mean is all that matters (renewal theory)
        step = plan.checkpoint_hours
        survives = math.exp(-step / plan.failure_hours)
        saved = step * survives / (1 - survives)
        return work * (plan.failure_hours + start) / saved
    passed, done = start, 0.0
    while True:
        until = rng.exponential(plan.failure_hours)
        if done + until >= work:
            return passed + work - done
        passed += until + start
        done += until // plan.checkpoint_hours * plan.checkpoint_hours


REMEDIES = {
    "time": "available: more processes for a language (torchrun, SLURM), a run for each language (SLURM's arrays), a "
    "GPU (bench/gpu.py; no figure yet). Missing: one network for many languages, a queue over machines.",
    "memory": "available: shards, of which one window of rows is in memory, in each worker (corpora.md).",
    "disk": "available: audio stays compressed, features are made on the fly, shards may lie on several disks. "
    "Missing: reading shards from an object store without a file system in between.",
}


def breaks(cell: Cell) -> str:
    """The limits that are passed and how many times over, the most first."""
    passed = sorted(((load, name) for name, load in cell.loads.items() if load > 1), reverse=True)
    return ", ".join(f"{name} {load:,.{1 if load < 10 else 0}f}x" for load, name in passed) or "nothing"


def table(rates: Rates, plan: Plan, price: float | None) -> Iterator[str]:
    """Lines of Markdown."""
    head = False
    for hours in HOURS:
        for languages in LANGUAGES:
            row = columns(simulate(hours, languages, rates, plan), hours, languages, rates.worker, price)
            if not head:
                yield f"| {' | '.join(row)} |"
                yield "|" + "---:|" * (len(row) - 1) + "---|"
                head = True
            yield f"| {' | '.join(row.values())} |"


def columns(cell: Cell, hours: int, languages: int, worker: str, price: float | None) -> dict[str, str]:
    paid = {} if price is None else {"cost of training": f"{cell.worker_hours * price:,.0f}"}
    return {
        "hours each": f"{hours:,}",
        "languages": f"{languages:,}",
        f"{worker}-hours to train": f"{cell.worker_hours:,.0f}",
        **paid,
        "days": f"{cell.days:,.1f}",
        "machines for the deadline": f"{cell.machines_in_time:,}",
        "lost to failures": f"{cell.lost_share:.1%}",
        "evaluating on dev": f"{cell.waiting_share:.1%}",
        f"{worker}-hours to decode once": f"{cell.decode_hours:,.1f}",
        "speech and models, GiB": f"{cell.disk_gib:,.1f}",
        "features if stored, GiB": f"{cell.features_gib:,.0f}",
        "memory, GiB": f"{cell.memory_gib:,.1f}",
        "start, min": f"{cell.start_minutes:,.1f}",
        "what breaks": breaks(cell),
    }


def measure(corpus: Path) -> dict[str, Any]:
    """Every rate of this machine, in processor time of one core."""
    from vizinho.corpora.manifest import read_manifest
    from vizinho.store.store import Store

    bench = Path(__file__).parent
    trained = json.loads(_run(str(bench / "gpu.py"), "--part", "loop", "--clock", "cpu", "--workers", "0", "--preset",
                              "tiny", "--batch-seconds", "16", "--steps", "16", "--corpus", str(corpus)))  # fmt: skip
    utterances = read_manifest(corpus)
    seconds = sum(u.duration_seconds for u in utterances)
    manifest = json.loads(_run(__file__, "manifest", "--corpus", str(corpus)))
    model = Store().resolve("es-demo")
    return {
        "worker": "core",
        "hardware": trained["device"],
        "network": "tiny",
        "trained": trained["loop"]["audio_hours_per_hour"],
        "checkpoint_bytes": trained["loop"]["checkpoint_bytes"],
        "resident_bytes": trained["loop"]["peak_memory_mib"] * 2**20,
        "decoded": decode_rate(utterances[:150]),
        "opus_bytes_per_hour": sum(u.audio.stat().st_size for u in utterances) / seconds * 3600,
        "feature_bytes_per_hour": feature_bytes(utterances[0].audio) * 3600,
        "model_bytes": sum(f.stat().st_size for f in model.rglob("*") if f.is_file()),
        "utterance_seconds": seconds / len(utterances),
        **manifest,
    }


def decode_rate(utterances: Any) -> float:
    """Audio hours per core-hour of the runtime (onnxruntime, greedy), decoding of the files included."""
    from vizinho.audio.io import load_audio
    from vizinho.recognition.recognizer import Recognizer
    from vizinho.store.store import Store

    recognizer = Recognizer.load(Store().resolve("es-demo"))
    recognizer.transcribe_many([load_audio(u.audio) for u in utterances[:16]])
    begun = time.process_time()
    recognizer.transcribe_many([load_audio(u.audio) for u in utterances])
    return float(sum(u.duration_seconds for u in utterances) / (time.process_time() - begun))


def feature_bytes(audio: Path) -> float:
    """Bytes of features per second of audio."""
    from vizinho.audio.io import SAMPLE_RATE, load_audio
    from vizinho.model.checkpoint import load_checkpoint
    from vizinho.store.store import Store

    samples = load_audio(audio)
    features = load_checkpoint(Store().resolve("es-demo")).front.extract([samples]).features
    return features.numel() * features.element_size() / (samples.size / SAMPLE_RATE)


def measure_manifest(corpus: Path) -> dict[str, float]:
    """Processor time and memory per line of a manifest, and before the first one: a process of its own each time."""
    from vizinho.corpora.manifest import manifest_row, read_manifest
    from vizinho.training import speech_task  # noqa: F401  what a run imports before it reads

    ready = time.process_time()
    row = manifest_row(read_manifest(corpus)[0], corpus.parent)
    with tempfile.TemporaryDirectory() as folder:
        long = Path(folder) / "long.jsonl"
        with long.open("w") as file:
            for number in range(LINES):
                names = {"id": f"{row['id']}-{number}", "audio": f"{number}/{row['audio']}"}
                file.write(json.dumps(row | names) + "\n")
        before, begun = resident_bytes(), time.process_time()
        utterances = read_manifest(long)
        taken, grown = time.process_time() - begun, resident_bytes() - before
    return {
        "start_seconds": ready,
        "manifest_seconds_per_line": taken / len(utterances),
        "manifest_bytes_per_line": grown / len(utterances),
    }


def resident_bytes() -> int:
    """Memory that this process holds now (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _run(*command: str) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *command], check=True, stdout=subprocess.PIPE, text=True, env=environment
    ).stdout


def read_rates(files: list[Path]) -> Rates:
    """Rates of one or more files; what a later one (of bench/gpu.py on a GPU) says beats the earlier."""
    found: dict[str, Any] = {}
    for file in files:
        values = json.loads(file.read_text())
        if "loop" in values:  # bench/gpu.py
            values = {
                "worker": "GPU" if values["kind"] == "cuda" else "core",
                "trained": values["loop"]["audio_hours_per_hour"],
                "checkpoint_bytes": values["loop"]["checkpoint_bytes"],
            }
        found |= values
    return Rates(**{name: found[name] for name in Rates.__dataclass_fields__})


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("measure", "manifest"):
        command = commands.add_parser(name)
        command.add_argument("--corpus", type=Path, required=True, help="Spanish manifest")
    plan = commands.add_parser("plan")
    plan.add_argument("--rates", type=Path, nargs="+", default=[Path(__file__).with_name("scale_rates.json")])
    plan.add_argument("--price-per-core-hour", type=float, help="of a worker: a core, or a GPU with --rates of one")
    for option, value in (("passes", 10.0), ("memory-gib", 24.0), ("disk-gib", 200.0), ("days", 30.0)):
        plan.add_argument(f"--{option}", type=float, default=value)
    for option, value in (("dev-hours", 1.0), ("checkpoint-hours", 0.5), ("failure-hours", 500.0)):
        plan.add_argument(f"--{option}", type=float, default=value)
    for option, number in (("machines", 1), ("workers", 2), ("evaluations", 40), ("seed", 1)):
        plan.add_argument(f"--{option}", type=int, default=number)
    return parser.parse_args()


def main() -> None:
    given = parsed()
    if given.command == "measure":
        print(json.dumps(measure(given.corpus), indent=1))
    elif given.command == "manifest":
        print(json.dumps(measure_manifest(given.corpus)))
    else:
        plan = Plan(**{name: getattr(given, name) for name in Plan.__dataclass_fields__})
        print("\n".join(table(read_rates(given.rates), plan, given.price_per_core_hour)))
        print()
        for name, remedy in REMEDIES.items():
            print(f"- {name}: {remedy}")


if __name__ == "__main__":
    main()
