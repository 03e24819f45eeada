"""Sentences with their topic and document: read from a table, and split so that no document is on two sides."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vizinho.errors import TextError

LEAST_DOCUMENTS = 3
"""Documents a topic needs to be on all three sides."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One sentence, its topic and its document."""

    topic: str
    document: str
    text: str


@dataclass(frozen=True, slots=True)
class DocumentSplit:
    """Names of the documents to learn from, to choose on and to report on."""

    train: frozenset[str]
    dev: frozenset[str]
    test: frozenset[str]
    left_out: tuple[str, ...]
    """Topics of fewer than LEAST_DOCUMENTS documents; their documents are on no side."""

    def of(self, examples: Iterable[Labelled], side: str) -> list[Labelled]:
        """The examples of one side: "train", "dev" or "test"."""
        documents: frozenset[str] = getattr(self, side)
        return [e for e in examples if e.document in documents]


def read_topics(path: Path) -> list[Labelled]:
    """Sentences from lines "topic, tab, document, tab, sentence".

    Raises TextError for a missing file, a line of other columns or an empty cell (naming it), and a file without lines.
    """
    if not path.is_file():
        raise TextError("no such table of topics", where=path, fix="check the path")
    examples = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != 3 or not all(cells):
            where = f"{path}:{number}"
            raise TextError("not topic, document and sentence, separated by tabs", where=where, fix="correct the line")
        examples.append(Labelled(*cells))
    if not examples:
        raise TextError("the table of topics is empty", where=path, fix="give lines of topic, document and sentence")
    return examples


def split_documents(
    examples: Iterable[Labelled], *, dev: float = 0.15, test: float = 0.25, seed: int = 1
) -> DocumentSplit:
    """Put every document on one side, within each topic by a hash of its name.

    Give the examples of all languages together: a document that exists in several is then on one side in all of them.
    Every topic gets at least one document on each side; topics of fewer than three documents are left out and named.
    A document with two topics follows its first one. Raises TextError for shares that leave nothing to learn from.
    """
    if not (dev > 0 and test > 0 and dev + test < 1):
        raise TextError(f"shares of {dev} and {test}", where="split", fix="use shares above 0 that leave some to train")
    topic_of: dict[str, str] = {}
    for example in examples:
        topic_of.setdefault(example.document, example.topic)
    documents: dict[str, list[str]] = defaultdict(list)
    for document, topic in topic_of.items():
        documents[topic].append(document)
    sides: tuple[set[str], set[str], set[str]] = (set(), set(), set())
    left_out = []
    for topic, names in documents.items():
        if len(names) < LEAST_DOCUMENTS:
            left_out.append(topic)
            continue
        # By hash and not by a shuffle: a document that is added later hardly moves any other.
        order = sorted(names, key=lambda name: hashlib.sha256(f"{seed}\t{name}".encode()).digest())
        tested, chosen_on = max(1, round(test * len(order))), max(1, round(dev * len(order)))
        sides[2].update(order[:tested])
        sides[1].update(order[tested : tested + chosen_on])
        sides[0].update(order[tested + chosen_on :])
    return DocumentSplit(frozenset(sides[0]), frozenset(sides[1]), frozenset(sides[2]), tuple(sorted(left_out)))


def topics_of(examples: Sequence[Labelled]) -> tuple[str, ...]:
    """The topics there are, in alphabetical order."""
    return tuple(sorted({e.topic for e in examples}))


def read_transcripts(content: str, name: str) -> list[tuple[str, str]]:
    """(id, text) of each transcript in the JSON of `vizinho transcribe`; plain text is one transcript called `name`.

    Raises TextError for JSON of another form.
    """
    if not content.lstrip().startswith("{"):
        return [(name, content)]
    try:
        values = json.loads(content)
        return [(str(t["id"]), str(t["text"])) for t in values["transcripts"]]
    except ValueError:  # a text that happens to begin with a brace
        return [(name, content)]
    except (KeyError, TypeError) as error:
        fix = "give what `vizinho transcribe --json` prints"
        raise TextError("JSON, but without transcripts of id and text", where=name, fix=fix) from error
