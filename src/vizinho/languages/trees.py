"""Dependency trees as drawings, by displaCy in its manual mode: no trained pipeline is needed."""

from __future__ import annotations

import html
import zlib
from collections.abc import Sequence

from vizinho.languages.treebank import Node

_OPTIONS = {
    "compact": True,
    "color": "currentColor",
    "bg": "transparent",
    "font": "inherit",
    "distance": 96,
    "word_spacing": 28,
    "offset_x": 48,
}


def draw_tree(nodes: Sequence[Node], place: str = "") -> str:
    """One tree as an SVG element that takes its colours from the page around it; the same tree, the same text.

    `place` keeps the ids of two drawings of the same words apart on one page.
    """
    from spacy.displacy import DependencyRenderer

    # displaCy escapes words but neither tags nor labels, which come from a file too.
    words = [{"text": node.form, "tag": html.escape(node.upos)} for node in nodes]
    arcs = [
        {
            "start": min(position, node.head - 1),
            "end": max(position, node.head - 1),
            "label": html.escape(node.relation),
            "dir": "left" if position < node.head - 1 else "right",
        }
        for position, node in enumerate(nodes)
        if node.head
    ]
    name = f"tree-{zlib.crc32(repr((place, nodes)).encode()):08x}"
    drawing: str = DependencyRenderer(_OPTIONS).render_svg(name, words, arcs)
    spoken = html.escape("Dependency tree: " + " ".join(node.form for node in nodes), quote=True)
    return drawing.replace("<svg ", f'<svg role="img" aria-label="{spoken}" ', 1)
