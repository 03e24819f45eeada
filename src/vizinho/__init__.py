"""vizinho: a language's first speech recogniser, started from a neighbour's.

Every name below is imported when it is first used, so that `import vizinho` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vizinho.version import __version__

if TYPE_CHECKING:
    from vizinho.job.run import train, transfer
    from vizinho.languages.compare import compare

_HOME = {
    "compare": "vizinho.languages.compare",
    "train": "vizinho.job.run",
    "transfer": "vizinho.job.run",
}
"""The module that owns each name of the API."""

__all__ = ["__version__", "compare", "train", "transfer"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'vizinho' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
