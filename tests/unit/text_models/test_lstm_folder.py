import json

import pytest
import torch
from grammar import FORWARD, TWO_WAY, fresh, sentences
from safetensors.torch import save_file

from vizinho.errors import ModelError
from vizinho.text_models.lstm_folder import load_model, read_card, save_model
from vizinho.text_models.lstm_scores import sentence_scores


@pytest.mark.parametrize("shape", [FORWARD, TWO_WAY])
def test_a_saved_model_comes_back_the_same(shape, tmp_path):
    trained = fresh(shape)
    save_model(tmp_path / "m", trained, {"language": "pt"})
    again = load_model(tmp_path / "m")
    assert (again.words, again.characters, again.letters) == (trained.words, trained.characters, trained.letters)
    ours, theirs = (sentence_scores(t.model, t.words, t.characters, sentences(5)) for t in (trained, again))
    assert (ours == theirs).all()
    assert len(read_card(tmp_path / "m")["sha256"]["model.safetensors"]) == 64


def test_foreign_and_broken_folders_are_named(tmp_path):
    with pytest.raises(ModelError, match="no such folder"):
        load_model(tmp_path / "none")
    folder = tmp_path / "m"
    folder.mkdir()
    with pytest.raises(ModelError, match=r"has no config\.json"):
        load_model(folder)
    (folder / "config.json").write_text('{"model_type": "parakeet_ctc"}')
    with pytest.raises(ModelError, match="no language model that vizinho wrote"):
        load_model(folder)
    save_model(folder, fresh(), {})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architecture": {"width": 3}}))
    with pytest.raises(ModelError, match="does not describe a model"):
        load_model(folder)


@pytest.mark.parametrize("damage", ["gone", "cut", "other"])
def test_damaged_weights_are_named(damage, tmp_path):
    save_model(tmp_path, fresh(), {})
    path = tmp_path / "model.safetensors"
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    else:
        save_file({"words.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(ModelError, match=r"has no model\.safetensors|damaged|another shape"):
        load_model(tmp_path)
