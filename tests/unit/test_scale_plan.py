"""The plan for many hours and languages: its simulation obeys the theory, and its page shows what it prints."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def load():
    spec = importlib.util.spec_from_file_location("scale_plan", ROOT / "bench" / "scale_plan.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["scale_plan"] = module
    spec.loader.exec_module(module)
    return module


scale = load()
RATES = scale.read_rates([ROOT / "bench" / "scale_rates.json"])
PLAN = scale.Plan(
    passes=10, machines=1, workers=2, memory_gib=24, disk_gib=200, days=30, dev_hours=0, evaluations=0,
    checkpoint_hours=0.5, failure_hours=1e12, seed=1,
)  # fmt: skip


def test_without_failures_hours_are_what_the_rates_say():
    cell = scale.simulate(1000, 10, RATES, PLAN)
    start = cell.start_minutes / 60 * 2 * 10
    assert cell.worker_hours == pytest.approx(10 * 10 * 1000 / RATES.trained + start)
    assert cell.days == pytest.approx(cell.worker_hours / 2 / 24)
    assert scale.simulate(1000, 10, RATES, replace(PLAN, machines=5)).days == pytest.approx(cell.days / 5)


def test_many_failures_cost_what_renewal_theory_says():
    plan = replace(PLAN, failure_hours=2.0)
    rng = np.random.default_rng(1)
    drawn = np.mean([scale._with_failures(3999, 0.1, plan, rng) for _ in range(30)])
    assert drawn == pytest.approx(scale._with_failures(4001, 0.1, plan, rng), rel=0.02)


def test_the_page_shows_what_the_command_prints():
    printed = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "scale_plan.py"), "plan"], capture_output=True, text=True, check=True
    ).stdout
    assert printed.strip() in (ROOT / "docs" / "scale.md").read_text()


def test_rates_of_a_gpu_replace_those_of_a_core(tmp_path):
    found = {"kind": "cuda", "loop": {"audio_hours_per_hour": 5000.0, "checkpoint_bytes": 7}}
    (tmp_path / "gpu.json").write_text(json.dumps(found))
    rates = scale.read_rates([ROOT / "bench" / "scale_rates.json", tmp_path / "gpu.json"])
    assert (rates.worker, rates.trained, rates.checkpoint_bytes) == ("GPU", 5000.0, 7)
    assert rates.decoded == RATES.decoded
