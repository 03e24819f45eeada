"""Which optional extra brings a package that is not installed."""

from __future__ import annotations

EXTRAS = {
    "serve": ("fastapi", "starlette", "uvicorn", "h11", "python_multipart", "websockets", "prometheus_client"),
    "compare": ("conllu", "sklearn", "spacy", "jinja2", "matplotlib"),
    "text": ("gensim",),
    "lhotse": ("lhotse",),
    "tensorboard": ("tensorboard",),
    "media": ("av",),
    "streams": ("datasets",),
    "speak": ("espeakng_loader",),
    "voices": ("parselmouth",),
    "ray": ("ray",),
}
"""Import names of what each extra of pyproject.toml brings; the first extra that has a module is the one to name."""


def extra_of(module: str) -> str | None:
    """The extra that brings a module; None for one that the base brings or nobody knows."""
    package = module.partition(".")[0]
    return next((extra for extra, packages in EXTRAS.items() if package in packages), None)
