"""A run that is killed, filled up, or fed what is not a number: it goes on, and ends as one left alone."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from faulting import ROUNDS, Child, Fault, every_step, launch, moments, rounds, small_disk, vizinho
from safetensors.torch import load_file
from tones import tone_corpus

from vizinho.corpora.manifest import content_digest, read_manifest
from vizinho.store.card import verify

pytestmark = pytest.mark.faults
RECIPE = """
steps = 10
batch_seconds = 4.0
learning_rate = 3e-3
evaluate_every = 5
checkpoint_every = 2
workers = {workers}
"""


class World:
    """A corpus of tones, a recipe, and the model that an undisturbed run makes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.corpus = tone_corpus(folder, count=9, splits=("train", "train", "dev"))
        (folder / "recipe.toml").write_text(RECIPE.format(workers=0))
        self.words = ("train", "--lang", "pt", "--corpus", self.corpus, "--preset", "micro")
        self.words += ("--recipe", folder / "recipe.toml", "--json")
        begun = time.monotonic()
        done = self.train(folder / "alone")
        assert done.wait() == 0, done.said
        self.seconds = time.monotonic() - begun
        self.weights = load_file(folder / "alone" / "models" / "pt" / "1" / "model.safetensors")

    def train(self, home: Path, *more: object, fault: Fault = Fault()) -> Child:
        home.mkdir(parents=True, exist_ok=True)
        return vizinho(*self.words, *more, home=home, log=home.parent / f"{home.name}-log", fault=fault)

    def goes_on(self, home: Path, *more: object) -> str:
        """The same command again gets through, and leaves what an undisturbed run leaves; what it said."""
        done = self.train(home, *more)
        assert done.wait() == 0, done.said
        self.check(home)
        assert not list((home / "runs").iterdir())
        return done.said

    def check(self, home: Path) -> None:
        """One version, current and whole, and its run forgotten, though a kill may have left it half removed."""
        models = home / "models" / "pt"
        assert sorted(p.name for p in models.iterdir()) == ["1", "current"]
        assert (models / "current").read_text() == "1\n"
        verify(models / "1")
        found = load_file(models / "1" / "model.safetensors")
        assert all(torch.equal(found[name], self.weights[name]) for name in self.weights)
        assert not known_runs(home)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("training"))


def await_checkpoint(home: Path, child: Child) -> None:
    while child.running and not any((home / "runs").glob("*/step-*")):
        time.sleep(0.02)


def known_runs(home: Path) -> list[Path]:
    """Runs that a command could go on with; one that is being removed has a hidden name."""
    return [run for run in (home / "runs").iterdir() if not run.name.startswith(".")]


def is_finished(home: Path) -> bool:
    """Whether the version is there and its run forgotten."""
    return (home / "models" / "pt" / "1").is_dir() and not known_runs(home)


def test_a_run_killed_at_random_moments_ends_with_the_same_weights(world, tmp_path):
    random = moments("kill")
    for number in range(rounds(2)):
        home, kills = tmp_path / f"home{number}", 0
        # A command that was killed while it removed its run had said all it has to say; given again it makes another.
        while kills < 3 and not is_finished(home):
            child = world.train(home)
            child.process.join(random.uniform(0, world.seconds))
            if not child.running:
                break
            child.kill()
            kills += 1
        if is_finished(home):
            world.check(home)
        else:
            world.goes_on(home)


def test_a_run_killed_while_it_is_removed_has_said_its_result(world, tmp_path):
    child = world.train(tmp_path / "home", fault=Fault(kill_at=1, within=".dropped"))
    assert child.wait() == -signal.SIGKILL, child.said
    assert json.loads(child.out.read_text())["model"] == "pt@1"
    assert is_finished(tmp_path / "home")
    world.check(tmp_path / "home")


def test_a_killed_run_can_be_started_again_at_once(world, tmp_path):
    """Processes that prepare batches outlive a killed run by seconds: they must not hold its lock, and they end."""
    (tmp_path / "recipe.toml").write_text(RECIPE.format(workers=1))
    home, recipe = tmp_path / "home", ("--recipe", tmp_path / "recipe.toml")
    child = world.train(home, *recipe)
    await_checkpoint(home, child)
    workers = children(child.pid)
    assert workers
    child.kill()
    again = world.train(home, *recipe)
    assert again.wait() == 0, again.said
    assert "going on from step" in again.said
    while any(alive(worker) for worker in workers):
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked for does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = status.read_text().splitlines()
        except OSError:
            continue
        if f"PPid:\t{pid}" in lines:
            found.append(int(status.parent.name))
    return found


def killed_after_a_checkpoint(world: World, folder: Path) -> tuple[Path, Path, tuple[object, ...]]:
    """(Home, manifest of its own, words of the command) of a run that was killed when it had saved something."""
    corpus = tone_corpus(folder, count=9, splits=("train", "train", "dev"))
    words = tuple(corpus if word == world.corpus else word for word in world.words)
    (folder / "recipe.toml").write_text(RECIPE.format(workers=0).replace("steps = 10", "steps = 30"))
    words = tuple(folder / "recipe.toml" if word == world.folder / "recipe.toml" else word for word in words)
    child = vizinho(*words, home=folder / "home", log=folder / "log")
    await_checkpoint(folder / "home", child)
    assert child.running, child.said
    child.kill()
    return folder / "home", corpus, words


def test_a_manifest_edited_after_a_kill_makes_another_run(world, tmp_path):
    home, corpus, words = killed_after_a_checkpoint(world, tmp_path)
    (unfinished,) = (home / "runs").iterdir()
    before = {p: p.read_bytes() for p in unfinished.rglob("*") if p.is_file()}
    lines = corpus.read_text("utf-8").splitlines()
    row = json.loads(lines[0])
    corpus.write_text("\n".join([json.dumps(row | {"text": row["text"][::-1]}), *lines[1:]]) + "\n", "utf-8")
    again = vizinho(*words, home=home, log=tmp_path / "again")
    assert again.wait() == 0, again.said
    assert "going on from step" not in again.said
    assert unfinished.name in again.said
    assert {p: p.read_bytes() for p in unfinished.rglob("*") if p.is_file()} == before


def test_a_recording_replaced_after_a_kill_is_named_by_the_next_look_only(world, tmp_path):
    """Its size is all that going on looks at; the card has the sound, so that training again finds the difference."""
    from vizinho.store.card import read_card

    home, corpus, words = killed_after_a_checkpoint(world, tmp_path)
    first = tmp_path / "audio" / f"{json.loads(corpus.read_text('utf-8').splitlines()[0])['id']}.wav"
    old = first.read_bytes()
    first.write_bytes(old[:44] + old[:43:-1])  # the same sound backwards, byte by byte
    again = vizinho(*words, home=home, log=tmp_path / "again")
    assert again.wait() == 0, again.said
    assert "going on from step" in again.said
    recorded = read_card(home / "models" / "pt" / "1").job["corpora"][0]
    assert recorded["content"] == content_digest(read_manifest(corpus))
    first.write_bytes(old)
    found = vizinho("models", "reproduce", "pt", home=home, log=tmp_path / "reproduce")
    assert found.wait() == 2, found.said
    assert "the order, the lengths or the sound" in found.said


def test_a_killed_preparing_process_stops_the_run_with_a_message(world, tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE.format(workers=1).replace("steps = 10", "steps = 400"))
    home, recipe = tmp_path / "home", ("--recipe", tmp_path / "recipe.toml")
    child = world.train(home, *recipe)
    await_checkpoint(home, child)
    for worker in children(child.pid):
        os.kill(worker, signal.SIGKILL)
    assert child.wait() == 2, child.said
    assert "a process that prepares batches was killed" in child.said
    assert "Traceback" not in child.said


def published_once(folder: str, corpus: str) -> None:
    """Publishing is killed at every step; the same command's end then leaves one version, the current one."""
    from vizinho.job.fit import fit_job
    from vizinho.job.job import Job
    from vizinho.job.publish import drop_run, publish
    from vizinho.job.start import make_ready
    from vizinho.store.store import Store
    from vizinho.training.options import TrainingOptions

    place = Path(folder)
    options = TrainingOptions(steps=1, batch_seconds=4, evaluate_every=1, checkpoint_every=1, workers=0)
    finished = fit_job(
        make_ready(Job("pt", (Path(corpus),), preset="micro", options=options)), place / "start" / "runs" / "x"
    )

    def begin() -> None:
        shutil.rmtree(place / "home", ignore_errors=True)
        shutil.copytree(place / "start", place / "home")

    def end() -> None:
        store = Store(place / "home")
        publish(store, "pt", finished, place / "home" / "runs" / "x", donor=None, command=["vizinho"])
        drop_run(place / "home" / "runs" / "x")

    kills = 0
    for kills in every_step(end, begin, str(place / "home"), stride=1 if ROUNDS else 10):  # noqa: B007
        store = Store(place / "home")
        for entry in store.versions("pt"):
            store.resolve(entry.ref)  # checks every file against the card
        if (place / "home" / "runs" / "x").exists():
            end()
        else:  # it was being forgotten, so it was done; what is left of it goes with the next one
            drop_run(place / "home" / "runs" / "y")
        assert [(e.ref, e.current) for e in store.versions("pt")] == [("pt@1", True)]
        store.resolve("pt")
        assert not list((place / "home" / "runs").iterdir())
        shown = sorted(p.name for p in (place / "home" / "models" / "pt").iterdir() if not p.name.startswith("."))
        assert shown == ["1", "current"]
    print("kills", kills)


def test_publishing_killed_at_every_step_makes_one_version(world, tmp_path):
    child = launch(published_once, str(tmp_path), str(world.corpus), log=tmp_path / "log")
    assert child.wait() == 0, child.said
    assert int(child.out.read_text().split()[-1]) >= 30


def test_a_full_disk_stops_a_run_which_goes_on_when_there_is_room(world, tmp_path):
    random = moments("full disk")
    with small_disk(tmp_path / "disk", "24m") as disk:
        for number in range(rounds(2)):
            home, filler = disk / f"home{number}", disk / "filler"
            filler.write_bytes(b"x" * max(0, shutil.disk_usage(disk).free - random.randrange(4_000_000)))
            child = vizinho(*world.words, home=home, log=tmp_path / "log")
            assert child.wait() in (0, 2), child.said
            if child.process.exitcode == 2:
                assert "Traceback" not in child.said
                assert "No space left" in child.said or "cannot be written" in child.said
                assert "make room" in child.said
                filler.unlink()
                again = vizinho(*world.words, home=home, log=tmp_path / "log")
                assert again.wait() == 0, again.said
            world.check(home)
            filler.unlink(missing_ok=True)
            shutil.rmtree(home)
