import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vizinho.errors import SpecError
from vizinho.parallel import run_tasks, spread


def square(number, show):
    show("squares", 3, 1, "")
    if number == 13:
        raise SpecError("thirteen", where="here", fix="take another")
    return number**2


def note_and_wait(folder, show):
    (Path(folder) / f"{os.getpid()}.pid").touch()
    time.sleep(600)


@pytest.mark.parametrize("processes", [1, 2])
def test_tasks_keep_their_order_and_report(processes):
    seen = []
    assert run_tasks([(square, (n,)) for n in (3, 1, 2)], processes, lambda *event: seen.append(event)) == [9, 1, 4]
    assert seen == [("squares", 3, 1, "")] * 3


@pytest.mark.parametrize("processes", [1, 2])
def test_the_first_error_arrives_whole(processes):
    with pytest.raises(SpecError, match="here: thirteen -> take another"):
        run_tasks([(square, (n,)) for n in (13, 1)], processes, lambda *_: None)


def held():
    """Whether an interrupt is held back here, and was so when the process began."""
    mask = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    return lambda items: [mask for _ in items]


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no masks of signals")
def test_an_interrupt_does_not_reach_processes_that_are_still_importing():
    assert list(spread(held, (), range(4), group=1, processes=2)) == [True] * 4
    assert held()([1]) == [False]


def parent_of(process):
    try:
        return int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_no_task_goes_on_when_its_parent_is_killed(tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import test_parallel as t; from vizinho.parallel import run_tasks\n"
        "if __name__ == '__main__': run_tasks([(t.note_and_wait, (sys.argv[2],))] * 2, 2, lambda *_: None)"
    )
    (tmp_path / "parent.py").write_text(program)
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py", str(Path(__file__).parent), str(tmp_path)])
    while len(pids := [p.stem for p in tmp_path.glob("*.pid")]) < 2 and parent.poll() is None:
        time.sleep(0.1)
    assert all(is_running(pid) for pid in pids)
    assert len(pids) == 2
    pids += [p.name for p in Path("/proc").iterdir() if p.name.isdigit() and parent_of(p) == parent.pid]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(300):
        if not any(is_running(pid) for pid in pids):
            return
        time.sleep(0.1)
    pytest.fail("a task went on without its parent")


def test_only_training_may_be_started_several_times_by_torchrun():
    command = [sys.executable, "-m", "vizinho", "models", "list"]
    done = subprocess.run(command, env=os.environ | {"RANK": "0", "WORLD_SIZE": "2"}, capture_output=True, text=True)
    assert done.returncode == 2
    assert "torchrun started `vizinho models` 2 times" in done.stderr


@pytest.mark.parametrize(("shared", "refused"), [("True", True), ("False", False)])
def test_restarts_over_one_store_of_addresses_are_refused(shared, refused):
    """As torchrun says it in the environment of the processes that it starts."""
    torchrun = {
        "RANK": "0",
        "WORLD_SIZE": "2",
        "TORCHELASTIC_MAX_RESTARTS": "1",
        "TORCHELASTIC_USE_AGENT_STORE": shared,
    }
    command = [sys.executable, "-m", "vizinho", "train", "--lang", "pt", "--corpus", "none.jsonl"]
    done = subprocess.run(command, env=os.environ | torchrun, capture_output=True, text=True)
    assert done.returncode == 2
    assert ("export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1" in done.stderr) == refused
