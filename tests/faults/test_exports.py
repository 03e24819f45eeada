"""Two processes export one model at once: both work, one whole export stays, and nothing half-written is loaded."""

import time
from pathlib import Path

import numpy as np
import pytest
from faulting import launch, moments, rounds, vizinho
from tones import tone_corpus

from vizinho.recognition.cache import cached_engine, key_of

pytestmark = pytest.mark.faults
RECIPE = "steps = 1\nbatch_seconds = 4.0\nevaluate_every = 1\ncheckpoint_every = 1\nworkers = 0\n"


def heard(model: str, home: str, ready: str, begin: str, out: str) -> None:
    """What the cached engine of a model makes of noise, begun when both processes are ready."""
    Path(ready).touch()
    while not Path(begin).exists():
        time.sleep(0.002)
    engine = cached_engine(Path(model), home=Path(home))
    np.save(out, said(engine))


def said(engine) -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal(16_000).astype(np.float32)
    return engine.log_probs([noise])[0]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    (folder / "recipe.toml").write_text(RECIPE)
    corpus = tone_corpus(folder, count=6, splits=("train", "train", "dev"))
    words = ("train", "--lang", "pt", "--corpus", corpus, "--preset", "micro", "--recipe", folder / "recipe.toml")
    done = vizinho(*words, home=folder / "home", log=folder / "log")
    assert done.wait() == 0, done.said
    return folder / "home" / "models" / "pt" / "1"


@pytest.mark.parametrize("before", ["nothing", "a damaged export", "a killed export"])
def test_two_exports_of_one_model_at_once(model, tmp_path, before):
    random = moments(f"exports {before}")
    for number in range(rounds(1)):
        home = tmp_path / f"home{number}"
        place = home / "exports" / key_of(model)
        if before == "a damaged export":
            cached_engine(model, home=home)
            graph = next(place.glob("*.onnx"))
            graph.write_bytes(graph.read_bytes()[: random.randrange(graph.stat().st_size)])
        if before == "a killed export":
            child = launch(
                heard, *map(str, (model, home, home.with_suffix(".go"), tmp_path, "x")), log=tmp_path / "killed"
            )
            child.process.join(random.uniform(0.1, 2))
            if child.running:
                child.kill()
        names = [f"{number}-{which}" for which in "ab"]
        begin = tmp_path / f"begin{number}"
        both = [
            launch(
                heard, str(model), str(home), *map(str, (tmp_path / f"{n}.ready", begin, tmp_path / f"{n}.npy")),
                log=tmp_path / f"log{n}",
            )
            for n in names
        ]  # fmt: skip
        while not all((tmp_path / f"{n}.ready").exists() for n in names):
            time.sleep(0.01)
        begin.touch()
        for child in both:
            assert child.wait() == 0, child.said
        stays = said(cached_engine(model, home=home))
        assert [p.name for p in (home / "exports").iterdir() if not p.name.startswith(".")] == [place.name]
        for n in names:
            assert np.array_equal(np.load(tmp_path / f"{n}.npy"), stays)
