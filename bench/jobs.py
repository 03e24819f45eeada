"""What `vizinho transcribe --jobs 2` gains over `--jobs 1`, on recordings of about three seconds.

Runs alternate in pairs, so a machine that slows down slows both; the ratio of each pair counts. Processor time is that
of the command with all its processes: with two jobs it should hardly grow.

    .venv/bin/python bench/jobs.py [--model es-demo] [--files 800] [--pairs 3] [--jobs 2] [--corpus MANIFEST]

Recordings are those of Spanish beside the project ($VIZINHO_SHARED, ../shared), else spoken by eSpeak NG.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from surroundings import describe

from vizinho.corpora.manifest import read_manifest
from vizinho.corpora.synthetic import practice_corpus
from vizinho.records import Utterance


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of a command by the clock and of the processor."""

    wall: float
    processor: float


def transcribe(model: str, files: Sequence[str], jobs: int) -> Taken:
    """Run the command, start of Python and reading of files included."""
    command = [sys.executable, "-m", "vizinho", "transcribe", model, *files, "--jobs", str(jobs)]
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, status, resources = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:5])} ... ended with {process.returncode}")
    return Taken(time.perf_counter() - begun, resources.ru_utime + resources.ru_stime)


def recordings(corpus: Path | None, count: int) -> list[Utterance]:
    """Recordings spread over a corpus."""
    beside = Path(os.environ.get("VIZINHO_SHARED", "../shared")) / "speech" / "es.jsonl"
    if corpus is None:
        corpus = beside if beside.is_file() else practice_corpus("es", 45, Path("runs/bench/jobs"), seed=32)
    utterances = read_manifest(corpus)
    return utterances[:: max(1, len(utterances) // count)][:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="es-demo")
    parser.add_argument("--files", type=int, default=800)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--corpus", type=Path)
    arguments = parser.parse_args()
    utterances = recordings(arguments.corpus, arguments.files)
    files = [str(utterance.audio) for utterance in utterances]
    audio_seconds = sum(utterance.duration_seconds for utterance in utterances)
    print(describe())
    print(f"{len(files)} files, {audio_seconds:.0f} s of audio")
    transcribe(arguments.model, files[:1], 1)  # exports the model
    ratios = []
    for pair in range(arguments.pairs):
        order = (1, arguments.jobs) if pair % 2 else (arguments.jobs, 1)
        taken = {jobs: transcribe(arguments.model, files, jobs) for jobs in order}
        one, several = taken[1], taken[arguments.jobs]
        ratios.append((one.wall / several.wall, several.processor / one.processor))
        print(
            f"pair {pair + 1}: --jobs 1 {one.wall:.1f} s, --jobs {arguments.jobs} {several.wall:.1f} s by the clock: "
            f"{ratios[-1][0]:.2f} times as fast; processor {one.processor:.1f} s and {several.processor:.1f} s: "
            f"{ratios[-1][1]:.2f} times as much; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    faster, dearer = (statistics.median(values) for values in zip(*ratios, strict=True))
    print(f"median: {faster:.2f} times as fast, {dearer:.2f} times the processor time")


if __name__ == "__main__":
    main()
