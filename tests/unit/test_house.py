"""The house stays walkable: one loop, few commands, names and English that a newcomer can read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from closure import closure
from docs_commands import known_commands
from house import SOURCE, figures, findings, sources

ROOT = Path(__file__).parents[2]
MOST_GENERIC = 0.02
LEAST_COMMENTS = 3.0
"""In a hundred lines."""
MOST_COMMANDS = 39
MOST_TOP_MODULES = 9
MOST_FILES_OF_A_RUN = 78
"""That an import of `vizinho.job.run` loads; `python tests/closure.py` lists them and who pulls each."""


def test_locals_say_what_they_hold_and_dense_lines_say_why():
    counted = figures(sources())
    assert counted.generic_share <= MOST_GENERIC
    assert counted.comments_per_hundred >= LEAST_COMMENTS


def test_help_errors_and_docstrings_are_plain_english():
    prose = [f for path in sources() for f in findings(path) if "() binds " not in f.what]
    assert not prose, "\n".join(map(str, prose))


def test_there_is_one_training_loop():
    steps = [p for p in SOURCE.rglob("*.py") for line in p.read_text().splitlines() if "optimizer.step(" in line]
    assert [p.relative_to(SOURCE).as_posix() for p in steps] == ["training/loop.py"]


def test_commands_and_modules_at_the_top_are_few():
    commands = known_commands()
    leaves = [c for c in commands if not any(other[: len(c)] == c and other != c for other in commands)]
    assert len(leaves) <= MOST_COMMANDS
    assert len([p for p in SOURCE.glob("*.py") if p.name != "__init__.py"]) <= MOST_TOP_MODULES


def test_a_run_is_few_files():
    files = closure("vizinho.job.run")
    assert len(files) <= MOST_FILES_OF_A_RUN, files
    assert files["vizinho.job.data"] and "vizinho.job.practice" not in files


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, vizinho; print(sorted(m for m in ('torch', 'numpy', 'transformers', 'typer') if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_check_finds_what_it_is_for(tmp_path):
    place = tmp_path / "bad.py"
    docstring = "What the store has it not."
    place.write_text(
        f'"""The same, but other."""\n\n\ndef f():\n    """{docstring}"""\n    found = 1\n    return found\n'
    )
    what = [finding.what for finding in findings(place)]
    assert [w.split(":")[0] for w in what[1:]] == ["begins with 'The same'", "plain English", "plain English"]
    assert what[0] == "f() binds found"
    counted = figures([place])
    assert (counted.functions, counted.generic, counted.comments) == (1, 1, 0)
