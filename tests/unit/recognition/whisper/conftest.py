"""Tiny models with a decoder, made once, and a home that keeps their conversions."""

import os
from pathlib import Path

import pytest
from tiny_whisper import save, tiny_model, tiny_tokenizer, tiny_whisper
from whispers import brief


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A home for all tests, so that each model is converted once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _home(home, monkeypatch):
    monkeypatch.setenv("VIZINHO_HOME", str(home))


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Folders with their networks and tokenisers; the last has a language of its own after the timestamps."""
    result = []
    for seed, late in ((0, ()), (3, ()), (4, ("ast",))):
        tokenizer = tiny_tokenizer(late=late)
        model = brief(tokenizer, seed) if seed == 0 else tiny_model(tokenizer, seed)
        folder = tmp_path_factory.mktemp("tiny")
        result.append((save(folder, model, tokenizer, language="ast" if late else "pt"), model, tokenizer))
    return result


@pytest.fixture(scope="session")
def loops(tmp_path_factory):
    """A network that repeats itself without end."""
    return tiny_whisper(tmp_path_factory.mktemp("loops"), seed=5, scale=2.0, language="pt")


@pytest.fixture(scope="session")
def whisper():
    folder = os.environ.get("VIZINHO_WHISPER")
    if not folder:
        pytest.skip("set VIZINHO_WHISPER to the folder that ../shared/donors/whisper_base.py writes")
    return Path(folder)
