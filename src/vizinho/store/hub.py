"""Models on the Hugging Face hub, fetched by the hub's own client into its cache."""

from __future__ import annotations

from pathlib import Path

from vizinho.errors import StoreError, first_line

_FACTS = ("*.json", "*.txt", "*.model")
_WEIGHTS = (("*.safetensors",), ("pytorch_model*.bin", "adapter.*.bin"), ("*.nemo",))
"""What is fetched, in this order: safetensors first, so that pickled files are read only where nothing else is."""


def fetch(hub_id: str) -> Path:
    """The folder of a model in the local cache, fetched if need be; its .nemo archive where it has no other weights.

    Raises StoreError when the model is not in the cache and the hub cannot be reached, or when it has no weights.
    """
    from huggingface_hub import snapshot_download

    for patterns in _WEIGHTS:
        try:
            folder = Path(snapshot_download(hub_id, allow_patterns=[*_FACTS, *patterns], ignore_patterns=["*/*"]))
        except Exception as error:  # no network, no such name, no permission, cache not writable: many kinds
            raise StoreError(
                f"not in the store, no folder here, and the hub says: {first_line(error)}",
                where=hub_id,
                fix="check the name and the network, or copy the model here and give its folder",
            ) from error
        files = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
        if files:
            return files[0] if files[0].suffix == ".nemo" else folder
    raise StoreError("the model has no weights that can be read", where=hub_id, fix="choose another model")
