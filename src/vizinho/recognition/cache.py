"""Exports stored beside the models, and found again by the hash of the model's files.

HOME/exports/KEY/ is a folder as `export` writes it. Deleting any of it is safe: the next use exports again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from vizinho.errors import ModelError
from vizinho.files import scratch_folder, sha256
from vizinho.recognition.engines import FORMAT, GRAPHS, SETTINGS, OnnxEngine
from vizinho.recognition.export import export
from vizinho.store.card import WEIGHTS
from vizinho.store.store import default_home

_OF_MODEL = (WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json", "processor_config.json")
_FILES = (*_OF_MODEL, SETTINGS, *GRAPHS.values())
"""What the log-probabilities of a model folder, or of an exported one, depend on."""


def cached_engine(model: Path, threads: int = 1, home: Path | None = None) -> OnnxEngine:
    """The onnxruntime engine of a model folder, which is exported on the first call (seconds).

    Several processes may do so at once: each exports, and the first to finish stays. Where nothing can be stored, as on
    a read-only disk, the export serves this process alone. Raises ModelError as `export` does.
    """
    place = (home or default_home()) / "exports" / key_of(model)
    if place.is_dir():
        try:
            return OnnxEngine.load(place, threads)
        except ModelError:  # damaged: export again
            shutil.rmtree(place, ignore_errors=True)
    try:
        with scratch_folder(place.parent, "making") as scratch:
            return _make(model, scratch / "export", place, threads)
    except OSError:
        with tempfile.TemporaryDirectory() as scratch_name:
            return _make(model, Path(scratch_name) / "export", None, threads)


def key_of(model: Path) -> str:
    """Hash of all that a model's log-probabilities depend on; of a model folder, an exported one or an archive."""
    if model.is_file():
        return sha256(model)[:32]
    digest = hashlib.sha256(f"export {FORMAT}\n".encode())  # another format of exports gets other keys
    for name in _FILES:
        path = model / name
        digest.update(f"{name} {sha256(path) if path.is_file() else '-'}\n".encode())
    return digest.hexdigest()[:32]


def _make(model: Path, scratch: Path, place: Path | None, threads: int) -> OnnxEngine:
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"first use of {model}: it is exported for onnxruntime, which takes some seconds", file=sys.stderr)
    # Torch would stay in memory: a worker that exports by itself needs 580 MB for good instead of 140. Where it is
    # loaded already nothing is saved; and what goes wrong in the process is raised by the export in this one.
    if "torch" in sys.modules or not _exported_in_process(model, scratch, threads):
        export(model, scratch)
    engine = OnnxEngine.load(scratch, threads)  # reads the whole graph, so the folder may be moved or removed
    if place is not None and not place.exists():
        try:
            scratch.rename(place)
        except OSError:
            # Another process was faster, and its export is equal.
            if not place.is_dir():
                raise
    return engine


_EXPORT = """
import json, sys
from pathlib import Path
sys.path[:] = json.loads(sys.argv[1])
from vizinho.parallel import begin_process
begin_process(int(sys.argv[2]))
from vizinho.recognition.export import export
export(Path(sys.argv[3]), Path(sys.argv[4]))
"""


def _exported_in_process(model: Path, scratch: Path, threads: int) -> bool:
    """Export in a process of its own; False where that fails.

    It is no child of multiprocessing, which would run the user's script again unless its main part is guarded.
    """
    arguments = [json.dumps(sys.path), str(threads), str(model), str(scratch)]
    try:
        done = subprocess.run(
            [sys.executable, "-c", _EXPORT, *arguments], stdin=subprocess.DEVNULL, capture_output=True
        )
    except OSError:
        return False
    return done.returncode == 0
