"""The writers of time-aligned transcripts by name, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable

from vizinho.corpora.documents import Document
from vizinho.corpora.writers.audacity import write_audacity
from vizinho.corpora.writers.eaf import write_eaf
from vizinho.corpora.writers.label_studio import write_label_studio
from vizinho.corpora.writers.textgrid import write_textgrid

WRITERS: dict[str, tuple[str, Callable[[Document], str]]] = {
    "eaf": (".eaf", write_eaf),
    "textgrid": (".TextGrid", write_textgrid),
    "audacity": (".labels.txt", write_audacity),
    "label-studio": (".label-studio.json", write_label_studio),
}
"""Format to the suffix of its files, and a function that gives the text of one."""
