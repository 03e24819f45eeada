"""The base does the main job without any extra; a command that lacks its extra names it in one line."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tones import tone_corpus

from vizinho.cli.main import EXTRAS, extra_of

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MISSING = {module for modules in EXTRAS.values() for module in modules} - {"h11"}
"""What only extras bring. (The base has h11 too, through huggingface-hub.)"""
BLOCKED = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in MODULES else super().find_spec(name, path, target)

sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]
from vizinho.cli.main import main
main()
""".replace("MODULES", repr(MISSING))


def without_extras(*arguments: object, home: Path) -> subprocess.CompletedProcess[str]:
    """A command as it runs where nothing but the base is installed."""
    environment = os.environ | {"VIZINHO_HOME": str(home), "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", BLOCKED, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def imported() -> set[str]:
    """Top-level names of everything that the source imports and that neither Python nor the project has."""
    names = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names |= {module.partition(".")[0] for module in modules}
    return names - set(sys.stdlib_module_names) - {"vizinho"}


def test_every_import_is_declared_in_the_base_or_in_the_extra_that_errors_name():
    of_module = importlib.metadata.packages_distributions()
    base = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    extras = {
        name: {canonicalize_name(Requirement(text).name) for text in texts}
        for name, texts in PROJECT["optional-dependencies"].items()
    }
    for module in sorted(imported()):
        packages = {canonicalize_name(name) for name in of_module.get(module, [])}
        extra = extra_of(module)
        declared = base if extra is None else extras[extra]
        # pydantic_core is a part of pydantic; of what is not installed here nobody can say which package brings it.
        if module in of_module and module != "pydantic_core":
            assert packages & declared, f"{module} is not declared ({extra or 'base'})"


def test_the_main_job_needs_the_base_alone(tmp_path):
    corpus = tone_corpus(tmp_path / "c", count=12, splits=("train", "train", "dev", "test"))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("steps=2\nbatch_seconds=4\nevaluate_every=2\ncheckpoint_every=2\nworkers=0\n")
    home, galician = tmp_path / "home", tone_corpus(tmp_path / "g", count=8, lang="gl")
    for command in (
        ("train", "--lang", "pt", "--corpus", corpus, "--preset", "micro", "--recipe", recipe),
        ("transfer", "pt@1", "--to", "gl", "--corpus", galician, "--recipe", recipe),
        ("evaluate", "pt@1", "--corpus", corpus),
        ("transcribe", "gl@1", next((tmp_path / "g" / "audio").glob("*.wav"))),
    ):
        done = without_extras(*command, home=home)
        assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("serve", "--no-auth"), "serve"),
        (("report", "r.json"), "compare"),
        (("vectors", "show", "casa", "--vectors", "es.vec"), "text"),
        (("corpus", "convert", "v.cha", "v.jsonl", "--lang", "pt"), "field"),
    ],
)
def test_a_command_without_its_extra_names_it_in_one_line(tmp_path, command, extra):
    (tmp_path / "es.vec").write_text("1 2\ncasa 1 0\n")
    (tmp_path / "v.cha").write_text("@UTF8\n*ANA:\tbom dia . \x150_900\x15\n")
    command = [str(tmp_path / part) if part in ("es.vec", "r.json", "v.cha") else part for part in command]
    done = without_extras(*command, home=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].endswith(f"pip install 'vizinho[{extra}]'"), done.stderr
