"""vizinho: a language's first speech recogniser, starting from its neighbour's."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def compare(target: str, donors: list[str], *arguments: Any, **options: Any) -> Any:
    """Compare a target language with donors: see `vizinho.languages.compare.compare`, imported when first called."""
    from vizinho.languages.compare import compare as compare_languages

    return compare_languages(target, donors, *arguments, **options)
