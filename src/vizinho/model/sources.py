"""Where models come from besides folders: .nemo archives, and names on the Hugging Face hub, fetched into a folder."""

from __future__ import annotations

import re
from pathlib import Path

from vizinho.errors import StoreError, first_line

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FACTS = ("*.json", "*.txt", "*.model")
_WEIGHTS = (("*.safetensors",), ("pytorch_model*.bin", "adapter.*.bin"), ("*.nemo",))
"""What is fetched, in this order: safetensors first, so that nothing is unpickled that need not be."""


def is_archive(path: Path) -> bool:
    """Whether a path names a .nemo archive."""
    return path.suffix == ".nemo"


def is_hub_id(ref: str) -> bool:
    """Whether a reference has the form of a hub id, OWNER/NAME, and is no path here."""
    return _ID.fullmatch(ref) is not None and not Path(ref).exists()


def fetch(hub_id: str) -> Path:
    """The folder of a model in the local cache, fetched if need be; its .nemo archive where it has no other weights.

    Raises StoreError when the hub or the model cannot be reached and the cache has it not, or when it has no weights.
    """
    from huggingface_hub import snapshot_download

    for weights in _WEIGHTS:
        try:
            folder = Path(snapshot_download(hub_id, allow_patterns=[*_FACTS, *weights], ignore_patterns=["*/*"]))
        except Exception as error:  # no network, no such name, no permission, cache not writable: many kinds
            said = first_line(error)
            raise StoreError(
                f"not in the store, no folder here, and the hub says: {said}",
                where=hub_id,
                fix="check the name and the network, or copy the model here and give its folder",
            ) from error
        found = [path for pattern in weights for path in sorted(folder.glob(pattern))]
        if found:
            return found[0] if is_archive(found[0]) else folder
    raise StoreError("the model has no weights that can be read", where=hub_id, fix="choose another model")
