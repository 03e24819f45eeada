"""One worker process seen from the server: starting it, talking to it without blocking, ending it."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from vizinho.server.workers.messages import Order, Report, WorkerOptions

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class WorkerProcess:
    """A process and two threads: one reads its reports, the other writes to it, since either may have to wait.

    The process is spawned, not forked: a fork while other threads run can hang.
    """

    def __init__(
        self, options: WorkerOptions, reported: Callable[[Sequence[Report]], None], ended: Callable[[], None]
    ) -> None:
        """`reported` and `ended` are called from another thread."""
        context = get_context("spawn")
        self._connection, workers_end = context.Pipe()
        self._process = context.Process(target=_main, args=(workers_end, options), daemon=True, name="vizinho-worker")
        self._process.start()
        workers_end.close()  # the worker has its copy; with ours open, its end would never be seen
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        for work, arguments in ((self._read, (reported, ended)), (self._write, ())):
            threading.Thread(target=work, args=arguments, daemon=True).start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid or 0  # only mypy knows processes that have not started

    def send(self, order: Order) -> None:
        """Give an order; returns at once. Orders to a dead worker are lost, as `ended` tells."""
        self._orders.put(order)

    def kill(self) -> None:
        """End the process now."""
        self._process.kill()
        self._orders.put(None)  # ends the thread that writes

    def reap(self) -> None:
        """Wait for the end of a killed process."""
        self._process.join()

    def resident_bytes(self) -> int:
        """Memory in use; 0 for a process that has ended."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
        except (OSError, IndexError, ValueError):
            return 0

    def _read(self, reported: Callable[[Sequence[Report]], None], ended: Callable[[], None]) -> None:
        with contextlib.suppress(EOFError, OSError, RuntimeError):  # RuntimeError: the event loop is closed
            while True:
                reported(self._connection.recv())
        with contextlib.suppress(RuntimeError):
            ended()

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while None not in (orders := self._taken()):
                self._connection.send(orders)

    def _taken(self) -> list[Order | None]:
        """Wait for an order; returns it and those that wait after it: each message wakes threads of both processes."""
        orders = [self._orders.get()]
        with contextlib.suppress(queue.Empty):
            while True:
                orders.append(self._orders.get_nowait())
        return orders


def _main(connection: Connection, options: WorkerOptions) -> None:
    """What the process runs; imported there, so that the server itself loads no network."""
    from vizinho.server.workers.worker import work

    work(connection, options)
