"""Dependency trees as drawings, by displaCy in its manual mode: no trained pipeline is needed."""

from __future__ import annotations

import html
import zlib
from collections.abc import Sequence
from typing import Any

from vizinho.languages.levels.treebank import Node

_OPTIONS = {
    "compact": True, "color": "currentColor", "bg": "transparent", "font": "inherit", "word_spacing": 28,
    "offset_x": 48,
}  # fmt: skip
_LABEL_HEIGHT = 22
_LEAST_DISTANCE, _LETTER_WIDTH = 80, 10
"""Pixels between the middles of two words, and those that a letter of 16 pixels may take."""


def draw_tree(nodes: Sequence[Node], place: str = "") -> str:
    """One tree as an SVG element that takes its colours from the page around it; a tree is always the same text.

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
    # One page holds many drawings, whose arrows refer to ids of their own.
    name = f"tree-{zlib.crc32(repr((place, nodes)).encode()):08x}"
    longest = max(len(text) for node in nodes for text in (node.form, node.upos, node.relation))
    distance = max(_LEAST_DISTANCE, _LETTER_WIDTH * (longest + 1))
    renderer = DependencyRenderer(_OPTIONS | {"distance": distance})
    drawing: str = renderer.render_svg(name, words, arcs)
    spoken = html.escape("Dependency tree: " + " ".join(node.form for node in nodes), quote=True)
    drawing = drawing.replace("<svg ", f'<svg role="img" aria-label="{spoken}" ', 1)
    # Labels above their arcs: below, as displaCy has them, the next arc of a compact drawing runs through them.
    return _cropped(drawing.replace('dy="1.25em"', 'dy="-0.25em"'), renderer)


def _cropped(drawing: str, renderer: Any) -> str:
    """Without the empty space on top: compact arcs rise a third as high as displaCy leaves room for."""
    top = renderer.offset_y - renderer.highest_level * renderer.distance / 6 - _LABEL_HEIGHT
    if top <= 0:
        return drawing
    width, height, less = renderer.width, renderer.height, renderer.height - top
    size = f'width="{width}" height="{height}"'
    box = f'width="{width}" height="{less:g}" viewBox="0 {top:g} {width} {less:g}"'
    return drawing.replace(size, box, 1).replace(f"height: {height}px", f"height: {less:g}px", 1)
