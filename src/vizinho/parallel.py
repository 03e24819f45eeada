"""Runs tasks here, in several processes, or on Ray, and decides how many processes and threads there are.

Tasks are few large ones with bars each, or groups of many small ones.
"""

from __future__ import annotations

import math
import os
import pickle
import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.managers import SyncManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vizinho.errors import VizinhoError, first_line

if TYPE_CHECKING:
    from vizinho.progress import Event  # it imports rich, which the threads of a process do not need

Task = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function of a module's top level (so that it can be pickled) and its arguments; the Event comes last of them."""
Work = Callable[[Sequence[Any]], list[Any]]
"""Results of a group of items, in order."""


SEPARATE_STORES = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"
"""Environment variable: 1 makes torchrun begin every attempt with a new store of the processes' addresses."""
CGROUPS, CGROUP_MOUNT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def usable_cores(*, physical: bool = False) -> int:
    """Cores that this process may use, by its affinity and the quota of its control groups; at least 1.

    With `physical` the hyperthreads of one core count once: they share its units of arithmetic.
    """
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = {_text(f"/sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list") or str(n) for n in allowed}
    return max(1, int(min(len(cores if physical else allowed), cgroup_quota())))


def cgroup_quota(groups: Path = CGROUPS, root: Path = CGROUP_MOUNT) -> float:
    """Cores that the control groups (version 1 or 2) of this process allow it on average; inf without a limit."""
    quota = math.inf
    for folder, old in _control_groups("cpu", groups, root):
        if old:
            limit = f"{_text(folder / 'cpu.cfs_quota_us')} {_text(folder / 'cpu.cfs_period_us')}".split()
        else:
            limit = _text(folder / "cpu.max").split()
        if len(limit) == 2 and limit[0].isdigit():
            quota = min(quota, int(limit[0]) / int(limit[1]))
    return quota


def free_memory(groups: Path = CGROUPS, root: Path = CGROUP_MOUNT, machine: Path = Path("/proc/meminfo")) -> float:
    """Bytes that this process may still take, by the machine and by its control groups; inf where neither says."""
    of_machine = (line.split() for line in _text(machine).splitlines() if line.startswith("MemAvailable:"))
    free = next((float(kilobytes) * 1024 for _, kilobytes, *_ in of_machine), math.inf)
    for folder, old in _control_groups("memory", groups, root):
        most, now = ("memory.limit_in_bytes", "memory.usage_in_bytes") if old else ("memory.max", "memory.current")
        limit, used, cached = _text(folder / most), _text(folder / now), 0.0
        for line in _text(folder / "memory.stat").splitlines():
            name, _, count = line.partition(" ")
            # What files left behind in memory is given up when somebody needs the place.
            if name in ("inactive_file", "total_inactive_file"):
                cached = max(cached, float(count))
        if limit.isdigit() and used.isdigit():
            free = min(free, int(limit) - int(used) + cached)
    return max(0.0, free)


def _control_groups(controller: str, groups: Path, root: Path) -> Iterator[tuple[Path, bool]]:
    """Folders of the control groups that this process is in, inner ones first, and whether they are of version 1."""
    for line in _text(groups).splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / controller if controllers else root
        place = mount / group.lstrip("/")
        # A limit holds for the groups below it. In a container the path may not exist; its own group is the mount.
        for folder in (place, *place.parents):
            if not folder.is_relative_to(mount):
                break
            yield folder, bool(controllers)


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def fitting_processes(requested: int | None, threads: int = 1, items: int | None = None) -> int:
    """Processes of so many threads each that fit on the usable cores: at most as many as requested.

    Without a request one for each physical core and 64 items: a process takes as long to begin as some dozens of
    recordings.
    """
    most = usable_cores(physical=requested is None) // threads
    if requested is None and items is not None:
        requested = items // 64
    return max(1, most if requested is None else min(requested, most))


_BLAS_VARIABLE = "OPENBLAS_NUM_THREADS"


def limit_blas() -> None:
    """Give numpy's BLAS one thread in this process, unless the user set OPENBLAS_NUM_THREADS.

    By default it takes every core in every process, and its threads spin while they wait: the products of a few
    features keep all cores busy. MKL is left alone: torch computes with it, and its threads sleep.
    """
    if _BLAS_VARIABLE in os.environ or "numpy" not in sys.modules:
        return
    from threadpoolctl import ThreadpoolController

    ThreadpoolController().select(internal_api=["openblas", "blis"]).limit(limits=1)


def set_threads(threads: int) -> int:
    """Give torch, if it is loaded, this many threads and BLAS one; returns the number, lowered to what fits.

    Processes that torchrun started on this machine share its cores.
    """
    threads = max(1, min(threads, usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    limit_blas()
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
    return threads


def begin_process(threads: int = 1) -> None:
    """Every process of this package calls this first: its own threads, and those of libraries that it loads later."""
    set_threads(threads)
    os.environ.setdefault(_BLAS_VARIABLE, "1")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def end_with_parent() -> None:
    """Called as a process begins: it ends when its parent does, killed or not.

    Otherwise it would finish its task unseen, while the command that runs again works on the same task.
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
        limit_blas()
        return [function(*arguments, show) for function, arguments in tasks]
    # Spawned, not forked: a fork after torch has started threads can hang.
    context = get_context("spawn")
    manager = SyncManager(ctx=context)
    manager.start(initializer=end_with_parent)
    with manager, ProcessPoolExecutor(processes, context, _begin_task) as pool:
        events: Any = manager.Queue()
        futures = [pool.submit(_with_queue, function, arguments, events) for function, arguments in tasks]
        while not all(f.done() for f in futures):
            _show_waiting(events, show)
            if any(f.done() and not f.cancelled() and f.exception() for f in futures):
                pool.shutdown(cancel_futures=True)
        _show_waiting(events, show)
        failed = [f for f in futures if not f.cancelled() and f.exception()]
        return [f.result() for f in failed or futures]


def _begin_task() -> None:
    end_with_parent()
    begin_process()


def _with_queue(function: Callable[..., Any], arguments: tuple[Any, ...], events: Any) -> Any:
    return function(*arguments, lambda *event: events.put(event))


def _show_waiting(events: Any, show: Event) -> None:
    try:
        # Waiting here is also what keeps the loop of `run_tasks` from spinning.
        show(*events.get(timeout=0.2))
        while True:
            show(*events.get_nowait())
    except queue.Empty:
        return


def spread(
    begin: Callable[..., Work],
    arguments: tuple[Any, ...],
    items: Sequence[Any],
    *,
    group: int,
    processes: int = 1,
    on_ray: bool = False,
) -> Iterator[Any]:
    """Results in the order of the items, as soon as they are known.

    Args:
        begin: Returns the function that does the work; called once in each process, so a module's top-level function.
        arguments: What `begin` is called with.
        items: What to work on.
        group: Items that a process takes at a time.
        processes: How many; with 1 the work is done in this process.
        on_ray: Work on Ray Data instead of processes of this machine: on the cluster that RAY_ADDRESS names, or on
            a Ray of its own.

    Raises what `begin` and the work raise, and VizinhoError when a process dies or Ray is missing.
    """
    groups = [items[start : start + group] for start in range(0, len(items), group)]
    if on_ray and groups:
        yield from _spread_on_ray(begin, arguments, groups, processes)
    elif processes > 1 and len(groups) > 1:
        yield from _spread_over_processes(begin, arguments, groups, processes)
    elif groups:
        limit_blas()
        work = begin(*arguments)
        for items_of_group in groups:
            yield from work(items_of_group)


def _spread_over_processes(
    begin: Callable[..., Work], arguments: tuple[Any, ...], groups: Sequence[Sequence[Any]], processes: int
) -> Iterator[Any]:
    # Spawned, not forked: a fork after a library has started threads can hang.
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (begin, arguments))
    waiting: deque[Future[list[Any]]] = deque()
    try:
        for items in groups:
            # Two groups per process are under way: more would only fill memory with results that nobody took yet.
            with _interrupts_held():  # the first task starts all processes
                waiting.append(pool.submit(_in_process, items))
            if len(waiting) > 2 * processes:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise VizinhoError(
            "a process was killed", where="processes", fix="give the machine more memory, or use fewer processes"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C comes afterwards to this thread, and not to processes that start meanwhile: they inherit the mask.

    `_begin` ignores it too, but a process imports for a second before it gets there, and would print where it was.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_own: Work | None = None
"""The work function of a process of the pool; set once, when it begins."""


def _begin(begin: Callable[..., Work], arguments: tuple[Any, ...]) -> None:
    global _own
    # The terminal sends an interrupt to all processes; the first one ends the pool.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    begin_process()
    _own = begin(*arguments)


def _in_process(items: Sequence[Any]) -> list[Any]:
    assert _own is not None
    return _own(items)


class _OnRay:
    """The work of one Ray actor. Values are pickled, since Ray's tables can only have plain ones."""

    def __init__(self, begin: Callable[..., Work], arguments: tuple[Any, ...]) -> None:
        begin_process()
        self._work = begin(*arguments)

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        return {"results": pickle.dumps(self._work(pickle.loads(row["items"])))}


def _spread_on_ray(
    begin: Callable[..., Work], arguments: tuple[Any, ...], groups: Sequence[Sequence[Any]], processes: int
) -> Iterator[Any]:
    try:
        import ray
        import ray.data
    except ImportError as error:
        what = f"Ray Data cannot be imported ({error})"
        raise VizinhoError(what, where="ray", fix='pip install "vizinho[ray]", or leave --ray out') from error
    started_here = not ray.is_initialized()
    if started_here:
        _start_ray(ray, processes)
    try:
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        rows = ray.data.from_items(
            [{"items": pickle.dumps(list(items))} for items in groups], override_num_blocks=len(groups)
        )
        pool = ray.data.ActorPoolStrategy(size=min(processes, len(groups)))
        results = rows.map(_OnRay, fn_constructor_args=(begin, arguments), compute=pool, num_cpus=1)
        for row in results.iter_rows():
            yield from pickle.loads(row["results"])
    finally:
        if started_here:
            ray.shutdown()


def _start_ray(ray: Any, processes: int) -> None:
    """Join the cluster that RAY_ADDRESS names, or start a Ray here. Raises VizinhoError where neither works."""
    local = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": processes, "include_dashboard": False}
    try:
        ray.init(log_to_driver=False, logging_level="warning", **local)
    # Ray raises plain exceptions, such as for a node that needs more than half a minute to come up.
    except Exception as error:
        raise VizinhoError(
            f"Ray could not be started ({first_line(error)})",
            where="ray",
            fix="check RAY_ADDRESS, try again when the machine is less busy, or leave --ray out",
        ) from error


def fast_bf16() -> bool:
    """Whether this machine multiplies bfloat16 faster than float32: Intel's AMX (8 times), or an accelerator."""
    import torch

    return torch.cuda.is_available() or bool(torch.cpu._is_amx_tile_supported())


def is_main_process() -> bool:
    """Whether this process writes and logs for its run: the first that torchrun started, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def process_count() -> int:
    """How many processes torchrun started for this command; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def restart_may_hang() -> bool:
    """Whether processes that torchrun restarts could read the addresses of dead ones, and wait for them for ever.

    All attempts share one store of addresses (torch 2.13, DynamicRendezvousHandler.next_rendezvous), and whether a
    process reads the old address or the new one depends on timing.
    """
    restarts = int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0"))
    return restarts > 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def is_first_attempt() -> bool:
    """False where torchrun started the run's processes again after one of them died (`--max-restarts`)."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) == 0
