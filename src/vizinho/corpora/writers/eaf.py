"""Writes ELAN files: a tier for each kind of span, below it one with the confidences."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from vizinho.corpora.documents import Document, Tier
from vizinho.corpora.writers.spans import confidence_text, layers, relative

_MIME = {".wav": "audio/x-wav", ".mp4": "video/mp4", ".mpg": "video/mpeg"}


def write_eaf(document: Document) -> str:
    """The text of an ELAN file (extra `field`). Spans that overlap others of their tier go to a further tier."""
    from pympi.Elan import Eaf, to_adocument

    eaf = Eaf(author="vizinho")
    eaf.remove_tier("default")
    eaf.add_linguistic_type("confidence", "Symbolic_Association", timealignable=False)
    for media in document.media:
        path = Path(media.name)
        mime = _MIME.get(path.suffix.lower(), "unknown")
        eaf.add_linked_file(path.absolute().as_uri(), f"./{relative(media.name, document)}", mime)
    for tier in document.tiers:
        for layer in layers(tier):
            _add(eaf, layer)
    root = to_adocument(eaf)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add(eaf: Any, tier: Tier) -> None:
    # Words are not below their segments: pympi cannot read confidences below a tier with times that has a parent.
    eaf.add_tier(tier.name, part=tier.speaker or None)
    below = f"confidence@{tier.name}"
    if any(span.confidence is not None for span in tier.spans):
        eaf.add_tier(below, ling="confidence", parent=tier.name, part=tier.speaker or None)
    for span in tier.spans:
        start, end = round(span.start_seconds * 1000), round(span.end_seconds * 1000)
        eaf.add_annotation(tier.name, start, max(end, start + 1), span.text)
        if span.confidence is not None:
            # Not add_ref_annotation: it looks for the parent among all annotations, each time.
            annotation_id = eaf.generate_annotation_id()
            eaf.annotations[annotation_id] = below
            parent_id = next(reversed(eaf.tiers[tier.name][0]))
            eaf.tiers[below][1][annotation_id] = (parent_id, confidence_text(span), None, None)
