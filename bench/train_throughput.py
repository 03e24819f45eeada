"""Seconds of audio trained per second: our loop against Hugging Face's Trainer, same network, same recordings, one run.

The Trainer gets its best settings here: features computed beforehand and kept in memory, batches grouped by length, the
fused optimiser, no worker (with one it was slower: there is nothing left to prepare), as many utterances a batch as
give the same audio a step as ours. Ours runs as it always does: it decodes files and computes features on the fly in
its worker. Augmentation is off on both sides. Runs alternate, so a machine that slows down slows both; the ratio of
each pair is what counts.

    .venv/bin/python bench/train_throughput.py [--pairs 3] [--steps 40] [--threads 1] [--corpus MANIFEST]

With `--threads` above 1 our loop with that many is then compared with our loop with one, in alternating pairs too.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from surroundings import describe
from torch.utils.flop_counter import FlopCounterMode
from transformers import Trainer, TrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler

from vizinho.audio.augment import NO_AUGMENT
from vizinho.audio.io import load_audio
from vizinho.corpora.batches import BatchData, ListedSource
from vizinho.corpora.synthetic import practice_corpus
from vizinho.job.job import Job
from vizinho.job.start import ReadyJob, make_ready
from vizinho.model.fast import fast_forward
from vizinho.training.loop import fit
from vizinho.training.losses import ctc_loss
from vizinho.training.options import TrainingOptions
from vizinho.training.speech_task import SpeechTask

BATCH_SECONDS = 32.0


def fresh(corpus: Path, steps: int, threads: int) -> ReadyJob:
    options = TrainingOptions(
        steps=steps,
        batch_seconds=BATCH_SECONDS,
        evaluate_every=10 * steps,
        checkpoint_every=10 * steps,
        threads=threads,
        workers=1,
        augment=NO_AUGMENT,
        learning_rate=1e-4,
    )
    return make_ready(Job("es", (corpus,), preset="tiny", options=options))


def ours(corpus: Path, steps: int, threads: int) -> float:
    """Audio seconds per second of our loop, start of the worker included."""
    ready, folder = fresh(corpus, steps, threads), Path(tempfile.mkdtemp())
    moments: list[float] = [time.perf_counter()]
    result = fit(
        SpeechTask(ready.checkpoint, ready.prepared.examples),
        ready.job.options,
        folder,
        progress=lambda done, _note: moments.append(time.perf_counter()) if done == 1 else None,
    )
    shutil.rmtree(folder)
    return result.amount / (moments[-1] - moments[0])


class _Collator:
    def __init__(self, extractor: Any) -> None:
        self._extractor = extractor

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        features = torch.nn.utils.rnn.pad_sequence([r["features"] for r in rows], batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence(
            [torch.ones(len(r["features"]), dtype=torch.bool) for r in rows], batch_first=True
        )
        labels = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(r["labels"]) for r in rows], batch_first=True, padding_value=-100
        )
        return {"input_features": features, "attention_mask": mask, "labels": labels}


def huggingface(corpus: Path, steps: int, threads: int) -> float:
    """Audio seconds per second of Trainer.train, start of its worker included."""
    ready = fresh(corpus, steps, threads)
    torch.set_num_threads(threads)
    rows = []
    for example in ready.prepared.examples:
        made = ready.checkpoint.front.extract([load_audio(example.utterance.audio)])
        rows.append(
            {"features": made.features[0][made.mask[0]], "labels": list(example.labels), "length": int(made.mask.sum())}
        )
    mean_seconds = statistics.mean(r["length"] for r in rows) / 100
    folder = tempfile.mkdtemp()
    arguments = TrainingArguments(
        folder,
        max_steps=steps,
        per_device_train_batch_size=max(1, round(BATCH_SECONDS / mean_seconds)),
        learning_rate=1e-4,
        optim="adamw_torch_fused",
        max_grad_norm=1.0,
        dataloader_num_workers=0,
        remove_unused_columns=False,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        weight_decay=0.01,
    )
    seen = 0.0

    class Counting(Trainer):
        def _get_train_sampler(self, *_: Any) -> LengthGroupedSampler:
            """Grouping by length; the option for it reads lengths only from data sets of the datasets library."""
            return LengthGroupedSampler(arguments.train_batch_size, lengths=[r["length"] for r in rows])

        def training_step(self, model: Any, inputs: dict[str, torch.Tensor], *rest: Any) -> torch.Tensor:
            nonlocal seen
            seen += float(inputs["attention_mask"].sum()) / 100
            return super().training_step(model, inputs, *rest)

    trainer = Counting(
        model=ready.checkpoint.model.train(),
        args=arguments,
        train_dataset=rows,
        data_collator=_Collator(ready.checkpoint.extractor),
    )
    begun = time.perf_counter()
    trainer.train()
    taken = time.perf_counter() - begun
    shutil.rmtree(folder)
    return seen / taken


def matrix_peak() -> float:
    """Largest measured rate of a matrix product, in floating-point operations per second."""
    a, b = torch.randn(1536, 1536), torch.randn(1536, 1536)
    best = 0.0
    for _ in range(6):
        begun = time.perf_counter()
        a @ b
        best = max(best, 2 * 1536**3 / (time.perf_counter() - begun))
    return best


def where_time_goes(corpus: Path, threads: int) -> None:
    """Share of the matrix peak that forward and backward reach: our forward pass and the original one."""
    ready = fresh(corpus, 20, threads)
    torch.set_num_threads(threads)
    model, examples = ready.checkpoint.model.train(), ready.prepared.examples
    data = BatchData(ListedSource(examples, BATCH_SECONDS, 1), ready.checkpoint.front, NO_AUGMENT, 1)
    batches = [data[n] for n in range(6)]

    def step(batch: Any) -> None:
        logits = model(batch.features, attention_mask=batch.mask).logits
        ctc_loss(logits, batch.frames, batch.labels, batch.label_lengths, blank=0).backward()

    with FlopCounterMode(display=False) as counter:
        step(batches[0])
    operations = counter.get_total_flops()
    peak, rates = matrix_peak(), {"original": [], "fast": []}
    for _ in range(4):
        for name in rates:
            begun = time.perf_counter()
            if name == "fast":
                with fast_forward(model):
                    step(batches[0])
            else:
                step(batches[0])
            rates[name].append(operations / (time.perf_counter() - begun))
    print(f"matrix peak {peak / 1e9:.0f} GFLOP/s ({threads} thread)")
    for name, found in rates.items():
        print(f"forward and backward, {name}: {statistics.median(found) / peak:.0%} of the peak")


def scaling(corpus: Path, steps: int, threads: int, pairs: int) -> None:
    """What more threads gain: our loop with `threads` against one."""
    ratios = []
    for pair in range(pairs):
        rates, spent = {}, {}
        for count in (1, threads) if pair % 2 else (threads, 1):
            begun = time.process_time()
            rates[count] = ours(corpus, steps, count)
            spent[count] = time.process_time() - begun
        ratios.append(rates[threads] / rates[1])
        print(
            f"pair {pair + 1}: 1 thread {rates[1]:.1f}, {threads} threads {rates[threads]:.1f} s of audio per second: "
            f"{ratios[-1]:.2f}; processor time {spent[threads] / spent[1]:.2f} times"
        )
    print(f"{threads} threads against 1: median {statistics.median(ratios):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--corpus", type=Path, help="Spanish manifest; practice speech is made if left out")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    corpus = arguments.corpus or practice_corpus("es", 12, Path("runs/bench/es"), seed=31)
    print(describe())
    where_time_goes(corpus, arguments.threads)
    ratios = []
    for pair in range(arguments.pairs):
        sides = {"ours": ours, "huggingface": huggingface}
        order = list(sides) if pair % 2 else list(sides)[::-1]
        found = {name: sides[name](corpus, arguments.steps, arguments.threads) for name in order}
        ratios.append(found["ours"] / found["huggingface"])
        rates = f"ours {found['ours']:.1f}, Trainer {found['huggingface']:.1f} s of audio per second"
        print(f"pair {pair + 1}: {rates}, ratio {ratios[-1]:.2f}")
    print(f"ratio: median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")
    if arguments.threads > 1:
        scaling(corpus, arguments.steps, arguments.threads, arguments.pairs)


if __name__ == "__main__":
    main()
