"""The state of a word2vec or fastText training after each epoch, from which an interrupted one resumes exactly."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from vizinho.files import replacing


def save_epoch(path: Path, model: Any, epoch: int, digest: str) -> None:
    """Write weights, random state and the number of finished epochs, whole or not at all."""
    arrays = {name: rows for name, (rows, _) in _weights(model).items()}
    # numpy's generator (MT19937), from which gensim draws windows and subsamples.
    kind, keys, position, has_gauss, gauss = model.random.get_state()
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream,
            epoch=epoch,
            digest=digest,
            random_keys=keys,
            random_rest=np.array([position, has_gauss, gauss], dtype=np.float64),
            random_kind=kind,
            **arrays,
        )


def load_epoch(path: Path, model: Any, digest: str) -> int:
    """Set `model` (its vocabulary built) to a saved state; returns the finished epochs, 0 where there is no state.

    A state of other text or options, or a damaged one, counts as none.
    """
    try:
        with np.load(path, allow_pickle=False) as saved:
            if str(saved["digest"]) != digest:
                return 0
            arrays = {name: saved[name] for name in saved.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return 0
    for name, (rows, put) in _weights(model).items():
        if arrays[name].shape != rows.shape:
            return 0
        put(arrays[name])
    position, has_gauss, gauss = arrays["random_rest"]
    model.random.set_state((str(arrays["random_kind"]), arrays["random_keys"], int(position), int(has_gauss), gauss))
    return int(arrays["epoch"])


def _weights(model: Any) -> dict[str, Any]:
    """By name: the rows that training changes, and a function that replaces them."""

    def whole(owner: Any, name: str) -> Any:
        array = getattr(owner, name)
        return array, lambda rows: array.__setitem__(slice(None), rows)

    output = {"output": whole(model, "syn1neg")}
    buckets = getattr(model.wv, "buckets_word", None)
    if buckets is None:
        return output | {"words": whole(model.wv, "vectors")}
    # fastText's table of n-grams has two million rows; a text touches a few of them.
    used = np.unique(np.concatenate([np.asarray(b, dtype=np.int64) for b in buckets]))
    table = model.wv.vectors_ngrams
    return output | {
        "words": whole(model.wv, "vectors_vocab"),
        "ngrams": (table[used], lambda rows: table.__setitem__(used, rows)),
    }
