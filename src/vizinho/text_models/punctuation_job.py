"""One tagger of punctuation from start to finish: texts, start or transfer, training, scores, folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from vizinho.errors import ModelError, TextError
from vizinho.files import write_text
from vizinho.plan.apply import apply_plan, plant, shapes_of
from vizinho.plan.plan import TokenAxis, TransferPlan, plan_axes
from vizinho.plan.tokens import RowOptions, match_tokens
from vizinho.progress import Advance, Log, silent
from vizinho.text.alphabets import alphabet
from vizinho.text.normalize import Normalizer
from vizinho.text_models.lstm_task import LmOptions
from vizinho.text_models.punctuation import (
    MARKS,
    SHAPE,
    WINDOW,
    Labelled,
    Punctuation,
    Tagger,
    Words,
    labels_of,
    load_punctuation,
    save_punctuation,
    words_batch,
)
from vizinho.text_models.words import IGNORED, character_list
from vizinho.training.checkpoints import run_folder
from vizinho.training.loop import fit
from vizinho.training.ranks import Ranks
from vizinho.training.task import BatchFacts, Scores, Task

DEV_EVERY = 20
"""Every twentieth block of lines is held out to choose on."""
BLOCK = 10
"""Neighbouring lines that stay together, because marks and names depend on them."""
_ROWS = ("encoder.characters.weight",)
_DEV_WINDOWS = 64

LabelledBatch = tuple[Words, torch.Tensor, torch.Tensor]
"""Words, marks (B, T), capitals (B, T); labels are IGNORED after a window's end."""


@dataclass(frozen=True, slots=True)
class TaggerJob:
    """What to train on and from what."""

    texts: tuple[Path, ...]
    normalizer: Normalizer
    dev_texts: tuple[Path, ...] = ()
    donor: Path | None = None
    """Folder of the tagger to start from; from scratch if not given."""
    options: LmOptions = field(default_factory=LmOptions)


@dataclass(frozen=True, slots=True)
class F1:
    """Harmonic means of precision and recall: of all marks together, of capitals, and of each mark."""

    marks: float
    capitals: float
    by_mark: dict[str, float]


class TaggerTask(Task[LmOptions]):
    """A tagger and its labelled lines; windows begin anywhere, so that a sentence may begin and end anywhere."""

    def __init__(
        self, punctuation: Punctuation, train: Sequence[Sequence[Labelled]], dev: Sequence[Sequence[Labelled]]
    ) -> None:
        self.model, self._characters = punctuation.tagger, punctuation.characters
        self._train = [word for line in train for word in line]
        words = [word for line in dev for word in line]
        self._dev = [words[i : i + WINDOW] for i in range(0, len(words), WINDOW)]

    def batches(self, numbers: range, options: LmOptions, run: Path, log: Log) -> Iterator[LabelledBatch]:
        """Windows at random places, about `options.batch_words` words together."""
        count = max(1, options.batch_words // WINDOW)
        for number in numbers:
            rng = np.random.default_rng([options.seed, number])
            # Not by sentence: recordings begin and end anywhere, and a last word would always be an end.
            starts = rng.integers(0, max(1, len(self._train) - WINDOW), count)
            lengths = rng.integers(8, WINDOW + 1, count)
            yield labelled_batch(
                [self._train[s : s + n] for s, n in zip(starts, lengths, strict=True)], self._characters
            )

    def facts(self, batch: LabelledBatch) -> BatchFacts:
        """Running words."""
        count = int(batch[0].mask.sum())
        return BatchFacts(count, count)

    def loss(self, network: Any, batch: LabelledBatch, options: LmOptions, ranks: Ranks) -> torch.Tensor:
        """Mean cross-entropy of marks and capitals."""
        words, marks, cases = batch
        of_marks, of_cases = network(words)
        return _loss(of_marks, marks) + _loss(of_cases, cases)

    def evaluate(self) -> Scores:
        """Loss on dev."""
        total, count = 0.0, 0
        for start in range(0, len(self._dev), _DEV_WINDOWS):
            words, marks, cases = labelled_batch(self._dev[start : start + _DEV_WINDOWS], self._characters)
            of_marks, of_cases = self.model(words)
            size = int(words.mask.sum())
            total += size * float(_loss(of_marks, marks) + _loss(of_cases, cases))
            count += size
        return {"loss": total / count if count else None}


def _loss(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(scores.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)


def labelled_batch(windows: Sequence[Sequence[Labelled]], characters: Any) -> LabelledBatch:
    """Windows of labelled words as tensors."""
    words = words_batch([[w.word for w in window] for window in windows], characters)
    marks, cases = (torch.full(words.places.shape, IGNORED) for _ in range(2))
    for row, window in enumerate(windows):
        marks[row, : len(window)] = torch.tensor([w.mark for w in window])
        cases[row, : len(window)] = torch.tensor([w.case for w in window])
    return words, marks, cases


def start(job: TaggerJob, train: Sequence[Sequence[Labelled]]) -> tuple[Punctuation, TransferPlan | None]:
    """A tagger with fresh weights, or with a donor's by the plan: letters by name, all else copied."""
    letters = alphabet(job.normalizer.lang)
    characters = character_list([[w.word for w in line] for line in train], letters)
    donor = load_punctuation(job.donor) if job.donor else None
    torch.manual_seed(job.options.seed)
    tagger = Tagger(donor.tagger.shape if donor else SHAPE, len(characters))
    plan = None
    if donor is not None:
        rows = match_tokens(characters.inventory, donor.characters.inventory, RowOptions())
        axis = TokenAxis(tuple(rows), donor.characters.tokens, {name: name for name in _ROWS})
        weights = donor.tagger.state_dict()
        plan = plan_axes(shapes_of(tagger.state_dict()), shapes_of(weights), [axis])
        plant(tagger, apply_plan(plan, weights, tagger.state_dict()))
    return Punctuation(tagger, characters, job.normalizer), plan


def make_punctuation(
    job: TaggerJob,
    out: Path,
    *,
    fresh: bool = False,
    progress: Advance = silent,
    log: Log = lambda _line: None,
) -> dict[str, Any]:
    """Train a tagger and write its folder; returns its card. An interrupted run continues, unless `fresh`.

    Raises ModelError where `out` has files already, TextError for too little text, and as `fit`.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ModelError("there are files already", where=out, fix="give a new folder, or remove this one")
    lines, skipped = labels_of(job.texts, job.normalizer)
    if job.dev_texts:
        train, (dev, more) = lines, labels_of(job.dev_texts, job.normalizer)
        skipped += more
    else:
        train, dev = _held_out(lines)
    punctuation, plan = start(job, train)
    texts = hashlib.sha256(repr((train, dev, job.donor and str(job.donor))).encode()).hexdigest()
    run = run_folder(out, job.options, [texts], fresh=fresh)
    result = fit(TaggerTask(punctuation, train, dev), job.options, run, progress=progress, log=log)
    punctuation.tagger.eval()
    card = {
        "language": job.normalizer.lang,
        "texts": [path.name for path in job.texts],
        "lines": len(train),
        "words": sum(map(len, train)),
        "skipped": list(skipped),
        "donor": job.donor.name if job.donor else None,
        "plan": plan.counts() if plan else None,
        "options": asdict(job.options),
        "best_step": result.best_step,
        "dev": asdict(scores(punctuation, dev)),
        "curve": [point.as_json() for point in result.curve],
    }
    save_punctuation(out, punctuation, card)
    if plan is not None:
        write_text(out / "plan.jsonl", "".join(f"{json.dumps(r, ensure_ascii=False)}\n" for r in plan.as_json()))
    shutil.rmtree(run, ignore_errors=True)
    return card


def scores(punctuation: Punctuation, lines: Sequence[Sequence[Labelled]]) -> F1:
    """F1 of marks and of capitals on lines read one after the other as one text, without pauses."""
    words = [word for line in lines for word in line]
    labels = punctuation.label([word.word for word in words])
    pairs = list(zip(words, labels, strict=True))
    by_mark = {MARKS[m]: _f1([(a.mark == m, b.mark == m) for a, b in pairs]) for m in range(1, len(MARKS))}
    # A mark in the right place counts only if it is the right one.
    right = sum(a.mark == b.mark != 0 for a, b in pairs)
    marks = _harmonic(right, sum(b.mark != 0 for _, b in pairs), sum(a.mark != 0 for a, _ in pairs))
    capitals = _f1([(a.case > 0, b.case > 0) for a, b in pairs])
    return F1(round(marks, 4), round(capitals, 4), {mark: round(value, 4) for mark, value in by_mark.items()})


def _f1(pairs: Sequence[tuple[bool, bool]]) -> float:
    return _harmonic(sum(a and b for a, b in pairs), sum(b for _, b in pairs), sum(a for a, _ in pairs))


def _harmonic(right: int, written: int, expected: int) -> float:
    return 2 * right / (written + expected) if written + expected else 0.0


def _held_out(lines: Sequence[list[Labelled]]) -> tuple[list[list[Labelled]], list[list[Labelled]]]:
    """Blocks of neighbouring lines to train on, and every DEV_EVERY-th one to choose on (at least one)."""
    blocks = [list(lines[i : i + BLOCK]) for i in range(0, len(lines), BLOCK)]
    if len(blocks) < 2:
        raise TextError(f"{len(lines)} lines of text", fix=f"give more than {BLOCK}, or a file to choose on")
    every = min(DEV_EVERY, len(blocks))
    train = [line for number, block in enumerate(blocks, 1) if number % every for line in block]
    dev = [line for number, block in enumerate(blocks, 1) if not number % every for line in block]
    return train, dev
