"""Writes label tracks of Audacity: start, end and text, with the confidence behind the text."""

from __future__ import annotations

from vizinho.corpora.documents import Document
from vizinho.corpora.writers.spans import confidence_text, printable


def write_audacity(document: Document) -> str:
    """The labels of the tiers that depend on no other, in the order of time.

    Audacity has neither tiers nor speakers: a speaker is written before the text, a confidence behind it in square
    brackets ("Ana: bom dia [0.93]").
    """
    tiers = [tier for tier in document.tiers if not tier.parent]
    spans = sorted(((s, t) for t in tiers for s in t.spans), key=lambda st: (st[0].start_seconds, st[0].end_seconds))
    lines = []
    for span, tier in spans:
        speaker = span.speaker or tier.speaker
        sure = confidence_text(span)
        text = f"{speaker}: {span.text}" if speaker else span.text
        label = printable(f"{text} [{sure}]" if sure else text)
        lines.append(f"{span.start_seconds:.6f}\t{span.end_seconds:.6f}\t{label}\n")
    return "".join(lines)
