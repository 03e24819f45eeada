"""What is particular to one kind of folder; what holds for all kinds stands in tests/contracts/test_donors.py."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import donor_zoo
import numpy as np
import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file
from tones import tone_speech

from vizinho.errors import ModelError
from vizinho.model.checkpoint import like, load_checkpoint, load_donor, save_checkpoint
from vizinho.model.networks import Checkpoint, weights
from vizinho.recognition.engines import TorchEngine
from vizinho.text.tokens import character_tokenizer

SAMPLES = tone_speech("abc de")


def with_weights(folder: Path, change) -> Path:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})
    return folder


def test_an_mms_adapter_is_that_of_the_language_asked_for(tmp_path):
    folder = donor_zoo.mms(tmp_path / "mms")
    spanish = load_donor(folder, "spa")
    assert "ñ" in spanish.inventory.letters
    assert "language adapter: spa; it has eng, spa" in spanish.notes
    official = hf.Wav2Vec2ForCTC.from_pretrained(folder)
    official.load_adapter("spa", local_files_only=True)
    theirs = weights(official)
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in spanish.weights().items())
    assert "ñ" not in load_donor(folder).inventory.letters
    with pytest.raises(ModelError, match="no adapter 'por' -> it has eng, spa"):
        load_donor(folder, "por")


def test_an_adapter_of_a_model_without_any_is_an_error(tmp_path):
    with pytest.raises(ModelError, match="no adapter 'spa' -> it has none"):
        load_donor(donor_zoo.RECOGNISERS["hubert group"](tmp_path / "hubert"), "spa")


def test_a_missing_mask_embedding_is_fresh_and_anything_else_missing_is_an_error(tmp_path):
    folder = donor_zoo.RECOGNISERS["wav2vec2 layer"](tmp_path / "model")
    donor = load_donor(with_weights(folder, lambda tensors: tensors.pop("wav2vec2.masked_spec_embed")))
    assert list(donor.lacking) == ["wav2vec2.masked_spec_embed"]
    assert "wav2vec2.masked_spec_embed" not in donor.weights()
    for name in ("wav2vec2.encoder.layers.1.final_layer_norm.bias", "lm_head.bias"):
        broken = Path(shutil.copytree(folder, tmp_path / name))
        with pytest.raises(ModelError, match=f"weights are missing: {name}"):
            load_donor(with_weights(broken, lambda tensors, name=name: tensors.pop(name)))


def test_weights_that_belong_nowhere_or_have_another_shape_are_errors(tmp_path):
    folder = donor_zoo.RECOGNISERS["wavlm"](tmp_path / "model")
    more = Path(shutil.copytree(folder, tmp_path / "more"))
    with pytest.raises(ModelError, match="weights have no place: stray"):
        load_donor(with_weights(more, lambda tensors: tensors.update(stray=torch.zeros(1))))
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    with pytest.raises(ModelError, match=r"another shape than config\.json says: lm_head\.bias"):
        load_donor(with_weights(other, lambda tensors: tensors.update({"lm_head.bias": torch.zeros(3)})))


def test_pretraining_layers_are_dropped_with_their_shapes(tmp_path):
    unused = load_donor(donor_zoo.ENCODERS["wav2vec2 pre-training"](tmp_path / "model")).unused
    assert {name.partition(".")[0] for name in unused} == {"quantizer", "project_q", "project_hid"}
    assert all(shape for shape, _ in unused.values())


def test_a_recogniser_is_asked_for_but_an_encoder_is_there(tmp_path):
    with pytest.raises(ModelError, match="an encoder without an output layer cannot write"):
        load_checkpoint(donor_zoo.ENCODERS["hubert encoder"](tmp_path / "model"))


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config.json", {"pad_token_id": 2}, "the blank is row 2, the tokeniser says 0"),
        ("config.json", {"model_type": "bert"}, "networks of type 'bert' are not known"),
        ("processor_config.json", None, r"the folder lacks preprocessor_config\.json"),
        ("vocab.json", {"x": 13}, "14 tokens do not fit 13 output rows, such as 'x'"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, file, changes, message):
    folder = donor_zoo.RECOGNISERS["unispeech"](tmp_path / "model")
    path = folder / file
    if changes is None:
        path.unlink()
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ModelError, match=message):
        load_donor(folder)


def test_the_networks_own_masks_stay_off(tmp_path):
    donor = load_donor(donor_zoo.RECOGNISERS["wav2vec2 layer"](tmp_path / "model"))
    assert donor.model.config.apply_spec_augment is False
    donor.model.train()
    numpy_state = np.random.get_state()[1].copy()
    donor.model(torch.randn(2, 16000))
    assert np.array_equal(np.random.get_state()[1], numpy_state)


def test_whispers_encoder_is_the_official_one_on_a_whole_window(tmp_path):
    folder = donor_zoo.whisper(tmp_path / "whisper")
    donor = load_donor(folder, ctc=True)
    official = hf.WhisperModel.from_pretrained(folder).eval()
    window = np.concatenate([SAMPLES, np.zeros(30 * 16000 - SAMPLES.size, dtype=np.float32)])
    features = donor.recogniser.front.extract([window]).features
    with torch.inference_mode():
        expected = official.encoder(features.transpose(1, 2)).last_hidden_state
        found = donor.model(features).logits
        assert torch.allclose(found, donor.model.lm_head(expected), atol=1e-5)
    assert donor.recogniser.front.max_seconds == 30


def test_others_can_load_whispers_ctc_without_this_package(tmp_path):
    donor = load_donor(donor_zoo.whisper(tmp_path / "whisper"), ctc=True)
    tokenizer = character_tokenizer("abc")
    checkpoint = Checkpoint(like(donor.model, tokenizer, 1), donor.extractor, tokenizer)
    save_checkpoint(tmp_path / "saved", checkpoint)
    np.save(tmp_path / "samples.npy", SAMPLES)
    code = """
import sys, numpy, torch, transformers
assert not any(name.startswith("vizinho") for name in sys.modules)
model = transformers.AutoModelForCTC.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
processor = transformers.AutoProcessor.from_pretrained(sys.argv[1])
samples = numpy.load(sys.argv[2])
made = processor(samples, sampling_rate=16000, padding="longest", return_attention_mask=True, return_tensors="pt")
features = made["input_features"].transpose(1, 2)
with torch.inference_mode():
    logits = model(features, attention_mask=made["attention_mask"]).logits
    loss = model(features, attention_mask=made["attention_mask"], labels=torch.tensor([[3, 4, -100]])).loss
assert torch.isfinite(loss)
numpy.save(sys.argv[3], logits.log_softmax(-1)[0].numpy())
"""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HF_HOME": str(tmp_path / "hf")}
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "saved", tmp_path / "samples.npy", tmp_path / "said.npy"],
        env=environment,
        cwd=tmp_path,
        check=True,
    )
    assert np.allclose(TorchEngine(checkpoint).log_probs([SAMPLES])[0], np.load(tmp_path / "said.npy"), atol=1e-5)
