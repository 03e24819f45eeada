"""Writes docs/cli.md from the commands' own --help; the test suite fails when the two differ."""

from __future__ import annotations

from pathlib import Path

import typer
from typer.testing import CliRunner

PAGE = Path(__file__).with_name("cli.md")


def commands(command: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths of all commands, groups before their members, in the order of --help."""
    members = getattr(command, "commands", {})
    return [path, *(found for name, member in members.items() for found in commands(member, (*path, name)))]


def page() -> str:
    """The whole page."""
    from vizinho.cli.main import app

    runner = CliRunner(env={"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"})
    parts = ["# Commands\n\nWritten by `make docs` from `--help`.\n"]
    for path in commands(typer.main.get_command(app)):
        help_text = runner.invoke(app, [*path, "--help"], prog_name="vizinho").stdout.rstrip()
        lines = "\n".join(line.rstrip() for line in help_text.splitlines()).strip()
        parts.append(f"## {' '.join(('vizinho', *path))}\n\n```text\n{lines}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
