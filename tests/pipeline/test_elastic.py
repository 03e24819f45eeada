"""A process of two is killed during training: torchrun starts both again, and the run ends as if nothing had been."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tones import tone_corpus

from vizinho.job.fit import fit_job
from vizinho.job.job import Job
from vizinho.job.start import make_ready
from vizinho.parallel import SEPARATE_STORES
from vizinho.training.recipes import read_recipe

pytestmark = pytest.mark.pipeline

RECIPE = """
steps = 16
batch_seconds = 3
learning_rate = 3e-3
evaluate_every = 4
checkpoint_every = 2
workers = 0
accumulate = {accumulate}
[layers]
head_first_share = 0.5
"""


def processes_under(parent: int) -> dict[str, int]:
    """Process numbers of torchrun's children by their rank."""
    found = {}
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        variables = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        found |= {v.partition(b"=")[2].decode(): int(child) for v in variables if v.startswith(b"RANK=")}
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes through /proc")
def test_a_killed_process_comes_back_and_the_run_ends_the_same(tmp_path):
    corpus = tone_corpus(tmp_path, count=24, splits=("train", "train", "dev"))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.format(accumulate=2))
    alone = fit_job(make_ready(Job("pt", (corpus,), preset="micro", options=read_recipe(recipe))), tmp_path / "alone")
    recipe.write_text(RECIPE.format(accumulate=1))
    home = Path(os.environ["VIZINHO_HOME"])
    torchrun = "-m torch.distributed.run --nproc-per-node 2 --max-restarts 1"
    torchrun += " --rdzv-backend c10d --rdzv-endpoint localhost:0"
    train = f"-m vizinho train --json --fresh --lang pt --preset micro --corpus {corpus} --recipe {recipe}"
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        started = subprocess.Popen(
            [sys.executable, *torchrun.split(), *train.split()],
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1", SEPARATE_STORES: "1"},
            stdout=out,
            stderr=err,
        )
        while not list(home.glob("runs/*/step-*")) and started.poll() is None:
            time.sleep(0.01)
        os.kill(processes_under(started.pid)["1"], signal.SIGKILL)
        assert started.wait() == 0, (tmp_path / "err").read_text()[-3000:]
    (line,) = (tmp_path / "out").read_text().splitlines()  # the main process alone speaks
    made = json.loads(line)
    assert "going on from step" in (tmp_path / "err").read_text()
    assert made["model"] == "pt@1"
    assert made["chosen"] == alone.result.chosen
    for here, there in zip(made["curve"], alone.result.curve, strict=True):
        assert here["step"] == there.step
        assert (here["train_loss"] or 0) == pytest.approx(there.train_loss or 0, rel=1e-5)
        assert here["dev_cer"] == pytest.approx(there.score)
    assert not list(home.glob("runs/*")), "the run's checkpoints go when the model is in the store"
