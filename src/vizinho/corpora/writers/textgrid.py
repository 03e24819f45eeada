"""Writes Praat TextGrids: a tier for each kind of span, beside it one with the confidences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from vizinho.corpora.documents import Document, Span, Tier
from vizinho.corpora.writers.spans import confidence_text, duration_of, layers, name_with_speaker


def write_textgrid(document: Document) -> str:
    """The text of a TextGrid as a long text file (extra `field`)."""
    from praatio.data_classes.interval_tier import IntervalTier
    from praatio.textgrid import Textgrid

    seconds = duration_of(document.tiers, document.duration_seconds)
    grid = Textgrid(0, seconds)
    tiers = (replace(tier, name=name_with_speaker(tier)) for tier in document.tiers)
    for layer in (layer for tier in tiers for layer in layers(tier)):
        for name, entries in _entries(layer):
            grid.addTier(IntervalTier(name, entries, 0, seconds))
    with TemporaryDirectory() as folder:  # praatio writes files only
        path = Path(folder) / "document.TextGrid"
        # Without a least length: praatio would give short words to their neighbours.
        grid.save(str(path), "long_textgrid", includeBlankSpaces=True, minimumIntervalLength=None)
        return path.read_text(encoding="utf-8")


def _entries(tier: Tier) -> Iterator[tuple[str, list[tuple[float, float, str]]]]:
    yield tier.name, [(*_times(span), span.text) for span in tier.spans]
    if any(span.confidence is not None for span in tier.spans):
        yield f"confidence of {tier.name}", [(*_times(span), confidence_text(span)) for span in tier.spans]


def _times(span: Span) -> tuple[float, float]:
    return round(span.start_seconds, 4), round(span.end_seconds, 4)
