"""Peak memory of training over a corpus and over one a hundred times as long, each in a process of its own.

The long corpus is the short one's recordings under new ids, so that only its length differs.

    .venv/bin/python bench/train_memory.py
"""

from __future__ import annotations

import dataclasses
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from surroundings import describe

TIMES = 100


def train_once(manifest: str) -> None:
    from vizinho.job.fit import fit_job
    from vizinho.job.job import Job
    from vizinho.job.start import make_ready
    from vizinho.training.options import TrainingOptions

    options = TrainingOptions(steps=12, batch_seconds=16, evaluate_every=100, checkpoint_every=100, workers=0)
    ready = make_ready(Job("es", (Path(manifest),), preset="tiny", options=options))
    with tempfile.TemporaryDirectory() as folder:
        fit_job(ready, Path(folder))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    print(describe())
    from vizinho.corpora.manifest import read_manifest, write_manifest
    from vizinho.corpora.synthetic import practice_corpus

    short = practice_corpus("es", 12, Path("runs/bench/es"), seed=31)
    utterances = read_manifest(short)
    train_part = [u for u in utterances if u.split == "train"]
    copies = [dataclasses.replace(u, id=f"{u.id}-{n}") for n in range(TIMES - 1) for u in train_part]
    long = short.with_name("long.jsonl")
    write_manifest(long, [*utterances, *copies])
    sizes = {}
    for manifest in (short, long):
        done = subprocess.run([sys.executable, __file__, str(manifest)], capture_output=True, text=True, check=True)
        hours = sum(u.duration_seconds for u in read_manifest(manifest)) / 3600
        sizes[manifest] = float(done.stdout.split()[-1])
        print(f"{hours:6.1f} hours: peak {sizes[manifest]:.0f} MiB")
    print(f"ratio {sizes[long] / sizes[short]:.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        train_once(sys.argv[1])
    else:
        main()
