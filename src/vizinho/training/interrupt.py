"""Ctrl-C or a polite kill during long training: finish the step, save, and say how to go on."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vizinho.errors import VizinhoError


class InterruptedRunError(VizinhoError):
    """The user stopped the run; its state is saved."""


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT or SIGTERM into a flag that the loop reads between steps; a second one stops at once.

    SIGTERM is what torchrun, SLURM and cloud machines send before they kill.
    """
    pressed: list[bool] = []

    def handler(_signal: int, _frame: Any) -> None:
        pressed.append(True)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    try:
        before = {kind: signal.signal(kind, handler) for kind in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # only the main thread may set handlers, and only it gets Ctrl-C
        yield lambda: False
        return
    try:
        yield lambda: bool(pressed)
    finally:
        for kind, previous in before.items():
            signal.signal(kind, previous)
