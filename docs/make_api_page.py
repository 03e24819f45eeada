"""Writes docs/api.md from the docstrings of the Python API: `python docs/make_api_page.py`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import vizinho

PAGE = Path(__file__).parent / "api.md"
TYPES = (
    "vizinho.job.run.Outcome",
    "vizinho.job.run.Reporting",
    "vizinho.job.evaluate.Evaluation",
    "vizinho.recognition.recognizer.Recognizer",
    "vizinho.records.Transcript",
    "vizinho.records.Word",
    "vizinho.records.Scores",
    "vizinho.plan.tokens.RowOptions",
    "vizinho.training.options.TrainingOptions",
    "vizinho.store.store.Store",
)
"""What the functions take and return."""
HEAD = """# The Python API

Made by `make docs` from the docstrings. Every function is imported when it is first used; `import vizinho` is fast.
Every error that input can cause is a `vizinho.errors.VizinhoError` with `what`, `where` and `fix`.
"""


def page() -> str:
    """The whole page."""
    functions = [name for name in vizinho.__all__ if not name.startswith("_")]
    parts = [HEAD, *(_function(f"vizinho.{name}", getattr(vizinho, name)) for name in functions), "# Types\n"]
    return "\n".join([*parts, *map(_type, TYPES)])


def _function(name: str, function: Any) -> str:
    return f"## {name}\n\n```python\n{name}{_signature(function)}\n```\n\n{_text(function)}\n"


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    parameters, keywords = list[str](), False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keywords:
            parameters.append("*")
            keywords = True
        default = "" if parameter.default is parameter.empty else f" = {_shown(parameter.default)}"
        parameters.append(f"{parameter.name}: {parameter.annotation}{default}")
    inner = ", ".join(parameters)
    inner = inner if len(inner) < 90 else "\n    " + ",\n    ".join(parameters) + ",\n"
    return f"({inner}) -> {signature.return_annotation}"


def _shown(value: Any) -> str:
    """A default as a reader would write it: options without their fields, functions by name."""
    if is_dataclass(value):
        return f"{type(value).__name__}()"
    return value.__name__ if inspect.isfunction(value) else repr(value)


def _text(value: Any) -> str:
    """A docstring with its lists of arguments as a list."""
    text = inspect.getdoc(value) or ""
    return re.sub(
        r"^    (?=\w[\w, ]*: )", "- ", re.sub(r"^        ", "  ", text, flags=re.MULTILINE), flags=re.MULTILINE
    )


def _type(path: str) -> str:
    module, _, name = path.rpartition(".")
    cls = getattr(import_module(module), name)
    lines = [f"## {name}\n", f"`{path}`\n", _text(cls), "", *_members(cls)]
    return "\n".join(lines) + "\n"


def _members(cls: type) -> Iterator[str]:
    if is_dataclass(cls):
        for field in fields(cls):
            yield f"- `{field.name}: {field.type}`"
    for name, member in vars(cls).items():
        if name.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property | classmethod)):
            continue
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        call = "" if isinstance(member, property) else "(...)"
        summary = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
        yield f"- `{name}{call}`: {summary}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
