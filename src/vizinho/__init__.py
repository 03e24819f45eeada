"""vizinho: a language's first speech recogniser, started from a neighbour's.

Every name below is imported when it is first used, so that `import vizinho` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vizinho.version import __version__

if TYPE_CHECKING:
    from vizinho.experiment.run import run_experiment
    from vizinho.job.evaluate import evaluate, load, transcribe
    from vizinho.job.rounds import self_train
    from vizinho.job.run import train, transfer
    from vizinho.languages.compare import compare

_HOME = {
    "compare": "vizinho.languages.compare",
    "evaluate": "vizinho.job.evaluate",
    "load": "vizinho.job.evaluate",
    "run_experiment": "vizinho.experiment.run",
    "self_train": "vizinho.job.rounds",
    "train": "vizinho.job.run",
    "transcribe": "vizinho.job.evaluate",
    "transfer": "vizinho.job.run",
}
"""The module that owns each name of the API."""

__all__ = [
    "__version__",
    "compare",
    "evaluate",
    "load",
    "run_experiment",
    "self_train",
    "train",
    "transcribe",
    "transfer",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'vizinho' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
