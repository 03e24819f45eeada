"""No command keeps more cores busy than its processes times their threads: numpy's BLAS must not add its own."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from processor import environment, measure, shared, task_seconds
from serving import running
from tones import tone_corpus

from vizinho.audio.io import save_audio
from vizinho.recognition.cache import cached_engine
from vizinho.store.store import Store

ALLOWED = 1.1
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists() or len(os.sched_getaffinity(0)) < 2,
    reason="needs two cores, on which threads could spin, and Linux, which counts the time of each",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A home in which the bundled Spanish model has been exported."""
    place = tmp_path_factory.mktemp("home")
    cached_engine(Store().resolve("es-demo"), home=place)
    return place


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """400 recordings of 3 s, some seconds of work."""
    folder = tmp_path_factory.mktemp("recordings")
    noise = np.random.default_rng(1).normal(0, 0.1, 48_000).astype(np.float32)
    save_audio(folder / "0.wav", noise)
    for number in range(1, 400):
        os.link(folder / "0.wav", folder / f"{number}.wav")
    return folder


def check(usage, processes: int, threads: int = 1) -> None:
    assert usage.threads, "no process worked long enough"
    assert max(usage.threads.values()) <= ALLOWED * threads, usage
    assert usage.cores <= ALLOWED * processes * threads, usage


@pytest.mark.parametrize("jobs", [1, 2])
def test_transcribing(home, recordings, jobs):
    usage = measure(["transcribe", "es-demo", str(recordings), "--jobs", str(jobs)], VIZINHO_HOME=str(home))
    check(usage, jobs)
    assert len(usage.threads) >= jobs


def test_a_worker_of_the_server(home, recordings, monkeypatch):
    monkeypatch.setattr(os, "environ", environment())
    audio = (recordings / "0.wav").read_bytes()
    with running(
        "es-demo", "--workers", "1", "--requests-per-minute", "6000", home=home, log=home / "server.txt"
    ) as server:
        (worker,) = server.workers()
        for _ in range(3):
            server.ask("/v1/listen?model=es-demo", audio, content_type="audio/wav")
        before, begun = task_seconds(worker), time.perf_counter()
        for _ in range(400):
            assert server.ask("/v1/listen?model=es-demo", audio, content_type="audio/wav").status == 200
        wall = time.perf_counter() - begun
        seconds = {task: spent - before.get(task, 0.0) for task, spent in task_seconds(worker).items()}
    assert shared(seconds) <= ALLOWED
    assert sum(seconds.values()) <= ALLOWED * wall


def test_training_steps(home, tmp_path):
    corpus = tone_corpus(tmp_path, count=60, splits=("train", "train", "dev"))
    (tmp_path / "recipe.toml").write_text("steps = 20\nevaluate_every = 10\nworkers = 1\n")
    command = ["train", "--corpus", str(corpus), "--lang", "pt", "--recipe", str(tmp_path / "recipe.toml"), "--quiet"]
    check(measure(command, VIZINHO_HOME=str(home)), processes=2)  # training, and the process that prepares batches


@pytest.mark.parametrize(("levels", "processes"), [("acoustics", 1), ("acoustics,vocabulary", 2)])
def test_comparing(home, tmp_path, levels, processes):
    for language, letters in (("pt", "abcdefgh"), ("es", "abcdef")):
        tone_corpus(tmp_path, count=400, lang=language, letters=letters)
    command = ["compare", "pt", "--donors", "es", "--levels", levels, "--no-cache", "--minutes", "20"]
    command += ["--speech", str(tmp_path), "--processes", str(processes)]
    check(measure(command, VIZINHO_HOME=str(home)), processes)
