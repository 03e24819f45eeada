"""How many cores a command and the processes that it starts keep busy."""

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIMITS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables by which a user, or the process that runs the tests, may have decided what is to be tested."""
FORGIVEN_SECONDS = 0.3


def environment(**variables: str) -> dict[str, str]:
    """Of a command that decides its threads by itself."""
    unlimited = {name: value for name, value in os.environ.items() if name not in LIMITS}
    return unlimited | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}"} | variables


@dataclass(frozen=True)
class Usage:
    """Seconds of a command with all its processes, and for each process how its threads shared the work."""

    wall: float
    processor: float
    threads: dict[int, float]
    """See `shared`; of the processes that worked."""

    @property
    def cores(self) -> float:
        """Processor seconds per second of the clock. Other programs can only lower it."""
        return self.processor / self.wall


def task_seconds(pid: int) -> dict[str, float]:
    """Processor seconds of every thread of a process; none where it has ended."""
    seconds = {}
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError, ValueError):
                seconds[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return seconds


def shared(seconds: dict[str, float]) -> float:
    """Processor seconds of all threads over those of the busiest one: how many threads worked at the same time.

    Unlike a rate by the clock it is the same on a busy machine, since a thread that spins is busy whenever it may be.
    Threads that only pass on results are forgiven a fraction of a second.
    """
    return (sum(seconds.values()) - FORGIVEN_SECONDS) / max(seconds.values())


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    return []


def measure(command: list[str], at_least: float = 1.0, **variables: str) -> Usage:
    """Run `vizinho COMMAND`; processes with less than `at_least` processor seconds are too small to judge."""
    tasks: dict[int, dict[str, float]] = {}
    ended = threading.Event()

    def watch(root: int) -> None:
        while not ended.wait(0.05):
            pids = [root]
            for pid in pids:
                pids += _children(pid)
                tasks.setdefault(pid, {}).update(task_seconds(pid))

    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "vizinho", *command],
        env=environment(**variables), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    watcher = threading.Thread(target=watch, args=(process.pid,))
    watcher.start()
    output = process.stdout.read()
    _, status, resources = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    ended.set()
    watcher.join()
    assert process.returncode == 0, output.decode()
    busy = {pid: shared(seconds) for pid, seconds in tasks.items() if sum(seconds.values()) >= at_least}
    return Usage(wall, resources.ru_utime + resources.ru_stime, busy)
