"""gensim's own files of word vectors (.kv), read without running what a pickle may ask for.

A .kv file is a pickle, and a pickle can name any function and have it called. Here only numpy's arrays can be made;
gensim's classes become a bag of values, and every other name is an error. Large arrays are .npy files next to it.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

_GENSIM = ("gensim.models.keyedvectors", "gensim.models.fasttext", "gensim.models.word2vec")
_BAGS = frozenset({
    "KeyedVectors", "Word2VecKeyedVectors", "EuclideanKeyedVectors", "FastTextKeyedVectors", "Vocab", "CompatVocab",
    "SimpleVocab",
})  # fmt: skip
_NUMPY = {
    "numpy": ("ndarray", "dtype"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy.core.numeric": ("_frombuffer",),
    "numpy._core.numeric": ("_frombuffer",),
}


class ForeignPickleError(ValueError):
    """A pickle that asks for more than arrays and gensim's classes."""


def read_keyed(path: Path) -> tuple[list[str], Any]:
    """Words and matrix (V, D) of a .kv file of gensim 3 or 4.

    Raises ForeignPickleError for a pickle that names anything else, ValueError for one that is no word vectors,
    OSError for files that cannot be read, and pickle's own errors for a damaged one.
    """
    with path.open("rb") as stream:
        values = getattr(_Reader(stream).load(), "__dict__", {})
    # gensim 4's names, else gensim 3's.
    words = values.get("index_to_key", values.get("index2word"))
    matrix = values.get("vectors", values.get("syn0"))
    for name in ("vectors", "syn0"):
        array = path.with_name(f"{path.name}.{name}.npy")
        if matrix is None and name in values.get("__numpys", ()) and array.is_file():
            matrix = np.load(array, allow_pickle=False)
    if not isinstance(words, list) or not isinstance(matrix, np.ndarray):
        raise ValueError("no words with their vectors in it")
    return [str(word) for word in words], matrix


def write_keyed(path: Path, keyed: Any) -> None:
    """Write gensim's KeyedVectors into one file, whatever their size."""
    keyed.lifecycle_events = None  # it would hold this machine's paths
    keyed.save(str(path), sep_limit=2**62)


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name in _NUMPY.get(module, ()):
            return super().find_class(module, name)
        if module in _GENSIM and name in _BAGS:
            return type(name, (), {})  # an empty class: its values are filled in, none of its code runs
        raise ForeignPickleError(f"it names {module}.{name}, which is no part of word vectors")
