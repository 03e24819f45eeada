"""What every command must do with its options, found by walking the tree of commands."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from vizinho.cli.main import app


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Paths and commands that do something, without the groups they are in."""
    members = getattr(command, "commands", None)
    if members is None:
        yield path, command
    for name, member in (members or {}).items():
        yield from leaves(member, (*path, name))


LEAVES = dict(leaves(typer.main.get_command(app)))
NUMBERS = [
    (path, option)
    for path in LEAVES
    for option in re.findall(r"(--[\w-]+) <?float", CliRunner().invoke(app, [*path, "--help"]).stdout, re.IGNORECASE)
]


def required(command: Any) -> list[str]:
    """Any value for each argument and option that the command cannot do without."""
    arguments = []
    for option in command.params:
        if option.required:
            arguments += [option.opts[0], "1"] if option.param_type_name == "option" else ["x"]
    return arguments


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(("path", "option"), NUMBERS, ids=[f"{' '.join(p)} {o}" for p, o in NUMBERS])
def test_numbers_are_finite(path: tuple[str, ...], option: str, value: str) -> None:
    result = CliRunner().invoke(app, [*path, *required(LEAVES[path]), option, value])
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.stderr


def test_there_are_numbers_to_check() -> None:
    assert len(NUMBERS) > 15
