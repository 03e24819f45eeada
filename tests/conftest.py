"""Shared fixtures: one torch thread, a store of its own for every test, the recordings beside the project."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("vizinho", deadline=None)  # time limits do not belong in tests: machines are busy
settings.load_profile("vizinho")


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("VIZINHO_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = Path(os.environ.get("VIZINHO_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "speech").is_dir():
        pytest.skip(f"no recordings at {folder}; set VIZINHO_SHARED")
    return folder


@pytest.fixture(scope="session")
def server_home(tmp_path_factory) -> Path:
    """A home that servers share, so that each model is exported once."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def server(server_home):
    """`vizinho serve` in a process of its own, with a key, one worker and the bundled donors."""
    from serving import running

    words = server_home / "profane.txt"
    words.write_text("grande\n\n", "utf-8")
    options = ["--workers", "1", "--requests-per-minute", "6000", "--profanity", str(words)]
    with running(*options, home=server_home, log=server_home / "log.txt") as started:
        yield started
        assert "Traceback" not in started.log.read_text(), started.log.read_text()


@pytest.fixture(scope="session")
def tone_model(tmp_path_factory) -> Path:
    """A model folder that understands the tone language, trained in a few seconds."""
    from tones import tone_corpus

    from vizinho.audio.augment import NO_AUGMENT
    from vizinho.job.job import Job
    from vizinho.job.start import make_ready
    from vizinho.model.checkpoint import save_checkpoint
    from vizinho.training.loop import fit
    from vizinho.training.options import TrainingOptions
    from vizinho.training.speech_task import SpeechTask

    folder = tmp_path_factory.mktemp("tones")
    corpus = tone_corpus(folder, count=24, letters="abcdef")
    options = TrainingOptions(
        steps=300, batch_seconds=8, learning_rate=5e-3, evaluate_every=300, checkpoint_every=300, workers=0,
        augment=NO_AUGMENT,
    )  # fmt: skip
    ready = make_ready(Job("pt", (corpus,), preset="micro", options=options))
    fit(SpeechTask(ready.checkpoint, ready.prepared.examples), options, folder / "run")
    save_checkpoint(folder / "model", ready.checkpoint)
    return folder / "model"
