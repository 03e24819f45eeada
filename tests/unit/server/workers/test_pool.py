import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from vizinho.server.security.limits import Limits
from vizinho.server.security.metrics import Metrics
from vizinho.server.security.refusals import Refusal
from vizinho.server.served import ServedModel
from vizinho.server.workers.messages import FileJob, OpenStream, RawFormat, WorkerOptions
from vizinho.server.workers.pool import Pool
from vizinho.store.store import BUNDLED

OPENING = OpenStream(0, ServedModel("es-demo", 2, BUNDLED / "es-demo" / "2", "es"), RawFormat("linear16", 16_000, 1))
JOB = FileJob(0, b"", ServedModel("pt", 1, Path("none"), "pt"))


async def killing(pool: Pool) -> None:
    """Ends every worker before it is ready."""
    while True:
        for worker in pool._workers:
            worker.process.kill()
        await asyncio.sleep(0.02)


async def refusals_of(pool: Pool, count: int) -> list[object]:
    await pool.start([])
    killer = asyncio.create_task(killing(pool))
    try:
        return await asyncio.gather(*(pool.transcribe("client", JOB) for _ in range(count)), return_exceptions=True)
    finally:
        killer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await killer
        await pool.stop()


def test_recordings_do_not_wait_for_ever_for_workers_that_die():
    pool = Pool(WorkerOptions(), 1, Limits(settled_seconds=0.5), Metrics())
    refusals = asyncio.run(refusals_of(pool, 3))
    assert [(r.status, r.code) for r in refusals if isinstance(r, Refusal)] == [(503, "OVERLOADED")] * 3
    assert all(r.retry_after_seconds >= 1 for r in refusals)
    assert pool.idle


def test_no_stream_begins_without_a_worker():
    pool = Pool(WorkerOptions(), 1, Limits(), Metrics())
    with pytest.raises(Refusal) as refused:
        asyncio.run(pool.open_stream(OpenStream(0, JOB.model, None, False, 0, 0.0)))  # type: ignore[arg-type]
    assert (refused.value.status, refused.value.retry_after_seconds) == (503, 2)


def test_a_pool_whose_streams_are_late_takes_no_new_one_until_they_are_in_time():
    async def opened() -> list[object]:
        pool = Pool(WorkerOptions(engine="torch"), 1, Limits(), Metrics())
        await pool.start([])
        try:
            while not pool.ready:
                await asyncio.sleep(0.05)
            outcomes: list[object] = []
            handle, _ = await pool.open_stream(OPENING)
            (worker,) = pool._workers
            worker.late = (2.0, time.monotonic())
            with pytest.raises(Refusal) as refused:
                await pool.open_stream(OPENING)
            outcomes.append((refused.value.status, refused.value.retry_after_seconds))
            report = await handle.order("audio", bytes(3200))
            assert report.late_seconds is not None
            outcomes.append(worker.late_seconds < 2.0)
            await pool.open_stream(OPENING)
            worker.late = (2.0, time.monotonic() - 60.0)  # said long ago
            await pool.open_stream(OPENING)
            return outcomes
        finally:
            await pool.stop()

    assert asyncio.run(opened()) == [(503, 5), True]
