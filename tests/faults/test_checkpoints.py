"""Checkpoints of a run: killed while writing at every step, damaged at any byte, on a full disk."""

import shutil
from pathlib import Path

import pytest
import torch
from faulting import every_step, launch, rounds, small_disk
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.errors import ModelError
from vizinho.training.checkpoints import RunState, load_state, restore, save_state

pytestmark = pytest.mark.faults


def state_of(step: int, size: int = 6) -> RunState:
    """A state in which every value tells its step."""
    weights = torch.full((size, 2), float(step))
    return RunState(
        step,
        {"weight": weights},
        {"best": {"weight": weights + 0.5}, "sums": {"weight": weights * 2}},
        {"state": {0: {"exp_avg": weights, "step": torch.tensor(float(step))}}, "param_groups": [{"lr": 1e-3}]},
        {"losses": [step + 0.25], "best_score": None},
    )


def assert_same(found: RunState, expected: RunState) -> None:
    assert (found.step, found.values) == (expected.step, expected.values)
    assert torch.equal(found.model["weight"], expected.model["weight"])
    assert {n: g["weight"].tolist() for n, g in found.extra.items()} == {
        n: g["weight"].tolist() for n, g in expected.extra.items()
    }
    assert torch.equal(found.optimizer["state"][0]["exp_avg"], expected.optimizer["state"][0]["exp_avg"])


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def killed_at_every_step(place: str) -> None:
    """Every write, rename and removal of the fourth checkpoint, which drops the second, is the last of a process."""
    run, start = Path(place) / "run", Path(place) / "start"
    for step in (1, 2, 3):
        save_state(start, state_of(step))
    shutil.copytree(start, Path(place) / "alone")
    save_state(Path(place) / "alone", state_of(4))
    expected = tree(Path(place) / "alone")

    def begin() -> None:
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(start, run)

    kills, seen = 0, set()
    for kills in every_step(lambda: save_state(run, state_of(4)), begin, str(run)):  # noqa: B007
        found, damaged = load_state(run)
        assert not damaged, damaged
        assert found is not None
        assert_same(found, state_of(found.step))
        seen.add(found.step)
        if found.step == 3:
            save_state(run, state_of(4))
        else:
            save_state(run, state_of(5))
            continue
        assert tree(run) == expected
    assert seen == {3, 4}
    print("kills", kills)


def test_a_checkpoint_killed_at_every_step_leaves_a_whole_one(tmp_path):
    child = launch(killed_at_every_step, str(tmp_path), log=tmp_path / "log")
    assert child.wait() == 0, child.said
    assert int(child.out.read_text().split()[-1]) >= 10


KEPT_STEPS = (4, 8)
FILES = ("model.safetensors", "extra-best.safetensors", "extra-sums.safetensors", "optimizer.pt", "state.json")


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("kept") / "run"
    for step in KEPT_STEPS:
        save_state(run, state_of(step))
    return run


def harmed(data: bytes, place: float, new: bytes, how: str) -> bytes | None:
    """Bytes overwritten somewhere, cut off there, or gone."""
    start = int(place * (len(data) - 1))
    if how == "missing":
        return None
    if how == "cut":
        return data[:start]
    return data[:start] + new + data[start + len(new) :]


HARM = st.tuples(
    st.sampled_from(FILES),
    st.floats(0, 1),
    st.binary(min_size=1, max_size=8),
    st.sampled_from(("overwritten", "overwritten", "cut", "missing")),
)


def harm(folder: Path, fault: tuple[str, float, bytes, str]) -> bool:
    """Damage a checkpoint; False where the bytes happen to be what they were."""
    name, *how = fault
    before = (folder / name).read_bytes()
    after = harmed(before, *how)
    if after is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(after)
    return after != before


@settings(max_examples=rounds(60))
@given(HARM)
def test_a_damaged_checkpoint_is_passed_over_and_named(kept, tmp_path_factory, fault):
    run = tmp_path_factory.mktemp("damaged") / "run"
    shutil.copytree(kept, run)
    changed = harm(run / "step-00000008", fault)
    found, damaged = load_state(run)
    assert found is not None
    assert_same(found, state_of(4 if changed else 8))
    assert len(damaged) == changed
    assert all("step-00000008 is damaged" in line and "going back" in line for line in damaged)
    save_state(run, state_of(6))
    assert sorted(p.name for p in run.iterdir())[-1] == "step-00000006" or not changed


@settings(max_examples=rounds(20))
@given(HARM, HARM)
def test_two_damaged_checkpoints_stop_with_a_clear_message(kept, tmp_path_factory, newer, older):
    run = tmp_path_factory.mktemp("damaged") / "run"
    shutil.copytree(kept, run)
    if not (harm(run / "step-00000008", newer) and harm(run / "step-00000004", older)):
        return
    with pytest.raises(ModelError, match=r"all checkpoints are damaged: step-00000008.*step-00000004.*--fresh"):
        restore(run, None, None, print)


def fill_and_free(place: str) -> None:
    """On a disk with room for one checkpoint the second fails, the first stays; with room it is written."""
    run = Path(place) / "run"
    save_state(run, state_of(1, size=20_000))
    filler = Path(place) / "filler"
    for free in (0, 4096, 200_000, 500_000):
        filler.unlink(missing_ok=True)
        left = shutil.disk_usage(place).free
        filler.write_bytes(b"x" * max(0, left - free))
        with pytest.raises(ModelError, match=r"the checkpoint of step 2 cannot be written .*make room"):
            save_state(run, state_of(2, size=20_000))
        found, damaged = load_state(run)
        assert found is not None
        assert_same(found, state_of(1, size=20_000))
        assert not damaged
        assert [p.name for p in run.iterdir()] == ["step-00000001"]
    filler.unlink()
    save_state(run, state_of(2, size=20_000))
    assert_same(load_state(run)[0], state_of(2, size=20_000))


def test_a_full_disk_costs_the_new_checkpoint_only(tmp_path):
    with small_disk(tmp_path / "disk", "2500k") as place:
        child = launch(fill_and_free, str(place), log=tmp_path / "log")
        assert child.wait() == 0, child.said
