"""Which files of vizinho an import of one of its modules loads, and which of them pull each: `closure.py MODULE`."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from house import SOURCE


def closure(module: str) -> dict[str, list[str]]:
    """Modules of vizinho with code of their own that an import of `module` loads, each with those that import it."""
    code = f"import sys, {module}; print(*sorted(m for m in sys.modules if m.split('.')[0] == 'vizinho'))"
    environment = {"PYTHONPATH": str(SOURCE.parent), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    files = {name: _file(name) for name in done.stdout.split()}
    loaded = {name: path for name, path in files.items() if path.name != "__init__.py"}
    pulled: dict[str, list[str]] = {name: [] for name in loaded}
    for name, path in files.items():
        for imported in set(_imports(ast.parse(path.read_text(encoding="utf-8")))) & set(pulled):
            pulled[imported].append(name)
    return pulled


def _file(module: str) -> Path:
    path = SOURCE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imports(tree: ast.Module) -> Iterator[str]:
    """What a module imports when it is imported itself; not what functions or a type checker import."""
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            yield from (name.name for name in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            yield statement.module
            yield from (f"{statement.module}.{name.name}" for name in statement.names)


if __name__ == "__main__":
    pulls = closure(sys.argv[1] if len(sys.argv) > 1 else "vizinho.job.run")
    for name, by in pulls.items():
        print(f"{name} <- {', '.join(sorted(by))}")
    print(f"{len(pulls)} files, {sum(len(_file(name).read_text().splitlines()) for name in pulls):,} lines")
