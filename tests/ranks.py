"""Runs that several processes share and one process repeats: started by torchrun, and imported by its tests.

torchrun --nproc-per-node 2 tests/ranks.py CORPUS FOLDER NAME...
"""

import os
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from vizinho.corpora.shards.source import ShardedExamples
from vizinho.errors import InterruptedRunError
from vizinho.files import write_json
from vizinho.g2p.espeak import is_available
from vizinho.job.job import Job
from vizinho.job.start import make_ready
from vizinho.model.adapters import attach
from vizinho.model.layers import AdapterOptions
from vizinho.model.networks import weights
from vizinho.training.loop import fit
from vizinho.training.options import (
    DistributedOptions,
    LayerPolicy,
    PhonemeOptions,
    StreamingOptions,
    TrainingOptions,
)
from vizinho.training.speech_task import DevSet, SpeechTask

PLAIN = TrainingOptions(
    steps=6, batch_seconds=3, learning_rate=3e-3, evaluate_every=2, checkpoint_every=100, workers=0, average_share=0.5
)
THAWING = LayerPolicy(head_first_share=0.3, thaw_share=0.5, layer_decay=0.8, norms_always=True, pull=0.5)
SCENARIOS = {
    "interrupted": PLAIN,
    "thawing": replace(PLAIN, accumulate=2, layers=THAWING),
    "adapter": replace(PLAIN, adapter=AdapterOptions(rank=2)),
    "varied": replace(PLAIN, streaming=StreamingOptions(share=0.5, chunk_frames=(4, 8)), activation_checkpointing=True),
    "fsdp_interrupted": replace(PLAIN, accumulate=2, layers=THAWING, distributed=DistributedOptions("fsdp")),
}
SHARDS = "shards"
"""Folder beside the corpus that has it in shards; the scenarios named so train on that."""
SCENARIOS["shards_interrupted"] = replace(PLAIN, steps=12, accumulate=2, workers=1)
if is_available():
    SCENARIOS["phonemes"] = replace(PLAIN, accumulate=2, phonemes=PhonemeOptions(0.5, "block0"))


def run(name: str, options: TrainingOptions, corpus: Path, folder: Path) -> None:
    """Train a micro network by a scenario; the main process writes curve and weights under `folder`."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    try:
        attempt(name, options, corpus, folder / name)
    except InterruptedRunError:
        (folder / name / f"interrupted-{os.environ.get('RANK', '0')}").touch()
        attempt(name, options, corpus, folder / name)


def attempt(name: str, options: TrainingOptions, corpus: Path, folder: Path) -> None:
    """Start or go on, from the beginning of the command."""
    trained_on = corpus.parent / SHARDS if name.startswith(SHARDS) else corpus
    ready = make_ready(Job("pt", (trained_on,), preset="micro", options=replace(options, adapter=None)))
    examples = ready.prepared.examples
    if isinstance(examples, ShardedExamples):
        examples = replace(examples, window_utterances=5)  # a run passes many windows
    model = ready.checkpoint.model
    if options.adapter is not None:
        attach(model, options.adapter, options.seed)
    if name == "varied":
        loosen(model)
    if ready.phonemes is not None:
        model.phonemes = ready.phonemes.head
    dev = DevSet(ready.dataset.dev, {u.id: u.text for u in ready.dataset.dev}, str)
    lines: list[str] = []
    result = fit(
        SpeechTask(ready.checkpoint, examples, dev, ready.phonemes), options, folder / "run",
        progress=interrupt_once if "interrupted" in name else lambda *_: None, log=lines.append,
    )  # fmt: skip
    if os.environ.get("RANK", "0") == "0":
        save_file(weights(model), folder / "weights.safetensors")
        write_json(
            folder / "result.json", asdict(result) | {"curve": [p.as_json() for p in result.curve], "log": lines}
        )
    else:
        save_file(weights(model), folder / "other.safetensors")


def loosen(model) -> None:
    """Give a network dropout of every kind."""
    encoder = model.encoder
    encoder.dropout = encoder.dropout_positions = 0.2
    encoder.layerdrop = 0.3
    for block in encoder.layers:
        block.self_attn.attention_dropout = 0.2
        block.feed_forward1.activation_dropout = 0.2


_interrupted: list[bool] = []


def interrupt_once(_done: float, note: str = "") -> None:
    """Ctrl-C in the main process alone, during its third step of the first attempt."""
    if note:
        _interrupted.append(True)
        if len(_interrupted) == 3:
            os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    torch.set_num_threads(1)
    corpus, folder = Path(sys.argv[1]), Path(sys.argv[2])
    for name in sys.argv[3:]:
        _interrupted.clear()
        run(name, SCENARIOS[name], corpus, folder)


if __name__ == "__main__":
    main()
