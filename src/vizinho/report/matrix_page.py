"""Draws who helps whom as one self-contained HTML page; asks the network for nothing."""

from __future__ import annotations

from collections.abc import Sequence

from vizinho.languages.matrix import Matrix, correlations
from vizinho.languages.measured import Measured
from vizinho.report.templates import template
from vizinho.text.language import Language

FULL = 0.5
"""Benefit from which a cell has its full colour."""


def matrix_page(transfers: Sequence[Measured]) -> str:
    """The page as text; at least one transfer."""
    matrix = Matrix.of(transfers)
    minutes = sorted({round(m.minutes, 1) for m in matrix.cells.values()})
    return template("matrix.html.j2").render(
        matrix=matrix,
        names={code: Language.of(code).name for code in (*matrix.targets, *matrix.donors)},
        minutes=f"{minutes[0]:g}" if len(minutes) == 1 else f"{minutes[0]:g} to {minutes[-1]:g}",
        helping=sum(m.helps for m in matrix.cells.values()),
        strength=lambda benefit: round(0.75 * min(1.0, abs(benefit) / FULL), 2),
        uneven=matrix.uneven(),
        correlations=correlations(transfers),
    )
