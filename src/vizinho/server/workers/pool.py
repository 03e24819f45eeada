"""Worker processes: hands them recordings in fair order and streams for good, replaces those that die.

A worker may be lost at any moment (killed, out of memory, a crash in a codec). The recording that it was on goes back
to the head of the queue once, unless its client has had some of the text already, and is refused with a clear error if
a second worker dies on it; its streams, whose state is gone with it, end with an error. Where workers die one after
another, recordings wait for a bounded time and are refused. Nothing that was accepted is lost in silence.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from vizinho.server.security.limits import Limits, draining
from vizinho.server.security.metrics import Metrics
from vizinho.server.security.refusals import Refusal, overloaded
from vizinho.server.served import ServedModel
from vizinho.server.workers import messages
from vizinho.server.workers.fair_queue import FairQueue
from vizinho.server.workers.process import WorkerProcess

MAX_ATTEMPTS = 2
_WATCH_SECONDS = 0.5
_LATE_MEMORY_SECONDS = 5.0
"""What was said of lateness longer ago no longer holds: the streams may be silent by now."""
_RETRY_SECONDS = 10  # by then a killed worker has a successor
_RESTART_SECONDS = (0.0, 0.0, 1.0, 5.0, 30.0)  # before a replacement, by how many in a row died in their start

log = logging.getLogger("vizinho.server")


@dataclass(slots=True, eq=False)
class _Pending:
    """A recording that was accepted and has no answer yet."""

    client: str
    job: messages.FileJob
    answer: asyncio.Future[messages.FileDone]
    on_delta: Callable[[str], None]
    attempts: int = 0
    began: float = 0.0
    has_deltas: bool = False  # whether some of its text has been sent: another worker would send it again

    def refuse(self, refusal: Refusal) -> None:
        """Answer with a refusal, unless there is an answer."""
        if not self.answer.done():
            self.answer.set_exception(refusal)


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker as the pool sees it."""

    number: int
    process: WorkerProcess
    started: float
    loading: set[str]  # models that it has not loaded yet, of those it starts with
    ready: bool = False
    ready_since: float = math.inf
    dead: bool = False
    pending: _Pending | None = None
    streams: dict[int, StreamHandle] = field(default_factory=dict)
    late: tuple[float, float] = (0.0, -math.inf)  # how long orders of its streams waited, and when that was said
    kill_reason: str = ""  # why the pool killed it

    @property
    def late_seconds(self) -> float:
        """How long orders of its streams wait, if there were any in the last seconds."""
        seconds, said_at = self.late
        return seconds if self.streams and time.monotonic() - said_at < _LATE_MEMORY_SECONDS else 0.0


class StreamHandle:
    """One open stream. Orders are answered one at a time: waiting for the answer is what slows a fast client down."""

    def __init__(self, worker: _Worker, number: int) -> None:
        self._worker, self._number = worker, number
        self._report: asyncio.Future[messages.StreamReport] | None = None
        self.ordered_at: float | None = None  # since when the worker owes a report
        self.worker_lost = asyncio.Event()  # ends the wait for the client's next message too

    async def order(
        self, kind: messages.StreamOrderKind, data: bytes = b"", configuration: messages.Configuration | None = None
    ) -> messages.StreamReport:
        """Give the worker an order and wait for its report. Raises Refusal."""
        try:
            return await self._send(messages.StreamOrder(self._number, kind, data, configuration, time.monotonic()))
        finally:
            if kind == "close":
                self._worker.streams.pop(self._number, None)

    async def open(self, opening: messages.OpenStream) -> ServedModel:
        """Begin; returns the model that listens. Raises Refusal."""
        try:
            return (await self._send(replace(opening, id=self._number))).model
        except BaseException:  # also CancelledError: the client has gone while the model was loaded
            self.drop()
            raise

    def drop(self) -> None:
        """The client is gone."""
        if self._worker.streams.pop(self._number, None) and not self._worker.dead:
            self._worker.process.send(messages.StreamOrder(self._number, "drop"))

    async def _send(self, order: messages.OpenStream | messages.StreamOrder) -> messages.StreamReport:
        if self.worker_lost.is_set():
            raise stream_lost()
        self._report = asyncio.get_running_loop().create_future()
        self.ordered_at = time.monotonic()
        self._worker.process.send(order)
        try:
            return await self._report
        finally:
            self._report = self.ordered_at = None

    def reported(self, report: messages.StreamReport | Refusal) -> None:
        """The worker's report on the last order."""
        if self._report is None or self._report.done():
            return
        if isinstance(report, Refusal):
            self._report.set_exception(report)
        else:
            if report.late_seconds is not None:  # reports on other orders than audio do not say
                self._worker.late = report.late_seconds, time.monotonic()
            self._report.set_result(report)

    def lost(self) -> None:
        """The worker is dead."""
        self.worker_lost.set()
        self.reported(stream_lost())


class Pool:
    """All workers of a server. Everything but starting processes happens in the event loop, so there are no locks."""

    def __init__(self, options: messages.WorkerOptions, count: int, limits: Limits, metrics: Metrics) -> None:
        self.options, self.count, self.limits, self.metrics = options, count, limits, metrics
        self.topics = options.classifier is not None  # whether there is a classifier; workers say so when they start
        self._workers: list[_Worker] = []
        self._queue: FairQueue[_Pending] = FairQueue(limits.max_waiting)
        self._numbers = itertools.count(1)
        self._failures = 0  # workers in a row that died before they were ready
        self._preload: tuple[ServedModel, ...] = ()
        self._recent_seconds = 1.0  # moving mean of how long a recording takes
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        metrics.waiting.set_function(lambda: len(self._queue))
        metrics.workers_ready.set_function(lambda: sum(w.ready for w in self._workers))
        metrics.late_seconds.set_function(lambda: max((w.late_seconds for w in self._workers), default=0.0))

    async def start(self, preload: Sequence[ServedModel]) -> None:
        """Start the workers, each with these models loaded; returns at once, `ready` says when they take work."""
        self._preload = tuple(preload)
        for _ in range(self.count):
            self._spawn()
        self._run(self._watch())

    def give_up(self) -> None:
        """Refuse whoever still waits, and end all workers."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        while (pending := self._queue.take()) is not None:
            pending.refuse(draining())
        for worker in self._workers:
            self._end(worker)

    async def stop(self) -> None:
        """Give up, and wait until all workers have ended."""
        self.give_up()
        await asyncio.gather(*(asyncio.to_thread(w.process.reap) for w in self._workers))

    @property
    def ready(self) -> bool:
        """Whether at least one worker has its models loaded."""
        return any(w.ready and not w.loading for w in self._workers)

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting or being worked on."""
        return not len(self._queue) and not any(w.pending or w.streams for w in self._workers)

    @property
    def retry_after_seconds(self) -> int:
        """When a place in the queue is likely to be free."""
        return max(1, min(60, math.ceil(len(self._queue) * self._recent_seconds / self.count)))

    async def transcribe(
        self, client: str, job: messages.FileJob, on_delta: Callable[[str], None] = lambda _text: None
    ) -> messages.FileDone:
        """Transcribe one recording. Raises Refusal; a caller that is cancelled gives up its place."""
        answer: asyncio.Future[messages.FileDone] = asyncio.get_running_loop().create_future()
        pending = _Pending(client, replace(job, id=next(self._numbers)), answer, on_delta)
        self._queue.put(client, pending, retry_after_seconds=self.retry_after_seconds)
        self._hand_out()
        began = time.monotonic()
        try:
            while not (await asyncio.wait({answer}, timeout=_WATCH_SECONDS))[0]:
                if time.monotonic() - began > self.limits.settled_seconds and self._hopeless(pending):
                    pending.refuse(overloaded("the workers die, or do not start", _RETRY_SECONDS))
            return answer.result()
        finally:
            self._queue.remove(client, pending)

    async def open_stream(self, opening: messages.OpenStream) -> tuple[StreamHandle, ServedModel]:
        """Begin a stream on the worker with the fewest; also says which model listens. Raises Refusal."""
        workers = [w for w in self._workers if w.ready and not w.dead]
        if not workers:
            raise overloaded("no worker is ready", 2)
        # Streams that are open must not suffer from new ones: who comes next is told to come again.
        in_time = [w for w in workers if w.late_seconds <= self.limits.late_seconds]
        if not in_time:
            raise overloaded(f"streams are {min(w.late_seconds for w in workers):.1f} s behind", 5)
        worker = min(in_time, key=lambda w: len(w.streams))
        number = next(self._numbers)
        handle = worker.streams[number] = StreamHandle(worker, number)
        try:
            return handle, await handle.open(opening)
        except Refusal as refusal:
            if handle.worker_lost.is_set():  # nothing is lost yet, so the client need not hear of a stream that died
                raise overloaded("the worker died before the stream began", 2) from refusal
            raise

    def _hopeless(self, pending: _Pending) -> bool:
        """Whether a recording waits in line although no worker has lived for long: they die one after another."""
        latest = time.monotonic() - self.limits.settled_seconds
        settled = any(w.ready_since < latest and not w.dead for w in self._workers)
        return not settled and not any(w.pending is pending for w in self._workers)

    def _hand_out(self) -> None:
        # Streams first: a worker that listens to many has less time for a recording.
        idle = [w for w in self._workers if w.ready and not w.dead and w.pending is None]
        for worker in sorted(idle, key=lambda w: len(w.streams)):
            pending = self._queue.take()
            while pending is not None and pending.answer.done():  # its client has gone away meanwhile
                pending = self._queue.take()
            if pending is None:
                return
            pending.attempts += 1
            pending.began = time.monotonic()
            worker.pending = pending
            worker.process.send(pending.job)

    def _spawn(self) -> None:
        loop = asyncio.get_running_loop()
        number = next(self._numbers)

        def later(call: Callable[..., None], *arguments: object) -> None:
            loop.call_soon_threadsafe(call, number, *arguments)  # the process calls from threads of its own

        process = WorkerProcess(self.options, partial(later, self._reported), partial(later, self._ended))
        self._workers.append(_Worker(number, process, time.monotonic(), {model.ref for model in self._preload}))
        for model in self._preload:
            process.send(messages.Preload(model))

    def _reported(self, number: int, reports: Sequence[messages.Report]) -> None:
        worker = next((w for w in self._workers if w.number == number), None)
        for report in reports:
            if worker is not None and not worker.dead:
                self._report(worker, report)

    def _report(self, worker: _Worker, report: messages.Report) -> None:
        if isinstance(report, messages.Ready):
            worker.ready, worker.ready_since, self.topics = True, time.monotonic(), report.topics
            self._hand_out()
        elif isinstance(report, messages.Loaded):
            self._loaded(worker, report)
        elif handle := worker.streams.get(report.id):
            assert isinstance(report, messages.StreamReport | messages.Failed)
            handle.reported(report.refusal if isinstance(report, messages.Failed) else report)
        elif worker.pending is not None and worker.pending.job.id == report.id:
            assert isinstance(report, messages.Delta | messages.FileDone | messages.Failed)
            self._to_pending(worker, report)

    def _loaded(self, worker: _Worker, report: messages.Loaded) -> None:
        worker.loading.discard(report.ref)
        if report.problem:
            log.error("worker %d cannot load %s: %s", worker.process.pid, report.ref, report.problem)
        if not worker.loading:
            self._failures = 0

    def _to_pending(self, worker: _Worker, report: messages.Delta | messages.FileDone | messages.Failed) -> None:
        pending = worker.pending
        assert pending is not None
        if isinstance(report, messages.Delta):
            pending.has_deltas = True
            pending.on_delta(report.text)
            return
        worker.pending = None
        seconds = time.monotonic() - pending.began
        self._recent_seconds += 0.1 * (seconds - self._recent_seconds)  # exponential, over about ten recordings
        self.metrics.work_seconds.inc(seconds)
        if isinstance(report, messages.Failed):
            pending.refuse(report.refusal)
        elif not pending.answer.done():
            pending.answer.set_result(report)
        self._hand_out()

    def _ended(self, number: int) -> None:
        worker = next((w for w in self._workers if w.number == number), None)
        if worker is None or worker.dead or self._stopping:
            return
        reason = worker.kill_reason or "died"
        log.error("worker %d %s; a new one is started", worker.process.pid, reason)
        self.metrics.restarts.labels(reason=reason).inc()
        self._failures = 0 if worker.ready else self._failures + 1  # a store that kills every worker must not spin
        self._end(worker)
        self._workers.remove(worker)
        self._run(self._replace(worker, _RESTART_SECONDS[min(self._failures, len(_RESTART_SECONDS) - 1)]))

    def _end(self, worker: _Worker) -> None:
        """Kill a worker and tell everybody who waits for it."""
        worker.dead, worker.ready = True, False
        worker.process.kill()
        for handle in worker.streams.values():
            handle.lost()
        worker.streams.clear()
        pending, worker.pending = worker.pending, None
        if pending is None or pending.answer.done():
            return
        if self._stopping:
            pending.refuse(draining())
        elif worker.kill_reason == "too slow":
            pending.refuse(Refusal(504, "TOO_SLOW", f"the audio took longer than {self.limits.job_seconds:.0f} s"))
        elif pending.has_deltas:
            pending.refuse(Refusal(500, "WORKER_DIED", "the worker died after part of the text; send the audio again"))
        elif pending.attempts >= MAX_ATTEMPTS:
            what = f"{pending.attempts} workers died on this audio; send it again, once"
            pending.refuse(Refusal(503, "WORKER_DIED", what, retry_after_seconds=_RETRY_SECONDS))
        else:
            self._queue.put_back(pending.client, pending)

    async def _replace(self, worker: _Worker, wait_seconds: float) -> None:
        self._hand_out()
        await asyncio.to_thread(worker.process.reap)
        await asyncio.sleep(wait_seconds)
        self._spawn()

    async def _watch(self) -> None:
        """Kill workers that are stuck or have grown too large."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            now = time.monotonic()
            self.metrics.worker_bytes.clear()  # else the numbers of dead processes would stay
            for worker in list(self._workers):
                used_bytes = worker.process.resident_bytes()
                self.metrics.worker_bytes.labels(worker=str(worker.process.pid)).set(used_bytes)
                worker.kill_reason = worker.kill_reason or self._reason_to_kill(worker, now, used_bytes)
                if worker.kill_reason:
                    worker.process.kill()

    def _reason_to_kill(self, worker: _Worker, now: float, used_bytes: int) -> str:
        limits = self.limits
        if used_bytes > limits.worker_bytes:
            return "too large"
        if not worker.ready and now - worker.started > limits.load_seconds:
            return "too slow to start"
        since = [worker.pending.began if worker.pending else None, *(h.ordered_at for h in worker.streams.values())]
        return "too slow" if any(at is not None and now - at > limits.job_seconds for at in since) else ""

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        # The loop itself refers to its tasks weakly; without a reference one may be collected before it has ended.
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def stream_lost() -> Refusal:
    """What a stream's client is told when its worker is dead."""
    return Refusal(500, "WORKER_DIED", "the worker of this stream died; open a new one and send the audio again")
