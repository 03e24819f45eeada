"""Looking at word vectors: nearest words, analogies, and the row of coloured boxes in which words can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.vectors.static import WordVectors

BOX, GAP, LETTER = 14, 6, 8
"""Size of a box, space between rows, and width to allow for a letter of the words before them, in the drawing."""
A_BAND = 50
"""Boxes side by side in the drawing; further components go below."""
CLEAR = 0.4
"""Deviations from the mean beyond which a component is clearly high or low, and its colour visible."""
_FLOOR_SETS = 200


@dataclass(frozen=True, slots=True)
class Boxes:
    """Components of some words, each as deviations from the mean of that component over all words."""

    words: tuple[str, ...]
    values: npt.NDArray[np.float64]
    """(words, D)."""
    shared: tuple[bool, ...]
    """Components (D) in which all the words are clearly high, or all clearly low."""
    floor: float
    """Share of the components that as many words drawn at random share."""


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
    # As many more as may be left out.
    order = np.argsort(-cosines)[: count + len(leave_out)]
    return [(vectors.words[int(i)], float(cosines[i])) for i in order if vectors.words[int(i)] not in leave_out][:count]


def boxes(vectors: WordVectors, words: Sequence[str]) -> Boxes:
    """Components of the words to be drawn side by side. Raises TextError for an unknown word."""
    rows = [vectors.row(word) for word in words]
    matrix = vectors.matrix.astype(np.float64)
    # Components of trained vectors have means far from zero, which would paint every word alike.
    deviations = (matrix - matrix.mean(axis=0)) / np.maximum(matrix.std(axis=0), 1e-9)
    together = _shared(deviations[rows]) if len(words) > 1 else np.zeros(matrix.shape[1], dtype=bool)
    rng = np.random.default_rng(1)  # always the same, so that a drawing is
    chance = [_shared(deviations[rng.integers(len(matrix), size=len(words))]).mean() for _ in range(_FLOOR_SETS)]
    return Boxes(tuple(words), deviations[rows], tuple(map(bool, together)), float(np.mean(chance)))


def _shared(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    return np.asarray((values > CLEAR).all(axis=0) | (values < -CLEAR).all(axis=0))


def bands(boxes: Boxes, width: int) -> list[range]:
    """The components in runs of at most `width`, for one row of boxes under another."""
    return [range(i, min(i + width, len(boxes.shared))) for i in range(0, len(boxes.shared), width)]


def draw_boxes(boxes: Boxes) -> str:
    """SVG: a row a word, a box a component, orange below the mean and blue above; a bar under those they share."""
    label = LETTER * max(map(len, boxes.words)) + GAP
    step = BOX + GAP
    tall = step * len(boxes.words) + 2 * GAP
    runs = bands(boxes, A_BAND)
    width, height = label + BOX * len(runs[0]) + GAP, tall * len(runs)
    parts = []
    for band, run in enumerate(runs):
        top = band * tall + GAP  # y of the band's first row
        for row, word in enumerate(boxes.words):
            y = top + row * step
            parts.append(f'<text x="0" y="{y + BOX - 3}" fill="currentColor">{escape(word)}</text>')
            parts += [
                f'<rect x="{label + BOX * place}" y="{y}" width="{BOX - 1}" height="{BOX}" '
                f'fill="{colour(float(boxes.values[row, i]))}"/>'
                for place, i in enumerate(run)
            ]
        below = top + step * len(boxes.words) - 3
        parts += [
            f'<rect class="shared" x="{label + BOX * place}" y="{below}" width="{BOX - 1}" height="4"/>'
            for place, i in enumerate(run)
            if boxes.shared[i]
        ]
    names = escape(", ".join(boxes.words), quote=True)
    style = "text{font:13px sans-serif}rect{stroke:#999;stroke-width:.5}.shared{fill:currentColor;stroke:none}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="vectors of {names}"><style>{style}</style>{"".join(parts)}</svg>\n'
    )


def sign(value: float) -> str:
    """A component as a character, for terminals without colours: # + above the mean, - = below, a dot near it."""
    if abs(value) <= CLEAR:
        return "·"
    return ("#" if value > 1.2 else "+") if value > 0 else ("=" if value < -1.2 else "-")


def colour(value: float) -> str:
    """White at zero to blue above and orange below; full colour at two deviations."""
    share = min(1.0, abs(value) / 2)
    full = (0, 114, 178) if value >= 0 else (213, 94, 0)
    return "#" + "".join(f"{round(255 + (c - 255) * share):02x}" for c in full)
