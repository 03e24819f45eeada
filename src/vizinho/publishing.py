"""From a finished job to a version in the store: folder, card and model card, written whole or not at all."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import transformers

from vizinho import __version__
from vizinho.jobs import FinishedJob, ReadyJob
from vizinho.model.checkpoint import save_checkpoint
from vizinho.registry.card import Card
from vizinho.registry.store import Store
from vizinho.training.options import as_dict


def run_folder(store: Store, name: str, ready: ReadyJob) -> Path:
    """Where a run keeps its checkpoints: the same command finds the same folder again."""
    return store.home / "runs" / f"{name}-{ready.identity}"


def drop_run(folder: Path) -> None:
    """Forget a run's checkpoints."""
    shutil.rmtree(folder, ignore_errors=True)
