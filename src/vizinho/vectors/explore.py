"""Looking at word vectors: nearest words, analogies, and the row of coloured boxes in which words can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.vectors.static import WordVectors

BOX, LABEL = 14, 110
"""Size of a box and width of the words before it, in the drawing."""
SHARED_SPREAD = 0.25
"""Components count as shared when the words' values have one sign and lie this near to each other, in deviations."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """Components of some words, each divided by the deviation of that component over all words."""

    words: tuple[str, ...]
    values: npt.NDArray[np.float64]
    """(words, D)."""
    shared: tuple[bool, ...]
    """Components (D) in which all the words agree."""


def neighbours(vectors: WordVectors, word: str, count: int = 10) -> list[tuple[str, float]]:
    """The nearest words by cosine, the word itself left out. Raises TextError for an unknown word."""
    return _nearest(vectors, vectors[word], {word}, count)


def analogy(vectors: WordVectors, a: str, b: str, c: str, count: int = 5) -> list[tuple[str, float]]:
    """What is to `c` as `b` is to `a`, by 3CosAdd (Mikolov et al. 2013): "homem", "mulher", "rei". Raises TextError."""
    rows = {w: vectors[w] / max(float(np.linalg.norm(vectors[w])), 1e-9) for w in (a, b, c)}
    return _nearest(vectors, rows[b] - rows[a] + rows[c], {a, b, c}, count)


def _nearest(vectors: WordVectors, query: Any, leave_out: set[str], count: int) -> list[tuple[str, float]]:
    lengths = np.maximum(np.linalg.norm(vectors.matrix, axis=1), 1e-9)
    cosines = vectors.matrix @ query / lengths / max(float(np.linalg.norm(query)), 1e-9)
    order = np.argsort(-cosines)[: count + len(leave_out)]
    return [(vectors.words[int(i)], float(cosines[i])) for i in order if vectors.words[int(i)] not in leave_out][:count]


def boxes(vectors: WordVectors, words: Sequence[str]) -> Boxes:
    """Components of the words to be drawn side by side. Raises TextError for an unknown word."""
    values = np.array([vectors[w] for w in words], dtype=np.float64)
    values = values / np.maximum(vectors.matrix.std(axis=0), 1e-9)
    one_sign = (np.sign(values) == np.sign(values[0])).all(axis=0)
    near = values.max(axis=0) - values.min(axis=0) <= 2 * SHARED_SPREAD
    return Boxes(tuple(words), values, tuple(bool(x) for x in one_sign & near & (len(words) > 1)))


def draw_boxes(found: Boxes) -> str:
    """SVG: a row a word, a box a component, orange below zero and blue above; a bar under the components they share."""
    width = LABEL + BOX * found.values.shape[1] + 4
    height = (BOX + 6) * len(found.words) + 14
    parts = []
    for row, word in enumerate(found.words):
        y = row * (BOX + 6) + 4
        parts.append(f'<text x="0" y="{y + BOX - 2}" font-size="13" fill="currentColor">{escape(word)}</text>')
        parts += [
            f'<rect x="{LABEL + BOX * i}" y="{y}" width="{BOX - 1}" height="{BOX}" fill="{colour(float(v))}"/>'
            for i, v in enumerate(found.values[row])
        ]
    below = (BOX + 6) * len(found.words) + 4
    parts += [
        f'<rect x="{LABEL + BOX * i}" y="{below}" width="{BOX - 1}" height="4" fill="currentColor"/>'
        for i, together in enumerate(found.shared)
        if together
    ]
    names = escape(", ".join(found.words), quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="vectors of {names}">{"".join(parts)}</svg>\n'
    )


def colour(value: float) -> str:
    """White at zero to blue above and orange below; full colour at two deviations."""
    share = min(1.0, abs(value) / 2)
    full = (0, 114, 178) if value >= 0 else (213, 94, 0)
    return "#" + "".join(f"{round(255 + (c - 255) * share):02x}" for c in full)
