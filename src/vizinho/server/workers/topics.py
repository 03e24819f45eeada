"""Topics of a transcript, where a classifier is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

Classify = Callable[[str], Sequence[tuple[str, float]]]
"""Text to topics with probabilities, the most likely first."""


def load_classifier(folder: Path | None) -> Classify | None:
    """The classifier in a folder written by `vizinho topics train`; None where none was asked for.

    Raises ModelError for a folder that holds no classifier.
    """
    if folder is None:
        return None
    from vizinho.text_models import topic_classifier as classifier

    return classifier.load_classifier(folder).classify
