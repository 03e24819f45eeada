"""Exports stored beside the models, and found again by the hash of the model's files.

HOME/exports/KEY/ is a folder as `export` writes it. Deleting any of it is safe: the next use exports again.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from vizinho.errors import ModelError
from vizinho.files import scratch_folder, sha256
from vizinho.recognition.engines import OnnxEngine, WordsEngine, load_export
from vizinho.recognition.graphs import FORMAT, GRAPHS, SETTINGS
from vizinho.store.card import WEIGHTS
from vizinho.store.store import default_home

_Engine = TypeVar("_Engine")
_OF_MODEL = (WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json", "processor_config.json")
_FILES = (*_OF_MODEL, SETTINGS, *GRAPHS.values())
"""What the log-probabilities of a model folder, or of an exported one, depend on."""
_MORE_FILES = (
    "*.safetensors",
    "generation_config.json",
    "preprocessor_config.json",
    "vocab.json",
    "merges.txt",
    "model.bin",
    "*.onnx",
)
"""And of folders that have them: weights in shards, networks with a decoder, their conversions and exports."""


def cached_engine(model: Path, threads: int = 1, home: Path | None = None) -> OnnxEngine | WordsEngine:
    """The onnxruntime engine of a model folder; see `stored`. Raises ModelError as `export` does."""
    return stored(model, "vizinho.recognition.export", "fp32", lambda place: load_export(place, threads), home)


def stored(
    model: Path, module: str, precision: str, load: Callable[[Path], _Engine], home: Path | None = None
) -> _Engine:
    """The engine that `load` opens of a model's export, which is written on the first call (seconds).

    `module` names the module whose `export(model, out, precision)` writes the folder. Several processes may do so at
    once: each exports, and the first to finish stays. Where nothing can be stored, as on a read-only disk, the export
    serves this process alone. Raises ModelError as `export` does.
    """
    name = key_of(model) if precision == "fp32" else f"{key_of(model)}.{precision}"
    place = (home or default_home()) / "exports" / name
    if place.is_dir():
        try:
            return load(place)
        except ModelError:  # damaged: export again
            shutil.rmtree(place, ignore_errors=True)
    order = _Order(model, module, precision)
    try:
        with scratch_folder(place.parent, "making") as scratch:
            return _make(order, scratch / "export", place, load)
    except OSError:
        with tempfile.TemporaryDirectory() as scratch_name:
            return _make(order, Path(scratch_name) / "export", None, load)


def key_of(model: Path) -> str:
    """Hash of all that a model's log-probabilities depend on; of a model folder, an exported one or an archive."""
    if model.is_file():
        return sha256(model)[:32]
    digest = hashlib.sha256(f"export {FORMAT}\n".encode())  # another format of exports gets other keys
    for name in _FILES:
        path = model / name
        digest.update(f"{name} {sha256(path) if path.is_file() else '-'}\n".encode())
    more = {path for pattern in _MORE_FILES for path in model.glob(pattern) if path.name not in _FILES}
    for path in sorted(more):
        digest.update(f"{path.name} {sha256(path)}\n".encode())
    return digest.hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class _Order:
    """What to export, with which module's `export`."""

    model: Path
    module: str
    precision: str

    def write(self, out: Path) -> None:
        importlib.import_module(self.module).export(self.model, out, self.precision)


def _make(order: _Order, scratch: Path, place: Path | None, load: Callable[[Path], _Engine]) -> _Engine:
    with _shown(order.model):
        # Torch would stay in memory: a worker that exports by itself needs 580 MB for good instead of 140. Where it is
        # loaded already nothing is saved; and what goes wrong in the process is raised by the export in this one.
        if "torch" in sys.modules or not _exported_in_process(order, scratch):
            shutil.rmtree(scratch, ignore_errors=True)
            order.write(scratch)
    engine = load(scratch)  # reads all that it needs, so the folder may be moved or removed
    if place is not None and not place.exists():
        try:
            scratch.rename(place)
        except OSError:
            # Another process was faster, and its export is equal.
            if not place.is_dir():
                raise
    return engine


@contextmanager
def _shown(model: Path) -> Iterator[None]:
    """Say on a terminal what takes so long."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    from vizinho.progress import bar

    with bar(f"first use of {model}: writing its fast form", 1) as advance:
        yield
        advance(1.0, "")


_EXPORT = """
import json, sys
from importlib import import_module
from pathlib import Path
sys.path[:] = json.loads(sys.argv[1])
from vizinho.parallel import begin_process
begin_process()
import_module(sys.argv[2]).export(Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[5])
"""


def _exported_in_process(order: _Order, scratch: Path) -> bool:
    """Export in a process of its own; False where that fails.

    It is no child of multiprocessing, which would run the user's script again unless its main part is guarded.
    """
    arguments = [json.dumps(sys.path), order.module, str(order.model), str(scratch), order.precision]
    try:
        done = subprocess.run(
            [sys.executable, "-c", _EXPORT, *arguments], stdin=subprocess.DEVNULL, capture_output=True
        )
    except OSError:
        return False
    return done.returncode == 0
