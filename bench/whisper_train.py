"""Seconds of a training step on Whisper: vizinho's loop against Hugging Face's Seq2SeqTrainer, on the same recordings.

Both train all weights of the same checkpoint with 16 clips a step or as much audio as they come to, in the same
precision and threads. The Trainer has the settings of its recipe (bench/peers/whisper_recipe.py): features of 30 s
computed beforehand, which are not counted. Ours decodes, augments and computes features within its steps. Each side is
a process of its own, for its peak memory; sides alternate, and the ratio of each pair counts.

    export PYTHONPATH=bench:bench/peers
    .venv/bin/python bench/whisper_train.py WHISPER MANIFEST --lang pt [--steps 4] [--pairs 2]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from surroundings import describe

CLIPS = 16


def ours(args: argparse.Namespace) -> float:
    """Seconds of a step of vizinho's loop."""
    from vizinho.corpora.manifest import read_manifest
    from vizinho.job.job import Job
    from vizinho.job.start import make_ready
    from vizinho.training.loop import fit
    from vizinho.training.options import TrainingOptions
    from vizinho.training.written_task import WrittenTask

    train = [u for u in read_manifest(args.manifest) if u.split == "train"]
    # As many clips as the Trainer has in a step, counted in seconds as the loop counts.
    batch_seconds = CLIPS * statistics.mean(u.duration_seconds for u in train)
    options = TrainingOptions(
        steps=args.steps + 1,
        batch_seconds=batch_seconds,
        learning_rate=1e-5,
        evaluate_every=10**6,
        checkpoint_every=10**6,
        precision=args.precision,
        threads=args.threads,
        workers=0,
        average_share=0.0,
    )
    ready = make_ready(Job(args.lang, (args.manifest,), args.whisper, options=options))
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        task = WrittenTask(ready.checkpoint, ready.prepared.examples)
        fit(task, options, Path(folder), progress=lambda _amount, _note: times.append(time.perf_counter()))
    # The first call says where the run begins; the first step makes the optimiser's state.
    return statistics.median(b - a for a, b in pairwise(times[1:]))


def theirs(args: argparse.Namespace) -> float:
    """Seconds of a step of Seq2SeqTrainer."""
    import torch
    from transformers import (
        Seq2SeqTrainer,
        Seq2SeqTrainingArguments,
        WhisperForConditionalGeneration,
        WhisperProcessor,
    )
    from whisper_recipe import Clips, StepTimes, collate

    from vizinho.corpora.manifest import read_manifest

    torch.set_num_threads(args.threads)
    processor = WhisperProcessor.from_pretrained(args.whisper, language=args.lang, task="transcribe")
    processor.tokenizer.pad_token = processor.tokenizer.pad_token or processor.tokenizer.eos_token
    model = WhisperForConditionalGeneration.from_pretrained(args.whisper)
    train = [u for u in read_manifest(args.manifest) if u.split == "train"][: CLIPS * (args.steps + 1)]
    times = StepTimes()
    with tempfile.TemporaryDirectory() as folder:
        Seq2SeqTrainer(
            model=model,
            args=Seq2SeqTrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=CLIPS,
                learning_rate=1e-5,
                max_steps=args.steps + 1,
                bf16=args.precision == "bf16",
                use_cpu=not torch.cuda.is_available(),
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
            ),
            train_dataset=Clips(train, processor),
            data_collator=lambda items: collate(items, processor, model.config.decoder_start_token_id),
            callbacks=[times],
        ).train()
    return statistics.median(times.seconds[1:])


SIDES = {"vizinho": ours, "Seq2SeqTrainer": theirs}


def run(side: str, arguments: list[str]) -> dict[str, Any]:
    """One side in a process of its own."""
    command = [sys.executable, __file__, *arguments, "--side", side]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print seconds a step, peak memory and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("whisper", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--lang", required=True)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("bf16", "no"), default="bf16")
    parser.add_argument("--side", choices=sorted(SIDES))
    args = parser.parse_args()
    if args.side:
        seconds = SIDES[args.side](args)
        print(json.dumps({"seconds": seconds, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
        return
    print(describe())
    ratios = []
    for pair in range(args.pairs):
        order = list(SIDES) if pair % 2 == 0 else list(SIDES)[::-1]
        facts = {side: run(side, sys.argv[1:]) for side in order}
        ratios.append(facts["Seq2SeqTrainer"]["seconds"] / facts["vizinho"]["seconds"])
        for side, fact in facts.items():
            print(f"{side:15} {fact['seconds']:6.2f} s a step, {fact['mb']:,} MB", flush=True)
    print("a step of Seq2SeqTrainer takes", ", ".join(f"{ratio:.1f}" for ratio in ratios), "times as long")


if __name__ == "__main__":
    main()
