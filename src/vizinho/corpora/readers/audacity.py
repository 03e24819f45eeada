"""Reads label tracks of Audacity: lines of start, end and text between tabs."""

from __future__ import annotations

import re
from pathlib import Path

from vizinho.corpora.documents import Document, Span, Tier
from vizinho.corpora.encodings import read_text
from vizinho.corpora.readers.base import split_fields
from vizinho.errors import CorpusError, OnProblem

_NUMBER = r"(-?\d+(?:[.,]\d+)?)"
_LABEL = re.compile(rf"\s*{_NUMBER}\t{_NUMBER}(?:\t(.*))?$")
_SPACED = re.compile(r"\s*(-?\d+[.,]\d+)[ \t]+(-?\d+[.,]\d+)(?:[ \t]+(.*))?$")
"""A label whose tabs an editor made spaces of: both times then need decimals, since a text may begin with numbers."""
_CONFIDENCE = re.compile(r"\s*\[([01]\.\d+)\]$")
"""How vizinho writes a confidence behind a text."""


def is_audacity(path: Path) -> bool:
    """Whether a text file begins with a label."""
    with path.open("rb") as file:
        line = file.readline(1000).decode("utf-8", errors="replace").lstrip("\ufeff").rstrip("\r\n")
    return bool(_LABEL.match(line) or _SPACED.match(line))


def parse_audacity(path: Path, encoding: str, on_problem: OnProblem) -> Document:
    """The labels of one file as one tier. Lines that are no labels are reported."""
    spans = []
    for number, line in enumerate(read_text(path, encoding).split("\n"), start=1):
        if not line.strip() or line.startswith("\\"):  # \ and two frequencies, below a label of a spectral selection
            continue
        label = _LABEL.match(line) or _SPACED.match(line)
        if label is None:
            what = f"not start, end and text between tabs: {line[:60]!r}"
            on_problem(CorpusError(what, where=f"{path}:{number}", fix="export the labels again"))
            continue
        start, end = (float(label[n].replace(",", ".")) for n in (1, 2))
        text = split_fields(label[3] or "", "\t")[0]
        confidence = _CONFIDENCE.search(text)
        sure = float(confidence[1]) if confidence else None
        spans.append(Span(start, end, _CONFIDENCE.sub("", text).strip(), number, confidence=sure))
    return Document(path, (Tier("labels", tuple(spans)),))
