"""One way to get a vector for a sentence, whether from word vectors in a file or from a transformer's folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vizinho.errors import ModelError
from vizinho.vectors.align import sentence_vectors
from vizinho.vectors.static import WordVectors, load_vectors, tokenize

Matrix = npt.NDArray[np.float32]


class SentenceVectors(Protocol):
    """Sentences to rows: of unit length, zeros for a sentence in which nothing is known."""

    @property
    def width(self) -> int:
        """Components of a sentence's vector (D)."""

    def encode(self, sentences: Sequence[str]) -> Matrix:
        """(S, D) for S sentences; none depends on the others."""


@dataclass(frozen=True, slots=True)
class StaticSentences:
    """Weighted means of word vectors (`align.sentence_vectors`)."""

    vectors: WordVectors

    @property
    def width(self) -> int:
        """Components of a vector (D)."""
        return int(self.vectors.matrix.shape[1])

    def encode(self, sentences: Sequence[str]) -> Matrix:
        """(S, D); words in lower case, letters only, as the vectors were trained."""
        return sentence_vectors(tokenize(sentences), self.vectors, self.vectors.matrix)


@dataclass(frozen=True, slots=True)
class TransformerSentences:
    """A transformer's pooled states (`transformer.Encoder.encode`), to unit length."""

    encoder: Any

    @property
    def width(self) -> int:
        """Components of a vector (D)."""
        return int(self.encoder.dim) * len(self.encoder.settings.pooling)

    def encode(self, sentences: Sequence[str]) -> Matrix:
        """(S, D)."""
        rows = self.encoder.encode(sentences)  # the folder may say that they are not normalised
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def load_sentences(path: Path) -> SentenceVectors:
    """Sentence vectors from a file of word vectors or from an encoder's folder. Raises ModelError for neither."""
    if path.is_dir():
        from vizinho.vectors.transformer import load_encoder

        return TransformerSentences(load_encoder(path))
    return StaticSentences(load_vectors(path))


def copy_sentences(source: Path, destination: Path) -> None:
    """Copy what `load_sentences` reads to a new place; `destination` is without a suffix.

    Raises ModelError for what is neither a file nor a folder.
    """
    if source.is_dir():
        shutil.copytree(source, destination)
    elif source.is_file():
        shutil.copyfile(source, destination.with_name(destination.name + source.suffix))
    else:
        raise ModelError("no such vectors", where=source, fix="give a file of vectors or an encoder's folder")
