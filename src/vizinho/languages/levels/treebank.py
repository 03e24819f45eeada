"""Dependency treebanks in CoNLL-U (universaldependencies.org/format.html): read, checked, malformed lines named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from conllu.exceptions import ParseException
from conllu.parser import DEFAULT_FIELD_PARSERS, DEFAULT_FIELDS, parse_comment_line, parse_line

from vizinho.errors import CorpusError
from vizinho.languages.sources import TextSources
from vizinho.text.language import Language

_PARSERS = {name: DEFAULT_FIELD_PARSERS[name] for name in ("id", "head")}
_COLUMNS = len(DEFAULT_FIELDS)


@dataclass(frozen=True, slots=True)
class Node:
    """A syntactic word. `head` counts from 1 within the sentence; 0 is the root."""

    form: str
    upos: str
    head: int
    relation: str
    """Universal relation, without a subtype: "acl", not "acl:relcl"."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A tree: `id` pairs it with its translations in parallel treebanks."""

    id: str
    text: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Treebank:
    """Sentences of one file, and what was left out of it ("FILE:LINE: reason")."""

    name: str
    sentences: tuple[Sentence, ...]
    skipped: tuple[str, ...]


def treebank_of(language: Language, texts: TextSources) -> Treebank | None:
    """The treebank of a language from `texts`, else the small built-in one, else None. Raises CorpusError."""
    path = texts.treebank(language)
    return read_treebank(path) if path is not None else built_in(language.base)


def read_treebank(path: Path) -> Treebank:
    """Read a CoNLL-U file; a malformed sentence is left out and its line named. Raises CorpusError if none is left."""
    try:
        return _read(path.resolve(), path.stat().st_mtime_ns)  # the levels of spelling and syntax share what is read
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"cannot read the treebank ({error})", where=path, fix="give a CoNLL-U file") from error


@cache
def built_in(language: str) -> Treebank | None:
    """The small treebank that comes with the package: parallel sentences in Spanish, Portuguese and English."""
    file = resources.files("vizinho.languages.levels") / "minibank" / f"{language}.conllu"
    return parse_treebank(file.read_text(encoding="utf-8"), f"built-in {language}") if file.is_file() else None


@lru_cache(maxsize=16)
def _read(path: Path, _written: int) -> Treebank:
    return parse_treebank(path.read_text(encoding="utf-8-sig"), path.name)


def parse_treebank(text: str, name: str) -> Treebank:
    """Read CoNLL-U; `name` is used in errors. Words in several parts count as their parts, empty nodes are dropped."""
    sentences: list[Sentence] = []
    skipped: list[str] = []
    for block in _blocks(text):
        try:
            sentences.append(_sentence(block))
        except _MalformedError as error:
            skipped.append(f"{name}:{error.line}: {error}")
    if not sentences:
        first = f"; the first fault: {skipped[0]}" if skipped else ""
        fix = "give a file in CoNLL-U format: ten columns with tabs between them"
        raise CorpusError(f"no sentence could be read{first}", where=name, fix=fix)
    return Treebank(name, tuple(sentences), tuple(skipped))


class _MalformedError(ValueError):
    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


def _blocks(text: str) -> Iterator[list[tuple[int, str]]]:
    """Numbered lines of each sentence: blank lines lie between; comments alone are no sentence."""
    block: list[tuple[int, str]] = []
    # Not splitlines: a word may hold a line separator of Unicode, which ends no line of a treebank.
    for number, line in enumerate([*text.replace("\r\n", "\n").split("\n"), ""], 1):
        if line.strip():
            block.append((number, line))
            continue
        if any(not row.startswith("#") for _, row in block):
            yield block
        block = []


def _sentence(block: list[tuple[int, str]]) -> Sentence:
    comments: dict[str, str] = {}
    nodes: list[Node] = []
    lines: list[int] = []
    for number, line in block:
        if line.startswith("#"):
            comments.update((key, value) for key, value in parse_comment_line(line) if value is not None)
            continue
        token = _token(line, number)
        if not isinstance(token["id"], int):  # 4-5 (a word in parts) or 4.1 (an empty node)
            continue
        if token["id"] != len(nodes) + 1:
            raise _MalformedError(f"word {token['id']} where {len(nodes) + 1} was expected", number)
        nodes.append(_node(token, number))
        lines.append(number)
    if not nodes:
        raise _MalformedError("a sentence without words", block[0][0])
    _check_tree(nodes, lines)
    text = comments.get("text") or " ".join(node.form for node in nodes)
    return Sentence(comments.get("sent_id", ""), text, tuple(nodes))


def _token(line: str, number: int) -> Any:
    # conllu reads lines with fewer columns; a lost tab would move the head into another column unseen.
    columns = line.count("\t") + 1
    if columns != _COLUMNS:
        raise _MalformedError(f"{columns} columns, not {_COLUMNS}", number)
    try:
        return parse_line(line, DEFAULT_FIELDS, dict(_PARSERS))
    except ParseException as error:
        raise _MalformedError(str(error).rstrip("."), number) from error


def _node(token: Any, number: int) -> Node:
    for field in ("upos", "deprel", "head"):
        if token[field] in (None, "", "_"):
            raise _MalformedError(f"word {token['id']} ({token['form']!r}) has no {field}", number)
    return Node(str(token["form"]), str(token["upos"]), int(token["head"]), str(token["deprel"]).split(":")[0])


def _check_tree(nodes: list[Node], lines: list[int]) -> None:
    """Raises where the heads make no tree: out of range, several roots or none, or a circle."""
    for node, number in zip(nodes, lines, strict=True):
        if not 0 <= node.head <= len(nodes):
            raise _MalformedError(f"{node.form!r} has head {node.head} in a sentence of {len(nodes)} words", number)
    # Exactly one root and no circle make the heads a tree.
    roots = [i for i, node in enumerate(nodes) if node.head == 0]
    if len(roots) != 1:
        raise _MalformedError(f"{len(roots)} roots, not 1", lines[roots[1] if roots else 0])
    reaches_root = {0}  # words whose heads lead to the root, as far as they have been followed
    for start in range(1, len(nodes) + 1):
        trail: list[int] = []
        place = start
        while place not in reaches_root:
            if place in trail:
                raise _MalformedError(f"{nodes[place - 1].form!r} is in a circle of heads", lines[place - 1])
            trail.append(place)
            place = nodes[place - 1].head
        reaches_root.update(trail)
