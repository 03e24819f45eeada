"""One LSTM language model from start to finish: texts, words, start or transfer, training, folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vizinho.errors import ModelError
from vizinho.files import write_text
from vizinho.plan.plan import TransferPlan
from vizinho.plan.tokens import RowOptions
from vizinho.progress import Advance, Log, silent
from vizinho.text.alphabets import alphabet
from vizinho.text.normalize import Normalizer, get_normalizer
from vizinho.text_models.lstm import Architecture, build
from vizinho.text_models.lstm_folder import TrainedModel, load_model, save_model
from vizinho.text_models.lstm_scores import letter_shares
from vizinho.text_models.lstm_task import LmData, LmOptions, LmTask
from vizinho.text_models.lstm_transfer import AlignedVectors, transferred
from vizinho.text_models.texts import Texts, fingerprint, hold_out, read_texts
from vizinho.text_models.words import character_list, word_list
from vizinho.training.checkpoints import run_folder
from vizinho.training.loop import fit
from vizinho.training.selection import FitResult
from vizinho.vectors.align import read_dictionary
from vizinho.vectors.static import load_vectors

DEV_SHARE = 0.01
"""Share of the text that is held out to choose on, where no text is given for that."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a transfer starts from."""

    donor: Path
    rows: RowOptions = field(default_factory=RowOptions)
    target_vectors: Path | None = None
    donor_vectors: Path | None = None
    dictionary: Path | None = None
    """Pairs to align the vectors by (donor word, tab, target word); without it words spelt alike."""


@dataclass(frozen=True, slots=True)
class LmJob:
    """What to train on and from what; without a start the model begins from scratch."""

    language: str
    texts: tuple[Path, ...]
    dev_texts: tuple[Path, ...] = ()
    architecture: Architecture = field(default_factory=Architecture)
    """Of a model from scratch; a transfer keeps the donor's."""
    vocabulary: int = 10_000
    """Most words, special tokens included (V)."""
    min_count: int = 2
    start: Start | None = None
    options: LmOptions = field(default_factory=LmOptions)
    normalizer: Normalizer | None = None
    """Of an edited orthography; the language's if not given."""


@dataclass(frozen=True, slots=True)
class ReadyLm:
    """A job with its data read and its model at its start."""

    job: LmJob
    texts: Texts
    data: LmData
    trained: TrainedModel
    plan: TransferPlan | None


def make_ready(job: LmJob) -> ReadyLm:
    """Read the texts and put the model at its start; nothing is written. Raises TextError, ModelError, PlanError."""
    normalizer = job.normalizer or get_normalizer(job.language)
    texts = read_texts(job.texts, normalizer)
    if job.dev_texts:
        dev_texts = read_texts(job.dev_texts, normalizer)
        train: Sequence[Sequence[str]] = texts.sentences
        dev: Sequence[Sequence[str]] = dev_texts.sentences
        texts = Texts(texts.sentences, texts.skipped + dev_texts.skipped)
    else:
        train, dev = hold_out(texts.sentences, [DEV_SHARE], job.options.seed)
    donor = load_model(job.start.donor) if job.start else None
    shape = donor.model.shape if donor else job.architecture
    # Words come from the training part alone: one that only dev has is unknown, as in real use.
    words = word_list(train, job.vocabulary, job.min_count)
    characters = character_list(train, alphabet(job.language)) if shape.encoder == "characters" else None
    plan = None
    if donor is None or job.start is None:
        model = build(shape, len(words), len(characters) if characters else None, job.options.seed)
    else:
        vectors = _vectors(job.start)
        model, plan = transferred(donor, words, characters, job.start.rows, vectors, seed=job.options.seed)
    trained = TrainedModel(model, words, characters, normalizer, letter_shares(train))
    return ReadyLm(job, texts, LmData(train, dev, words, characters), trained, plan)


def _vectors(start: Start) -> AlignedVectors | None:
    if (start.target_vectors is None) != (start.donor_vectors is None):
        raise ModelError("vectors of one language alone", fix="give those of both, or of neither")
    if start.target_vectors is None or start.donor_vectors is None:
        return None
    target, donor = load_vectors(start.target_vectors), load_vectors(start.donor_vectors)
    pairs = read_dictionary(start.dictionary, target, donor) if start.dictionary else ()
    return AlignedVectors(target, donor, tuple(pairs))


def run(
    ready: ReadyLm, out: Path, *, fresh: bool = False, progress: Advance = silent, log: Log = lambda _line: None
) -> FitResult:
    """Train, and write the model's folder; an interrupted run continues, unless `fresh`."""
    # The start's weights stand for donor, plan, architecture and seed.
    start = hashlib.sha256()
    for name, tensor in ready.trained.model.state_dict().items():
        start.update(name.encode() + tensor.numpy().tobytes())
    parts = [fingerprint(ready.data.train), fingerprint(ready.data.dev), start.hexdigest()]
    checkpoints = run_folder(out, ready.job.options, parts, fresh=fresh)
    task = LmTask(ready.trained.model, ready.data)
    result = fit(task, ready.job.options, checkpoints, progress=progress, log=log)
    save_model(out, ready.trained, card(ready, result))
    if ready.plan is not None:
        rows = (json.dumps(row, ensure_ascii=False) for row in ready.plan.as_json())
        write_text(out / "plan.jsonl", "".join(f"{row}\n" for row in rows))
    shutil.rmtree(checkpoints)
    return result


def card(ready: ReadyLm, result: FitResult) -> dict[str, Any]:
    """What card.json holds: texts, words, options, curve, and the donor where there was one."""
    start = ready.job.start
    return {
        "language": ready.trained.language,
        "normalizer": ready.trained.normalizer.name,
        "texts": [path.name for path in ready.job.texts],
        "train": _part(ready.data.train),
        "dev": _part(ready.data.dev),
        "set_aside": list(ready.texts.skipped),
        "words": len(ready.trained.words),
        "donor": start.donor.name if start else None,
        "new_rows": start.rows.new_rows if start else None,
        "plan": ready.plan.counts() if ready.plan else None,
        "options": asdict(ready.job.options),
        "best_step": result.best_step,
        "dev_perplexity": result.dev_score,
        "curve": [point.as_json() | {"words": int(point.amount)} for point in result.curve],
    }


def _part(sentences: Sequence[Sequence[str]]) -> dict[str, Any]:
    return {"sentences": len(sentences), "words": sum(map(len, sentences)), "fingerprint": fingerprint(sentences)}
