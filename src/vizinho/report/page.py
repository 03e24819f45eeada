"""Draws results.json as one self-contained HTML page; reads nothing else and asks the network for nothing."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from vizinho.errors import SpecError
from vizinho.files import write_text
from vizinho.report.charts import curves_chart, movement_chart

FORMAT = 1
"""Version of results.json that this page draws."""


def write_report(results: Path, out: Path) -> None:
    """Draw a page from `results` into `out`. Raises SpecError when it is not a results.json of this format."""
    write_text(out, page(read_results(results)))


def read_results(path: Path) -> dict[str, Any]:
    """Read results.json; SpecError names what is wrong with it."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SpecError("no such file", where=path, fix="run `vizinho experiment` first") from error
    except (OSError, ValueError) as error:
        raise SpecError(f"not JSON ({error})", where=path, fix="give a results.json") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise SpecError(f"not a results.json of format {FORMAT}", where=path, fix="run `vizinho experiment` again")
    return values


def page(results: dict[str, Any]) -> str:
    """The page as text; everything from the file is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((resources.files("vizinho.report") / "page.html.j2").read_text(encoding="utf-8"))
    return template.render(
        results=results,
        curves=curves_chart(results["arms"]),
        movement=movement_chart(results["arms"]),
        worst=[(arm["arm"], arm["test"]["worst"][:8]) for arm in results["arms"]],
    )
