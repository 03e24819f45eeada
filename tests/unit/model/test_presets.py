"""What a folder's configuration says before its weights are opened."""

import json

import pytest

from vizinho.errors import ModelError, SpecError
from vizinho.model.presets import PRESETS, check_preset, donor_kind
from vizinho.store.store import BUNDLED


@pytest.mark.parametrize(
    ("classes", "has"),
    [
        (["ParakeetForCTC"], True),
        (["Wav2Vec2ForCTC"], True),
        (["WhisperForConditionalGeneration"], False),
        (["HubertModel"], False),
        (None, True),
    ],
)
def test_a_pretrained_encoder_has_no_output_layer(tmp_path, classes, has):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": classes}))
    assert (donor_kind(tmp_path) == "recogniser") is has
    assert donor_kind(tmp_path / "model.nemo") == "recogniser"


def test_a_preset_must_be_the_donors(tmp_path):
    check_preset(BUNDLED / "es-demo" / "2", "tiny")
    with pytest.raises(SpecError, match=f"preset small has {PRESETS['small'].hidden}"):
        check_preset(BUNDLED / "es-demo" / "2", "small")
    with pytest.raises(SpecError, match="unknown preset 'huge'"):
        check_preset(BUNDLED / "es-demo" / "2", "huge")


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b""])
def test_a_broken_configuration_is_named(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"config\.json: not (JSON|a JSON object)"):
        donor_kind(tmp_path)
    with pytest.raises(ModelError, match=r"config\.json: not (JSON|a JSON object)"):
        check_preset(tmp_path, "tiny")


@pytest.mark.parametrize("values", [{"architectures": 5}, {"architectures": [None]}, {"encoder_config": []}])
def test_strange_values_in_a_configuration_are_no_surprise(tmp_path, values):
    (tmp_path / "config.json").write_text(json.dumps(values))
    assert (donor_kind(tmp_path) == "recogniser") is ("architectures" not in values or values["architectures"] == 5)
    with pytest.raises(SpecError, match="the donor has width None"):
        check_preset(tmp_path, "tiny")
