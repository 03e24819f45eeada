"""Commands of earlier versions name the one that does their work now."""

import pytest
import typer
from commands import vizinho
from docs_commands import known_commands

from vizinho.cli.main import RENAMED, RENAMED_OPTIONS, app


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_prints_the_new_one(old, tmp_path):
    done = vizinho(*old.split(), "--help", home=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and f"use `vizinho {RENAMED[old]}`" in done.stderr


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_the_new_name_exists_and_the_old_one_does_not(old, new):
    known = known_commands()
    words = new.split(" --")[0].split()
    assert tuple(words) in known
    assert tuple(old.split()) not in known
    command = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    options = {name for option in command.params for name in option.opts} if "--" in new else set()
    assert {word for word in new.split() if word.startswith("--")} <= options


@pytest.mark.parametrize(("command", "old"), RENAMED_OPTIONS)
@pytest.mark.parametrize("value", [" pt", "=pt"], ids=["apart", "joined"])
def test_an_old_option_prints_the_new_one(command, old, value, tmp_path):
    done = vizinho(*command.split(), *f"{old.split()[0]}{value}".split(), home=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and f"use {RENAMED_OPTIONS[command, old]}" in done.stderr
    assert RENAMED_OPTIONS[command, old] in vizinho(*command.split(), "--help", home=tmp_path).stdout


def test_members_stand_before_their_group():
    names = list(RENAMED)
    for place, name in enumerate(names):
        assert not any(later.startswith(f"{name} ") for later in names[place:])
