"""Runs commands in processes of their own and kills them at any file-system step, for the fault tests.

Processes are forked from one that has imported everything, since importing torch takes longer than what is tested;
otherwise they are as a user's: their own memory, the console script's entry point, real signals, real files.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context, set_start_method
from pathlib import Path
from random import Random

import pytest

ROUNDS = int(os.environ.get("VIZINHO_FAULT_ROUNDS", "0"))
"""Random moments of each fault; 0 takes the few that every test run can afford."""
SEED = int(os.environ.get("VIZINHO_FAULT_SEED", "0")) or time.time_ns() % 2**32
"""Seed of the random moments, printed with every failure: VIZINHO_FAULT_SEED=N brings them back."""

_MODULES = [
    "faulting", "tones", "torch", "transformers", "accelerate", "soundfile", "onnxruntime", "torch.utils.tensorboard",
    "vizinho.cli.main", "vizinho.job.fit", "vizinho.job.publish", "vizinho.recognition.files",
]  # fmt: skip


def rounds(usual: int) -> int:
    """How many random moments a fault gets."""
    return ROUNDS or usual


def moments(name: str) -> Random:
    """The generator of a test's random moments; what it was seeded with is printed where the test fails."""
    print(f"VIZINHO_FAULT_SEED={SEED}")
    return Random(f"{SEED} {name}")


@dataclass(frozen=True)
class Fault:
    """What happens to a process by itself, besides the signals that a test sends."""

    kill_at: int = 0
    """SIGKILL just before this one of its file-system steps (1 is the first); 0: never."""
    within: str = ""
    """Only steps on paths that contain this are counted."""
    clock: str = ""
    """"back" or "ahead": the wall clock jumps ten years at every other reading."""
    largest_file: int = 0
    """Bytes that a file may have; writing more fails as on a full disk. 0: no limit."""


_STEPS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.truncate", "os.chmod"}


def suffer(fault: Fault) -> None:
    """Arrange for a fault in this process. An audit hook sees every file-system step just before it is taken."""
    if fault.clock:
        _jump(fault.clock)
    if fault.largest_file:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault.largest_file, fault.largest_file))
    if not fault.kill_at:
        return
    taken = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal taken
        if event in _STEPS and fault.within in _path(arguments):
            taken += 1
            if taken == fault.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _path(arguments: tuple[object, ...]) -> str:
    """The path of a step; what `shutil.rmtree` removes is named relative to an open folder."""
    first, folder = arguments[0], arguments[-1]
    if not isinstance(first, str | bytes | os.PathLike):
        return ""
    path = Path(os.fsdecode(first))
    if not path.is_absolute() and isinstance(folder, int) and folder >= 0 and len(arguments) > 1:
        path = Path(f"/proc/self/fd/{folder}").readlink() / path
    return str(path)


def _jump(direction: str) -> None:
    import datetime as dates

    real, years = time.time, 10 * 365 * 86_400.0 * (1 if direction == "ahead" else -1)
    readings = 0

    def jumping() -> float:
        nonlocal readings
        readings += 1
        return real() + years * (readings % 2)

    class Jumping(dates.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(jumping(), tz)

    time.time = jumping
    time.time_ns = lambda: int(jumping() * 1e9)
    for name, module in list(sys.modules.items()):
        if name.startswith("vizinho.") and getattr(module, "datetime", None) is dates.datetime:
            module.datetime = Jumping


@dataclass
class Child:
    """A command in a process of its own."""

    process: object
    out: Path
    err: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.is_alive()

    def wait(self) -> int:
        """Its exit code; the negative signal where it was killed."""
        self.process.join()
        return self.process.exitcode

    def kill(self) -> None:
        """SIGKILL, to the command alone: what it started must find out by itself."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    @property
    def said(self) -> str:
        return self.out.read_text() + self.err.read_text()


def launch(task: Callable[..., None], *arguments: object, log: Path, fault: Fault = Fault(), **env: str) -> Child:
    """Call a function of a module in a new process; what it prints goes to files beside `log`."""
    context = get_context("forkserver")
    context.set_forkserver_preload(_MODULES)
    out, err = log.with_suffix(".out"), log.with_suffix(".err")
    process = context.Process(target=_begin, args=(task, arguments, out, err, fault, env, Path.cwd()))
    process.start()
    return Child(process, out, err)


def _begin(task, arguments, out: Path, err: Path, fault: Fault, env: dict[str, str], place: Path) -> None:
    os.chdir(place)
    os.environ.update(env)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    import torch

    set_start_method("fork", force=True)  # as in a process that a user starts; ours inherited another
    torch.set_num_threads(1)
    code = 1
    try:
        suffer(fault)
        task(*arguments)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    sys.exit(code)


def command(*words: object) -> None:
    """The console script's entry point with these words after `vizinho`."""
    from vizinho.cli.main import main

    sys.argv = ["vizinho", *map(str, words)]
    main()


def vizinho(*words: object, home: Path, log: Path, fault: Fault = Fault()) -> Child:
    """Start `vizinho WORDS` with a store at `home`."""
    return launch(command, *words, log=log, fault=fault, VIZINHO_HOME=str(home))


def forked(work: Callable[[], object], fault: Fault = Fault()) -> int:
    """Do some work in a fork of this process, which must have one thread; its exit code, or minus its signal."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            suffer(fault)
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def every_step(work: Callable[[], object], before: Callable[[], object], within: str, stride: int = 1) -> Iterator[int]:
    """Kill some work at each of its file-system steps in turn; yields the step's number after each kill.

    `before` puts the files back to where the work begins. Ends when the work gets through. A `stride` above 1 takes
    every so-manieth step, beginning at a random one.
    """
    for number in count(1 + moments(within).randrange(stride), stride):
        before()
        code = forked(work, Fault(number, within))
        if code == 0:
            return
        assert code == -signal.SIGKILL, f"step {number}: exit code {code}"
        yield number


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A file system of a few megabytes. Skips the test where none may be mounted."""
    yield from _mounted(place, ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)])


@contextmanager
def read_only(place: Path) -> Iterator[Path]:
    """A folder that cannot be written to, by root neither. Skips the test where nothing may be mounted."""
    yield from _mounted(place, ["mount", "--bind", "-o", "ro", str(place), str(place)])


def _mounted(place: Path, call: list[str]) -> Iterator[Path]:
    import subprocess

    place.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(call, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"nothing can be mounted here: {error}")
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True, capture_output=True)
