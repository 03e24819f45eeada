"""Runs tasks here or in several processes, with one board of progress bars for all of them.

And says which process this is where torchrun started several for one run (training/ranks.py).
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from typing import Any

from vizinho.progress import Event

Task = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function of the module's top level and its arguments; it is also given the Event to report to, last."""


def unseen(_name: str, _total: float, _amount: float, _note: str = "") -> None:
    """The progress of library calls that nobody watches."""


def is_main_process() -> bool:
    """Whether this process speaks and writes for its run: the first of those that torchrun started, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def started_together() -> int:
    """How many processes torchrun started for this command."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_attempt() -> bool:
    """False where torchrun started the run's processes again after one of them died (`--max-restarts`)."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) == 0


def end_with_parent() -> None:
    """Called as a process begins: it ends when the one that started it is gone, be it killed.

    Otherwise it would finish its task unseen, beside the same task of a command that was given again.
    """
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_leave, args=(parent,), daemon=True).start()


def _wait_and_leave(parent: Any) -> None:
    parent.join()
    os._exit(1)


def run_tasks(tasks: Sequence[Task], processes: int, show: Event) -> list[Any]:
    """Results in the order of the tasks. The first error stops those not yet begun and is raised."""
    if processes <= 1 or len(tasks) <= 1:
        return [function(*arguments, show) for function, arguments in tasks]
    # Spawned, not forked: a fork after torch has started threads can hang.
    context = get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, context, end_with_parent) as pool:
        events: Any = manager.Queue()
        futures = [pool.submit(_with_queue, function, arguments, events) for function, arguments in tasks]
        while not all(f.done() for f in futures):
            _show_waiting(events, show)
            if any(f.done() and not f.cancelled() and f.exception() for f in futures):
                pool.shutdown(cancel_futures=True)
        _show_waiting(events, show)
        failed = [f for f in futures if not f.cancelled() and f.exception()]
        return [f.result() for f in failed or futures]


def _with_queue(function: Callable[..., Any], arguments: tuple[Any, ...], events: Any) -> Any:
    return function(*arguments, lambda *event: events.put(event))


def _show_waiting(events: Any, show: Event) -> None:
    try:
        show(*events.get(timeout=0.2))
        while True:
            show(*events.get_nowait())
    except queue.Empty:
        return
