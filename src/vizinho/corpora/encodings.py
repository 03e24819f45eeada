"""Turns files of unknown encoding into text with line numbers, and XML into elements with line numbers."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from vizinho.errors import CorpusError, OnProblem, SpecError

UNREADABLE = "\ufffd"
"""Stands for bytes that are not in the file's encoding; readers report the rows that have it."""
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path, encoding: str = "") -> str:
    """The text of a file: UTF-16 by its byte order mark, otherwise UTF-8 line by line.

    Lines that are not UTF-8 are read in `encoding`; without one, or where it does not fit, their bytes become
    UNREADABLE. Line ends become "\\n". Raises CorpusError for a file that cannot be opened.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"cannot read the file ({error.strerror})", where=path, fix="check the path") from error
    return decoded(data, encoding)


def decoded(data: bytes, encoding: str = "") -> str:
    """The text of a file's bytes, as `read_text` reads it."""
    if data.startswith(_UTF16):
        text = data.decode("utf-16", errors="replace")
    else:
        # Line by line: files that two programs wrote have lines of both encodings.
        lines = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
        text = "\n".join(_decoded(line, encoding) for line in lines)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_encoding(name: str) -> None:
    """Raise SpecError for an encoding that nobody knows; empty is UTF-8."""
    try:
        "".encode(name or "utf-8")
    except (LookupError, ValueError) as error:  # a name may hold a zero byte
        raise SpecError(f"unknown encoding {name!r}", where="--encoding", fix="such as cp1252") from error


def _decoded(line: bytes, encoding: str) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode(encoding or "utf-8", errors="replace")


@dataclass(slots=True)
class Element:
    """An XML element. `line` is that of its start tag; `tail` is the text between its end and what follows it."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[Element] = field(default_factory=list)
    text: str = ""
    tail: str = ""

    def get(self, name: str) -> str:
        """An attribute, "" where it is missing."""
        return self.attributes.get(name, "")

    def all(self, tag: str) -> Iterator[Element]:
        """Elements of that name, at any depth, in the order of the file."""
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.all(tag)


def read_xml(path: Path, on_problem: OnProblem, encoding: str = "") -> Element:
    """The elements of an XML file, under a root without a name; of a broken one those before the fault.

    A broken file is reported with its line. Raises CorpusError where entities are defined, which could unfold to
    gigabytes.
    """
    # Not pympi or ElementTree: they give no line numbers, and nothing of a file that is broken at its end.
    root = Element("", {}, 0)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    open_elements = [root]

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, parser.CurrentLineNumber)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(_tag: str) -> None:
        open_elements.pop()

    def text(data: str) -> None:
        parent = open_elements[-1]
        if parent.children:
            parent.children[-1].tail += data
        else:
            parent.text += data

    def entity(name: str, *_: object) -> None:
        raise CorpusError(f"defines the entity {name!r}", where=path, fix="save the file again in its own program")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = text, entity
    try:
        parser.Parse(_xml_text(path, encoding), True)
    except expat.ExpatError as error:
        what = f"broken XML ({expat.ErrorString(error.code)}); what comes before this line is read"
        on_problem(CorpusError(what, where=f"{path}:{error.lineno}", fix="open and save it in its own program"))
        _drop_unfinished(open_elements)
    return root


def _drop_unfinished(open_elements: list[Element]) -> None:
    """Remove the innermost element that was open at a fault with those around it that have nothing else.

    It stays where the fault is between its elements: then all that it has is whole.
    """
    inside = open_elements[-1].children
    if inside and not inside[-1].tail.strip():
        return
    for parent in open_elements[-2::-1]:
        parent.children.pop()  # an open element is the last child of its parent
        if parent.children:
            return


def _xml_text(path: Path, encoding: str) -> str:
    """Text in the encoding that the file declares; expat is told that it is Unicode."""
    try:
        with path.open("rb") as file:
            head = file.read(200)
    except OSError as error:
        raise CorpusError(f"cannot read the file ({error.strerror})", where=path, fix="check the path") from error
    declared = re.match(rb"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)", head.removeprefix(codecs.BOM_UTF8))
    name = declared[1].decode().lower() if declared else "utf-8"
    if name.startswith("utf") or head.startswith(_UTF16):
        return read_text(path, encoding)
    try:
        return path.read_bytes().decode(name, errors="replace")
    except LookupError as error:
        raise CorpusError(f"unknown encoding {name!r}", where=path, fix="save the file as UTF-8") from error
