"""Worker processes: hands them recordings in fair turns and streams for good, replaces those that die.

A worker may be lost at any moment (killed, out of memory, a crash in a codec). The recording that it was on goes back
to the head of the queue once, and is refused with a clear error if a second worker dies on it too; its streams, whose
state is gone with it, end with an error. Nothing that was accepted is lost in silence.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vizinho.server.security.limits import Limits, draining
from vizinho.server.security.metrics import Metrics
from vizinho.server.security.refusals import Refusal, overloaded
from vizinho.server.workers.messages import (
    Answer,
    Delta,
    Failed,
    FileDone,
    FileJob,
    Loaded,
    ModelPlace,
    OpenStream,
    Preload,
    Ready,
    StreamAudio,
    StreamClose,
    StreamDrop,
    StreamFinalize,
    StreamMessages,
    WorkerOptions,
)
from vizinho.server.workers.process import WorkerProcess
from vizinho.server.workers.turns import Turns

MAX_ATTEMPTS = 2
_WATCH_SECONDS = 0.5
_RESTART_SECONDS = (0.0, 0.0, 1.0, 5.0, 30.0)
"""Wait before a worker is replaced, by how many in a row died before they were ready."""

log = logging.getLogger("vizinho.server")


@dataclass(slots=True, eq=False)
class _Pending:
    """A recording that was accepted and has no answer yet."""

    client: str
    job: FileJob
    answer: asyncio.Future[FileDone]
    on_delta: Callable[[str], None]
    attempts: int = 0
    began: float = 0.0


@dataclass(slots=True, eq=False)
class _Member:
    """A worker as the pool sees it."""

    number: int
    process: WorkerProcess
    started: float
    ready: bool = False
    dead: bool = False
    pending: _Pending | None = None
    streams: dict[int, StreamHandle] = field(default_factory=dict)
    loading: set[str] = field(default_factory=set)
    doomed: str = ""
    """Why the pool killed it."""


class StreamHandle:
    """One open stream. Orders are answered one at a time: waiting for the answer is what slows a fast client down."""

    def __init__(self, pool: Pool, member: _Member, number: int) -> None:
        self._pool, self._member, self._number = pool, member, number
        self._answer: asyncio.Future[StreamMessages] | None = None
        self.asked = 0.0
        self.worker_lost = asyncio.Event()
        """Set when the worker is dead: whoever waits for the client need not wait any longer."""

    async def accept(self, data: bytes) -> StreamMessages:
        """Messages that more audio gives rise to. Raises Refusal."""
        return await self._ask(StreamAudio(self._number, data))

    async def finalize(self) -> StreamMessages:
        """Messages with everything said so far. Raises Refusal."""
        return await self._ask(StreamFinalize(self._number))

    async def close(self) -> StreamMessages:
        """The last messages. Raises Refusal."""
        try:
            return await self._ask(StreamClose(self._number))
        finally:
            self._member.streams.pop(self._number, None)

    def drop(self) -> None:
        """The client is gone."""
        if self._member.streams.pop(self._number, None) and not self._member.dead:
            self._member.process.send(StreamDrop(self._number))

    async def _ask(self, order: OpenStream | StreamAudio | StreamFinalize | StreamClose) -> StreamMessages:
        if self.worker_lost.is_set():
            raise stream_lost()
        self._answer = asyncio.get_running_loop().create_future()
        self.asked = time.monotonic()
        self._member.process.send(order)
        try:
            return await self._answer
        finally:
            self._answer = None

    @property
    def waiting(self) -> bool:
        """Whether the worker owes an answer."""
        return self._answer is not None

    def answered(self, answer: StreamMessages | Refusal) -> None:
        """The worker's answer to the last order."""
        if self._answer is None or self._answer.done():
            return
        if isinstance(answer, Refusal):
            self._answer.set_exception(answer)
        else:
            self._answer.set_result(answer)

    def lost(self) -> None:
        """The worker is dead."""
        self.worker_lost.set()
        self.answered(stream_lost())


class Pool:
    """All workers of a server. Everything but starting processes happens in the event loop, so there are no locks."""

    def __init__(self, options: WorkerOptions, count: int, limits: Limits, metrics: Metrics) -> None:
        self.options, self.count, self.limits, self.metrics = options, count, limits, metrics
        self.topics = options.classifier is not None
        """Whether the workers have a classifier of topics, as far as is known: they say so when they are ready."""
        self._members: list[_Member] = []
        self._turns: Turns[_Pending] = Turns(limits.max_waiting)
        self._numbers = itertools.count(1)
        self._failures = 0
        """Workers in a row that died before they were ready."""
        self._preload: tuple[ModelPlace, ...] = ()
        self._recent_seconds = 1.0
        """Moving mean of how long a recording takes."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        metrics.waiting.set_function(lambda: len(self._turns))
        metrics.workers_ready.set_function(lambda: sum(m.ready for m in self._members))

    async def start(self, preload: Sequence[ModelPlace]) -> None:
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
        while (pending := self._turns.take()) is not None:
            _refuse(pending, draining())
        for member in self._members:
            self._bury(member)

    async def stop(self) -> None:
        """Give up, and wait until all workers have ended."""
        self.give_up()
        await asyncio.gather(*(asyncio.to_thread(m.process.reap) for m in self._members))

    @property
    def ready(self) -> bool:
        """Whether at least one worker has its models loaded."""
        return any(m.ready and not m.loading for m in self._members)

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting or being worked on."""
        return not len(self._turns) and not any(m.pending or m.streams for m in self._members)

    @property
    def process_ids(self) -> list[int]:
        """Of the workers that are alive."""
        return [m.process.pid for m in self._members if not m.dead]

    @property
    def retry_after_seconds(self) -> int:
        """When a place in the queue is likely to be free."""
        return max(1, min(60, math.ceil(len(self._turns) * self._recent_seconds / self.count)))

    async def transcribe(
        self, client: str, job: FileJob, on_delta: Callable[[str], None] = lambda _text: None
    ) -> FileDone:
        """Transcribe one recording. Raises Refusal; a caller that is cancelled gives up its place."""
        answer: asyncio.Future[FileDone] = asyncio.get_running_loop().create_future()
        pending = _Pending(client, replace(job, id=next(self._numbers)), answer, on_delta)
        self._turns.put(client, pending, retry_after_seconds=self.retry_after_seconds)
        self._hand_out()
        try:
            return await answer
        finally:
            self._turns.remove(client, pending)

    async def open_stream(self, opening: OpenStream) -> StreamHandle:
        """Begin a stream on the worker with the fewest. Raises Refusal."""
        members = [m for m in self._members if m.ready and not m.dead]
        if not members:
            raise overloaded("no worker is ready", 2)
        member = min(members, key=lambda m: len(m.streams))
        number = next(self._numbers)
        handle = StreamHandle(self, member, number)
        member.streams[number] = handle
        try:
            await handle._ask(replace(opening, id=number))
        except BaseException:
            handle.drop()
            raise
        return handle

    def _hand_out(self) -> None:
        idle = [m for m in self._members if m.ready and not m.dead and m.pending is None]
        for member in sorted(idle, key=lambda m: len(m.streams)):
            pending = self._turns.take()
            while pending is not None and pending.answer.done():
                pending = self._turns.take()
            if pending is None:
                return
            pending.attempts += 1
            pending.began = time.monotonic()
            member.pending = pending
            member.process.send(pending.job)

    def _spawn(self) -> None:
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        process = WorkerProcess(
            self.options,
            lambda answer: _later(loop, self._answered, number, answer),
            lambda: _later(loop, self._ended, number),
        )
        member = _Member(number, process, time.monotonic(), loading={p.ref for p in self._preload})
        self._members.append(member)
        for place in self._preload:
            process.send(Preload(place))

    def _answered(self, number: int, answer: Answer) -> None:
        member = next((m for m in self._members if m.number == number), None)
        if member is None or member.dead:
            return
        if isinstance(answer, Ready):
            member.ready, self.topics = True, answer.topics
            self._hand_out()
        elif isinstance(answer, Loaded):
            self._loaded(member, answer)
        elif isinstance(answer, StreamMessages):
            self._to_stream(member, answer.id, answer)
        elif isinstance(answer, Failed) and answer.id in member.streams:
            self._to_stream(member, answer.id, answer.refusal)
        elif member.pending is not None and member.pending.job.id == answer.id:
            self._to_pending(member, member.pending, answer)

    def _loaded(self, member: _Member, answer: Loaded) -> None:
        member.loading.discard(answer.ref)
        if answer.problem:
            log.error("worker %d cannot load %s: %s", member.process.pid, answer.ref, answer.problem)
        if not member.loading:
            self._failures = 0

    def _to_stream(self, member: _Member, number: int, answer: StreamMessages | Refusal) -> None:
        if handle := member.streams.get(number):
            handle.answered(answer)

    def _to_pending(self, member: _Member, pending: _Pending, answer: Delta | FileDone | Failed) -> None:
        if isinstance(answer, Delta):
            pending.on_delta(answer.text)
            return
        member.pending = None
        seconds = time.monotonic() - pending.began
        self._recent_seconds += 0.1 * (seconds - self._recent_seconds)
        self.metrics.work_seconds.inc(seconds)
        if isinstance(answer, Failed):
            _refuse(pending, answer.refusal)
        elif not pending.answer.done():
            pending.answer.set_result(answer)
        self._hand_out()

    def _ended(self, number: int) -> None:
        member = next((m for m in self._members if m.number == number), None)
        if member is None or member.dead or self._stopping:
            return
        reason = member.doomed or "died"
        log.error("worker %d %s; a new one is started", member.process.pid, reason)
        self.metrics.restarts.labels(reason=reason).inc()
        self._failures = 0 if member.ready else self._failures + 1
        self._bury(member)
        self._members.remove(member)
        self._run(self._replace(member, _RESTART_SECONDS[min(self._failures, len(_RESTART_SECONDS) - 1)]))

    def _bury(self, member: _Member) -> None:
        """Kill a worker and tell everybody who waits for it."""
        member.dead, member.ready = True, False
        member.process.kill()
        for handle in member.streams.values():
            handle.lost()
        member.streams.clear()
        pending, member.pending = member.pending, None
        if pending is None or pending.answer.done():
            return
        if self._stopping:
            _refuse(pending, draining())
        elif member.doomed == "too slow":
            _refuse(pending, Refusal(504, "TOO_SLOW", f"the audio took longer than {self.limits.job_seconds:.0f} s"))
        elif pending.attempts >= MAX_ATTEMPTS:
            _refuse(pending, Refusal(500, "WORKER_DIED", f"{pending.attempts} workers died on this audio"))
        else:
            self._turns.put_back(pending.client, pending)

    async def _replace(self, member: _Member, wait_seconds: float) -> None:
        self._hand_out()
        await asyncio.to_thread(member.process.reap)
        await asyncio.sleep(wait_seconds)
        self._spawn()

    async def _watch(self) -> None:
        """Kill workers that are stuck or have grown too large."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            now = time.monotonic()
            self.metrics.worker_bytes.clear()
            for member in list(self._members):
                used = member.process.resident_bytes()
                self.metrics.worker_bytes.labels(worker=str(member.process.pid)).set(used)
                member.doomed = member.doomed or self._doom(member, now, used)
                if member.doomed:
                    member.process.kill()

    def _doom(self, member: _Member, now: float, used_bytes: int) -> str:
        limits = self.limits
        if used_bytes > limits.worker_bytes:
            return "too large"
        if not member.ready and now - member.started > limits.load_seconds:
            return "too slow to start"
        asked = [member.pending.began] if member.pending else []
        asked += [h.asked for h in member.streams.values() if h.waiting]
        return "too slow" if asked and now - min(asked) > limits.job_seconds else ""

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _refuse(pending: _Pending, refusal: Refusal) -> None:
    if not pending.answer.done():
        pending.answer.set_exception(refusal)


def _later(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: object) -> None:
    """Call in the event loop, from another thread."""
    loop.call_soon_threadsafe(call, *arguments)


def stream_lost() -> Refusal:
    """What a stream's client is told when its worker is dead."""
    return Refusal(500, "WORKER_DIED", "the worker of this stream died; open a new one and send the audio again")
