"""The templates of the pages: what is filled in is escaped, and what is missing is an error."""

from __future__ import annotations

from importlib import resources

import jinja2


def template(name: str) -> jinja2.Template:
    """The template of a page, by its file's name."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string((resources.files("vizinho.report") / name).read_text(encoding="utf-8"))
