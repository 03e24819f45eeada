"""Shared fixtures: one torch thread, a store of its own for every test, the recordings beside the project."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("vizinho", deadline=None)  # time limits do not belong in tests: machines are busy
settings.load_profile("vizinho")


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("VIZINHO_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = Path(os.environ.get("VIZINHO_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "speech").is_dir():
        pytest.skip(f"no recordings at {folder}; set VIZINHO_SHARED")
    return folder
