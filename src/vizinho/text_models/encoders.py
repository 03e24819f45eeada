"""One transformer from start to finish: texts or pairs in, a folder that others can load out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vizinho.errors import ModelError, TextError
from vizinho.files import move_folder, write_json
from vizinho.progress import Advance, Log, silent
from vizinho.text_models.contrastive import ContrastiveOptions, ContrastiveTask, Pairs
from vizinho.text_models.masked import MaskedOptions, MaskedTask, new_model, start_embeddings
from vizinho.training.checkpoints import run_folder
from vizinho.training.loop import fit
from vizinho.vectors.pieces import train_pieces
from vizinho.vectors.transformer import load_encoder, save_encoder

DEV_EVERY, MOST_DEV = 100, 1000
"""Every hundredth line is held out for the dev loss, up to a thousand lines."""


def make_masked(
    lines: Sequence[str],
    out: Path,
    options: MaskedOptions,
    *,
    fresh: bool = False,
    progress: Advance = silent,
    log: Log = lambda _line: None,
) -> dict[str, Any]:
    """Train a masked language model on `lines` and write it to `out`; returns its card (training.json).

    Every hundredth line is not trained on and gives the dev loss. An interrupted run continues, unless `fresh`. Raises
    ModelError when `out` has files already, TextError without text, and as `fit`.
    """
    _check_free(out)
    texts = [line for line in lines if line.strip()]
    if len(texts) < 2:
        raise TextError(f"{len(texts)} lines of text", fix="give files with one sentence a line")
    dev = texts[:: min(DEV_EVERY, len(texts))][:MOST_DEV]
    held_out = set(dev)  # by text: a line that occurs twice is not trained on either
    train = [line for line in texts if line not in held_out]
    tokenizer = train_pieces(train, options.vocabulary)
    model = new_model(tokenizer, options)
    run = run_folder(out, options, lines, fresh=fresh)
    task = MaskedTask(model, tokenizer, train, dev, options.mask_share)
    # A resumed run has its embeddings in the checkpoint.
    if options.start_from_word2vec and not any(run.glob("step-*")):
        log("piece embeddings from word2vec")
        start_embeddings(model, task.ids, options)
    result = fit(task, options, run, progress=progress, log=log)
    card = {
        "kind": "masked language model",
        "options": asdict(options),
        "lines": len(train),
        "dev_lines": len(dev),
        "pieces": len(tokenizer),
        "parameters": sum(p.numel() for p in model.parameters()),
        "best": result.best.as_json(),
        "curve": [point.as_json() for point in result.curve],
    }
    _write(out, run, model, tokenizer, card)
    return card


def make_contrastive(
    source: str | Path,
    pairs: Pairs,
    dev_pairs: Pairs,
    out: Path,
    options: ContrastiveOptions,
    *,
    fresh: bool = False,
    progress: Advance = silent,
    log: Log = lambda _line: None,
) -> dict[str, Any]:
    """Tune the encoder `source` on pairs and write it to `out`; returns its card (training.json).

    An interrupted run continues, unless `fresh`. Raises ModelError when `out` has files already or `source` does not
    pool by the mean, TextError for too few pairs, and as `fit`.
    """
    _check_free(out)
    encoder = load_encoder(source)
    if encoder.settings.pooling != ("mean",):
        pooling = ", ".join(encoder.settings.pooling)
        raise ModelError(f"its pooling is {pooling}", where=source, fix="give an encoder that pools by the mean")
    texts = [text for pair in (*pairs, *dev_pairs) for text in pair]
    run = run_folder(out, options, [str(source), *texts], fresh=fresh)
    task = ContrastiveTask(encoder.model, encoder.tokenizer, pairs, dev_pairs)
    result = fit(task, options, run, progress=progress, log=log)
    card = {
        "kind": "sentence encoder",
        "source": Path(source).name,
        "options": asdict(options),
        "pairs": len(pairs),
        "dev_pairs": len(dev_pairs),
        "best": result.best.as_json(),
        "curve": [point.as_json() for point in result.curve],
    }
    _write(out, run, encoder.model, encoder.tokenizer, card)
    return card


def _check_free(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ModelError("there are files already", where=out, fix="give a new folder, or remove this one")


def _write(out: Path, run: Path, model: Any, tokenizer: Any, card: Mapping[str, Any]) -> None:
    """The folder appears whole; then the run's checkpoints are no longer needed."""
    scratch = run / "outcome"
    shutil.rmtree(scratch, ignore_errors=True)
    save_encoder(scratch, model, tokenizer)
    write_json(scratch / "training.json", card)
    if out.exists():
        out.rmdir()
    move_folder(scratch, out)
    shutil.rmtree(run, ignore_errors=True)
