"""How many processes and threads `vizinho.parallel` decides on."""

import json
import os
import subprocess
import sys

import pytest
from processor import environment

from vizinho import parallel
from vizinho.parallel import cgroup_quota, fitting_processes, free_memory

PROGRAM = """
import json, sys
import numpy
import work
from vizinho.parallel import begin_process, run_tasks, spread

if __name__ == "__main__":
    counts = [c for c in spread(work.counting, (), range(4), group=1, processes=2)]
    counts += run_tasks([(work.thread_counts, (0,))] * 2, 2, print)
    begin_process()
    print(json.dumps([*counts, work.thread_counts(0)]))
"""


def test_every_process_begins_with_one_thread(tmp_path):
    """BLAS and torch take all cores where nobody decides; the parent here has loaded numpy before anybody did."""
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run([sys.executable, tmp_path / "program.py"], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts == [{"blas": [1], "torch": 1}] * 7


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="BLAS takes no more threads than there are cores")
def test_what_the_user_wants_of_blas_wins(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    wish = environment(OPENBLAS_NUM_THREADS="2")
    done = subprocess.run([sys.executable, tmp_path / "program.py"], env=wish, capture_output=True, text=True)
    assert {tuple(count["blas"]) for count in json.loads(done.stdout)} == {(2,)}


def test_processes_times_threads_fit_on_the_cores(monkeypatch):
    monkeypatch.setattr(parallel, "usable_cores", lambda *, physical=False: 4 if physical else 8)
    assert fitting_processes(None) == 4
    assert fitting_processes(None, threads=3) == 1
    assert fitting_processes(None, items=130) == 2
    assert fitting_processes(None, items=3) == 1
    assert fitting_processes(6) == 6
    assert fitting_processes(20) == 8
    assert fitting_processes(6, threads=2) == 4
    assert fitting_processes(1, threads=20) == 1


@pytest.mark.parametrize(
    ("group", "files", "cores"),
    [
        ("0::/job/step", {"job/cpu.max": "150000 100000", "job/step/cpu.max": "max 100000"}, 1.5),
        ("0::/elsewhere", {"cpu.max": "200000 100000"}, 2.0),
        ("4:cpu,cpuacct:/box", {"cpu/box/cpu.cfs_quota_us": "50000", "cpu/box/cpu.cfs_period_us": "100000"}, 0.5),
        ("4:cpu:/box", {"cpu/box/cpu.cfs_quota_us": "-1", "cpu/box/cpu.cfs_period_us": "100000"}, float("inf")),
        ("4:memory:/box", {}, float("inf")),
    ],
)
def test_the_quota_of_control_groups_counts(tmp_path, group, files, cores):
    (tmp_path / "cgroup").write_text(f"9:name=systemd:/\n{group}\n")
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text + "\n")
    assert cgroup_quota(tmp_path / "cgroup", tmp_path / "fs") == cores


@pytest.mark.parametrize(
    ("group", "files", "free"),
    [
        (
            "0::/job",
            {"job/memory.max": "5000", "job/memory.current": "4000", "job/memory.stat": "inactive_file 500"},
            1500,
        ),
        ("0::/job", {"memory.max": "7000", "memory.current": "1000", "job/memory.max": "max"}, 6000),
        ("0::/job", {"memory.max": "90000000", "memory.current": "0"}, 20480),
        ("4:memory:/box", {"memory/box/memory.limit_in_bytes": "800", "memory/box/memory.usage_in_bytes": "900"}, 0),
        ("4:cpu:/box", {}, 20480),
    ],
)
def test_free_memory_is_what_machine_and_control_groups_leave(tmp_path, group, files, free):
    (tmp_path / "cgroup").write_text(group + "\n")
    (tmp_path / "meminfo").write_text("MemTotal: 900 kB\nMemAvailable: 20 kB\n")
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text + "\n")
    assert free_memory(tmp_path / "cgroup", tmp_path / "fs", tmp_path / "meminfo") == free


def test_without_any_limit_memory_is_not_counted(tmp_path):
    nowhere = tmp_path / "nowhere"
    assert free_memory(nowhere, nowhere, nowhere) == float("inf")
