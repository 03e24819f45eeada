"""Writes tasks for Label Studio: regions with their texts, speakers and confidences."""

from __future__ import annotations

import json
from typing import Any

from vizinho.corpora.documents import Document, Span, Tier
from vizinho.corpora.writers.spans import duration_of, printable, relative


def write_label_studio(document: Document) -> str:
    """A list with one task. Spans with confidences are predictions, which people correct; others are annotations.

    The labelling interface needs `<Audio name="audio" value="$audio"/>`, `<Labels name="labels" toName="audio">` and
    `<TextArea name="transcription" toName="audio" perRegion="true"/>`.
    """
    result: list[dict[str, Any]] = []
    spans = [(span, tier) for tier in document.tiers if not tier.parent for span in tier.spans]
    for number, (span, tier) in enumerate(spans, start=1):
        result += _region(span, tier, f"r{number}", duration_of(document.tiers, document.duration_seconds))
    sure = [span.confidence for span, _ in spans if span.confidence is not None]
    whole = {"result": result} | ({"score": round(sum(sure) / len(sure), 4)} if sure else {})
    audio = relative(document.media[0].name, document) if document.media else document.path.name
    task = {"data": {"audio": audio}, "predictions" if sure else "annotations": [whole]}
    return json.dumps([task], ensure_ascii=False, indent=1) + "\n"


def _region(span: Span, tier: Tier, region_id: str, seconds: float) -> list[dict[str, Any]]:
    place = {"start": round(span.start_seconds, 4), "end": round(span.end_seconds, 4), "channel": span.channel or 0}
    common = {"id": region_id, "to_name": "audio", "original_length": seconds}
    if span.confidence is not None:
        common["score"] = round(span.confidence, 4)
    label = span.speaker or tier.speaker or "Speech"
    return [
        common | {"from_name": "labels", "type": "labels", "value": place | {"labels": [label]}},
        common | {"from_name": "transcription", "type": "textarea", "value": place | {"text": [printable(span.text)]}},
    ]
