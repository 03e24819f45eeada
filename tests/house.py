"""What a reader of the source may count on, counted: names of locals, comments, plain English, size, one of a kind.

`python tests/house.py [FOLDER ...]` prints every finding below src/vizinho (or below the folders) and the figures;
tests/unit/test_house.py holds the figures.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "vizinho"

GENERIC = {"found", "made", "said", "ours", "theirs", "kept", "held", "given"}
"""Locals that do not say what they hold."""

ARCHAIC = re.compile(
    r"\b(has|have|had|does|do|is|are|was|were|knows?|needs?|wants?) (it|they|he|she|we) not\b"
    r"|\b(has|have|had|knows?|names?|says?|finds?|reads?|gives?|takes?|makes?) (it|them|any|one|none) not\b"
    r"|\bit not\b(?! (only|be|a|the|in))"
    r"|\bthe same,? but\b|\bso many (minutes|times|steps|words|seconds)\b|\bso often\b|\banew\b|\bbe it\b|\bamid\b"
    r"|\bthe like\b|\bwhereof\b|\bthereof\b|\bnay\b|\blearnt of\b|\bbesides that\b|\bmay not be had\b",
    re.IGNORECASE,
)
"""Inversions and turns that a reader of technical English has to read twice."""


@dataclass(frozen=True)
class Finding:
    """One place to mend."""

    path: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(SOURCE.parents[1])}:{self.line}: {self.what}"


def sources(folders: list[Path] | None = None) -> list[Path]:
    """Python files of the package, or of some folders of it."""
    return sorted(
        path for folder in folders or [SOURCE] for path in ([folder] if folder.is_file() else folder.rglob("*.py"))
    )


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions, inner ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def generic_locals(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Generic names that a function itself binds; those of functions inside it are theirs."""
    names: set[str] = set()
    queue = list(function.body)
    while queue:
        node = queue.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in GENERIC:
            names.add(node.id)
        queue += list(ast.iter_child_nodes(node))
    arguments = [a.arg for a in (*function.args.args, *function.args.kwonlyargs, *function.args.posonlyargs)]
    return sorted(names | (GENERIC & set(arguments)))


def comments(text: str) -> int:
    """Comments that explain; markers for tools are none."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    marks = ("# noqa", "# type:", "# fmt:", "# pragma", "#!")
    return sum(t.type == tokenize.COMMENT and not t.string.startswith(marks) for t in tokens)


def prose(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(Line, text) of docstrings and of every string long enough to be read by somebody."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


def findings(path: Path) -> Iterator[Finding]:
    """Everything to mend in one file."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    for function in functions(tree):
        names = generic_locals(function)
        if names:
            yield Finding(path, function.lineno, f"{function.name}() binds {', '.join(names)}")
    for line, string in prose(tree):
        if re.match(r"\s*The same\b", string):
            yield Finding(path, line, f"begins with 'The same': {string.strip()[:60]!r}")
        for match in ARCHAIC.finditer(string):
            yield Finding(path, line, f"plain English: ...{string[max(0, match.start() - 20) : match.end() + 20]!r}")
    for number, line_text in enumerate(text.splitlines(), 1):
        _, hash_, comment = line_text.partition("# ")
        if hash_ and (match := ARCHAIC.search(comment)):
            yield Finding(path, number, f"plain English: ...{match.group(0)!r}")


@dataclass(frozen=True)
class Figures:
    """The house in numbers."""

    lines: int
    functions: int
    generic: int
    comments: int

    @property
    def generic_share(self) -> float:
        """Share of the functions that bind a generic local."""
        return self.generic / max(1, self.functions)

    @property
    def comments_per_hundred(self) -> float:
        """Comments in a hundred lines."""
        return 100 * self.comments / max(1, self.lines)


def figures(paths: list[Path]) -> Figures:
    """Counts over files."""
    lines = all_functions = generic = remarks = 0
    for path in paths:
        text = path.read_text(encoding="utf-8")
        lines += text.count("\n")
        remarks += comments(text)
        for function in functions(ast.parse(text)):
            all_functions += 1
            generic += bool(generic_locals(function))
    return Figures(lines, all_functions, generic, remarks)


def main() -> None:
    """Print findings and figures."""
    paths = sources([Path(a).resolve() for a in sys.argv[1:]])
    for path in paths:
        for finding in findings(path):
            print(finding)
    counted = figures(paths)
    print(
        f"{counted.lines} lines, {counted.functions} functions, {counted.generic} ({counted.generic_share:.1%}) "
        f"with generic locals, {counted.comments_per_hundred:.1f} comments per 100 lines"
    )


if __name__ == "__main__":
    main()
