"""What every command must do with its options, found by walking the tree of commands."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from vizinho.cli.main import app
from vizinho.cli.options import standard_input
from vizinho.errors import SpecError, VizinhoError


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Paths and commands that do something, without the groups they are in."""
    members = getattr(command, "commands", None)
    if members is None:
        yield path, command
    for name, member in (members or {}).items():
        yield from leaves(member, (*path, name))


LEAVES = dict(leaves(typer.main.get_command(app)))
HELP = {path: CliRunner().invoke(app, [*path, "--help"]).stdout for path in LEAVES}


def options(kind: str) -> list[tuple[tuple[str, ...], str]]:
    """Every command with every option of a kind of number, as --help shows it."""
    return [(path, o) for path, text in HELP.items() for o in re.findall(rf"(--[\w-]+) <?{kind}", text, re.IGNORECASE)]


NUMBERS, COUNTS = options("float"), options("int")
MAY_BE_NEGATIVE = {"--layer", "--repeat"}
"""The last layer is -1; --repeat has a message of its own."""


def required(command: Any) -> list[str]:
    """Any value for each argument and option that the command cannot do without."""
    arguments = []
    for option in command.params:
        if option.required:
            value = "pt" if option.opts[0] in ("--lang", "--to") else "1"
            arguments += [option.opts[0], value] if option.param_type_name == "option" else ["x"]
    return arguments


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(("path", "option"), NUMBERS, ids=[f"{' '.join(p)} {o}" for p, o in NUMBERS])
def test_numbers_are_finite(path: tuple[str, ...], option: str, value: str) -> None:
    result = CliRunner().invoke(app, [*path, *required(LEAVES[path]), option, value])
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.stderr


@pytest.mark.parametrize(("path", "option"), COUNTS, ids=[f"{' '.join(p)} {o}" for p, o in COUNTS])
def test_counts_are_not_negative(path: tuple[str, ...], option: str) -> None:
    if option not in MAY_BE_NEGATIVE:
        result = CliRunner().invoke(app, [*path, *required(LEAVES[path]), option, "-1"])
        assert result.exit_code == 2
        assert f"Invalid value for '{option}'" in result.stderr


def test_there_are_numbers_to_check() -> None:
    assert len(NUMBERS) > 15
    assert len(COUNTS) > 40


def test_there_are_at_most_38_commands() -> None:
    assert len(LEAVES) <= 38


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lm", "train", "x.txt", "--out", "y", "--steps", "3"], "--steps has no effect with --kind ngram"),
        (["lm", "train", "x.txt", "--out", "y", "--kind", "lstm", "--order", "3"], "it belongs to ngram"),
        (
            ["vectors", "train", "x.txt", "--out", "y.bin", "--vocabulary", "9"],
            "it belongs to contextual or transformer",
        ),
        (["vectors", "train", "x.txt", "--out", "y", "--kind", "contextual"], "give --lang"),
        (["vectors", "show", "a", "b", "--as", "analogy", "--vectors", "v.bin"], "2 words -> give 3"),
        (["vectors", "evaluate", "v.bin"], "give --dictionary, --pairs or --senses"),
        (["vectors", "evaluate", "v.bin", "--dictionary", "d.tsv"], "give the target's vectors too"),
        (["vectors", "senses", "a", "--model", "m"], "give --corpus"),
    ],
)
def test_options_that_do_not_go_together(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, VizinhoError)
    assert message in str(result.exception)


def test_a_closed_standard_input_is_an_error_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(SpecError, match="standard input is closed"):
        standard_input()
