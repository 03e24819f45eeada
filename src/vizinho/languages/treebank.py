"""Dependency treebanks in CoNLL-U (universaldependencies.org/format): read, checked, malformed sentences named."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import conllu
from conllu.exceptions import ParseException

from vizinho.errors import CorpusError
from vizinho.languages.variants import TextSources, Variant

MOST_NAMED = 5
"""Malformed sentences that are named one by one; the rest is counted."""


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


def treebank_of(variant: Variant, sources: TextSources) -> Treebank | None:
    """The treebank of a language from `sources`, else the small built-in one, else None."""
    path = sources.treebank(variant)
    if path is not None:
        return read_treebank(path)
    built_in = resources.files("vizinho.languages") / "minibank" / f"{variant.base}.conllu"
    return _parse(built_in.read_text(encoding="utf-8"), f"built-in {variant.base}") if built_in.is_file() else None


def read_treebank(path: Path) -> Treebank:
    """Read a CoNLL-U file; a malformed sentence is left out and named. Raises CorpusError when none is left."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"cannot read the treebank ({error})", where=path, fix="give a CoNLL-U file") from error
    return _parse(text, path.name)


@lru_cache(maxsize=16)
def _parse(text: str, name: str) -> Treebank:
    sentences: list[Sentence] = []
    skipped: list[str] = []
    line = 1
    for block in text.split("\n\n"):
        first = line + len(block) - len(block.lstrip("\n"))
        line += block.count("\n") + 2
        if not any(row and not row.startswith("#") for row in block.splitlines()):
            continue
        try:
            sentences.append(_sentence(block.strip("\n"), len(sentences) + 1))
        except (ParseException, ValueError, KeyError, TypeError) as error:
            skipped.append(f"{name}:{first}: {' '.join(str(error).split())[:120]}")
    if not sentences:
        raise CorpusError(
            f"no sentence could be read{'; the first: ' + skipped[0] if skipped else ''}",
            where=name,
            fix="give a file in CoNLL-U format: ten columns with tabs between them",
        )
    return Treebank(name, tuple(sentences), tuple(skipped))


def _sentence(block: str, number: int) -> Sentence:
    parsed = conllu.parse(block + "\n\n")
    if len(parsed) != 1:
        raise ValueError("not one sentence")
    words = [token for token in parsed[0] if isinstance(token["id"], int)]
    nodes = tuple(Node(str(t["form"]), str(t["upos"]), int(t["head"]), str(t["deprel"]).split(":")[0]) for t in words)
    if any(not 0 <= node.head <= len(nodes) for node in nodes) or not any(node.head == 0 for node in nodes):
        raise ValueError("a head is outside the sentence, or there is no root")
    if any(t["upos"] in (None, "_") or t["deprel"] in (None, "_") for t in words):
        raise ValueError("a word has no UPOS or no relation")
    meta = parsed[0].metadata
    return Sentence(meta.get("sent_id", str(number)), meta.get("text", " ".join(n.form for n in nodes)), nodes)
