"""Two processes train as one does that takes two batches a step: same curve, same weights, whatever is switched on."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ranks import SCENARIOS, SHARDS, run
from safetensors.torch import load_file
from tones import tone_corpus

from vizinho.corpora.shards.writing import ShardOptions, shard_manifest
from vizinho.training.options import DistributedOptions

pytestmark = pytest.mark.pipeline
FREE = ("depthwise_conv.bias", "conv.norm.running_mean")
"""A bias before batch normalisation changes nothing: its gradient is rounding alone, Adam makes steps of it, and the
running mean follows."""


def torchrun(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *arguments],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
        | environment,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A corpus, and the folder of every scenario as two processes ran it."""
    folder = tmp_path_factory.mktemp("ranks")
    corpus = tone_corpus(folder, count=24, splits=("train", "train", "dev"))
    shard_manifest(corpus, folder / SHARDS, ShardOptions(shard_minutes=0.05))
    script = Path(__file__).parents[1] / "ranks.py"
    done = torchrun("--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", str(script), str(corpus),
                    str(folder / "two"), *SCENARIOS)  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return corpus, folder / "two"


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_processes_learn_what_one_learns(name, both, tmp_path):
    corpus, two = both
    options = SCENARIOS[name]
    alone = replace(options, accumulate=2 * options.accumulate, distributed=DistributedOptions())
    run(name.replace("interrupted", "alone"), alone, corpus, tmp_path)
    (found,) = tmp_path.glob("*/result.json")
    ours, theirs = json.loads((two / name / "result.json").read_text()), json.loads(found.read_text())
    for here, there in zip(ours["curve"], theirs["curve"], strict=True):
        assert [v is None for v in here.values()] == [v is None for v in there.values()]
        assert [v or 0 for v in here.values()] == pytest.approx([v or 0 for v in there.values()], rel=1e-5)
    assert ours["amount"] == pytest.approx(theirs["amount"])
    assert ours["chosen"] == theirs["chosen"]
    mine, other = (load_file(two / name / f"{which}.safetensors") for which in ("weights", "other"))
    single = load_file(found.with_name("weights.safetensors"))
    for key, tensor in single.items():
        assert torch.equal(mine[key], other[key]), key
        if tensor.is_floating_point() and not key.endswith(FREE):
            assert torch.allclose(mine[key], tensor, rtol=1e-3, atol=1e-4), (key, (mine[key] - tensor).abs().max())


@pytest.mark.parametrize("name", [n for n in SCENARIOS if "interrupted" in n])
def test_an_interrupt_of_one_process_stops_both_with_one_checkpoint(name, both):
    _, two = both
    assert {p.name for p in (two / name).glob("interrupted-*")} == {"interrupted-0", "interrupted-1"}
    log = json.loads((two / name / "result.json").read_text())["log"]
    assert any("going on from step 3" in line for line in log)
