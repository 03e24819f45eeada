"""Cold time of comparing eight languages on all levels but vectors, with the share of each level.

Each run is a process of its own without the cache; one and two processes alternate, and the ratio of each pair is what
counts. With $VIZINHO_SHARED, treebanks and recordings are read too; without, the levels that need them are gaps.

    VIZINHO_SHARED=../shared .venv/bin/python bench/compare_levels.py [--pairs 2]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from surroundings import describe

DONORS = "es,gl,it,fr,ca,en,de"


def once(processes: int) -> tuple[float, dict[str, float]]:
    """Seconds of the whole command and of each level."""
    code = "from vizinho.cli.main import main; main()"
    command = ["compare", "pt", "--donors", DONORS, "--no-cache", "--json", "--processes", str(processes)]
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        capture_output=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return time.perf_counter() - begun, json.loads(done.stdout)["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2)
    arguments = parser.parse_args()
    print(describe())
    times: dict[int, list[float]] = {1: [], 2: []}
    for pair in range(arguments.pairs):
        for processes in (1, 2) if pair % 2 else (2, 1):
            wall, levels = once(processes)
            times[processes].append(wall)
            total = sum(levels.values())
            shares = ", ".join(f"{name} {seconds / total:.0%}" for name, seconds in levels.items())
            print(f"{processes} process{'es' if processes > 1 else ''}: {wall:.1f} s ({shares})", flush=True)
    ratios = [one / two for one, two in zip(times[1], times[2], strict=True)]
    print(f"eight languages, two processes: median {statistics.median(times[2]):.1f} s; one against two: ", end="")
    print(f"{statistics.median(ratios):.2f} times the time")


if __name__ == "__main__":
    main()
