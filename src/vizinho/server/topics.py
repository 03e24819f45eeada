"""Topics of a transcript, where a classifier is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from vizinho.errors import SpecError

Classify = Callable[[str], Sequence[tuple[str, float]]]
"""Text to topics with probabilities, the most likely first."""

_MODULE = "vizinho.understanding.classifier"
"""Looked for when it is needed: a server without topics does without it."""


def load_classifier(folder: Path | None) -> Classify | None:
    """The classifier in a folder; None where none was asked for.

    Raises VizinhoError for a folder that holds no classifier, or where this installation has no classifiers.
    """
    if folder is None:
        return None
    try:
        module = importlib.import_module(_MODULE)
    except ModuleNotFoundError as error:
        raise SpecError("this installation has no classifiers of topics", where=str(folder)) from error
    classify: Classify = module.load_classifier(folder).classify
    return classify
