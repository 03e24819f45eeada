"""Draws who helps whom as one self-contained HTML page; asks the network for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import jinja2

from vizinho.languages.matrix import Matrix, correlations
from vizinho.languages.measured import Measured
from vizinho.text.language import Language

FULL = 0.5
"""Benefit from which a cell has its full colour."""


def matrix_page(transfers: Sequence[Measured]) -> str:
    """The page as text; at least one transfer."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(
        (resources.files("vizinho.report") / "matrix.html.j2").read_text(encoding="utf-8")
    )
    matrix = Matrix.of(transfers)
    minutes = sorted({round(m.minutes, 1) for m in matrix.cells.values()})
    return template.render(
        matrix=matrix,
        names={code: Language.of(code).name for code in (*matrix.targets, *matrix.donors)},
        minutes=f"{minutes[0]:g}" if len(minutes) == 1 else f"{minutes[0]:g} to {minutes[-1]:g}",
        helping=sum(m.helps for m in matrix.cells.values()),
        strength=lambda benefit: round(0.75 * min(1.0, abs(benefit) / FULL), 2),
        uneven=matrix.uneven(),
        correlations=correlations(transfers),
    )
