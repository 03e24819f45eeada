import shutil
from pathlib import Path

import pytest
from donor_zoo import parakeet_encoder
from nemo_archive import ARCHIVE

from vizinho.errors import StoreError
from vizinho.store.hub import fetch
from vizinho.store.store import Store, is_hub_id

REVISION = "0" * 40


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The hub's cache, without a network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def cached(cache: Path, hub_id: str) -> Path:
    """Where the hub's client keeps a model's files."""
    place = cache / f"models--{hub_id.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(REVISION)
    return place / "snapshots" / REVISION


def test_a_cached_model_is_a_folder_like_any_other(cache):
    folder = parakeet_encoder(cached(cache, "somebody/encoder"))
    assert fetch("somebody/encoder") == folder
    assert Store().resolve("somebody/encoder") == folder


def test_where_there_is_nothing_else_the_nemo_archive_is_taken(cache):
    folder = cached(cache, "somebody/fastconformer")
    folder.mkdir(parents=True)
    shutil.copy(ARCHIVE, folder)
    assert Store().resolve("somebody/fastconformer") == folder / ARCHIVE.name


def test_without_a_network_the_error_says_so(cache):
    with pytest.raises(
        StoreError, match=r"somebody/absent: not in the store, no folder here, and the hub says: .*cache"
    ):
        Store().resolve("somebody/absent")


def test_a_model_without_weights_is_named(cache):
    folder = cached(cache, "somebody/readme")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    with pytest.raises(StoreError, match="no weights that can be read"):
        fetch("somebody/readme")


def test_what_looks_like_a_path_is_none_of_the_hubs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "mine").mkdir(parents=True)
    assert not is_hub_id("models/mine")
    assert not any(map(is_hub_id, ("es", "es@1", "./es/1", "/models/es", "../es", "a/b/c")))
    assert is_hub_id("facebook/mms-1b-all")
