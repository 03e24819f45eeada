"""Dependency trees as drawings, by displaCy in its manual mode: no trained pipeline is needed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from vizinho.languages.treebank import Node

_OPTIONS = {"compact": True, "color": "currentColor", "bg": "transparent", "distance": 96, "word_spacing": 28}


def draw_trees(nodes: Sequence[Node]) -> str:
    """One tree as an SVG element that takes its colour from the page around it."""
    from spacy import displacy

    drawing: str = displacy.render(_document(nodes), style="dep", manual=True, options=_OPTIONS, jupyter=False)
    return drawing


def _document(nodes: Sequence[Node]) -> dict[str, Any]:
    """What displaCy draws; it does not escape what it is given in manual mode."""
    arcs = []
    for position, node in enumerate(nodes):
        if node.head:
            head = node.head - 1
            start, end = sorted((position, head))
            arcs.append(
                {
                    "start": start,
                    "end": end,
                    "label": escape(node.relation),
                    "dir": "left" if position < head else "right",
                }
            )
    return {"words": [{"text": escape(node.form), "tag": escape(node.upos)} for node in nodes], "arcs": arcs}
