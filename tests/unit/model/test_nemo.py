"""A model that NeMo trained and saved (bench/peers/nemo_reference.py), read without NeMo."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from nemo_archive import ARCHIVE, FIXTURES, members, pack
from tones import tone_speech

from vizinho.errors import ModelError
from vizinho.model.checkpoint import load_checkpoint, load_donor, weights_digest
from vizinho.recognition.engines import TorchEngine
from vizinho.recognition.recognizer import Recognizer

WAVEFORMS = [
    tone_speech(text, n)
    for n, text in enumerate(("abc de", "fgh abc", "de fgh ab", "cab bed", "head face", "bad cage"))
]


def settings(content: dict[str, bytes]) -> dict:
    return yaml.safe_load(content["model_config.yaml"])


def changed(tmp_path: Path, **parts: dict) -> Path:
    content = members()
    config = settings(content)
    for part, values in parts.items():
        config[part] |= values
    return pack(tmp_path / "changed.nemo", content | {"model_config.yaml": yaml.safe_dump(config).encode()})


def test_features_and_log_probabilities_equal_nemos_own():
    expected = np.load(FIXTURES / "hybrid.npz")
    donor = load_donor(ARCHIVE)
    made = donor.recogniser.front.extract(WAVEFORMS[:1])
    # The logarithm of a nearly silent channel shows how a processor rounds its Fourier transform: 1.6e-4 has been seen.
    assert np.allclose(made.features[0][made.mask[0]].numpy(), expected["features0"], atol=1e-3)
    for number, found in enumerate(TorchEngine(donor.recogniser).log_probs(WAVEFORMS)):
        assert found.shape == expected[f"batched{number}"].shape
        assert np.allclose(found, expected[f"batched{number}"], atol=1e-5)


def test_tokens_are_the_tokenisers_pieces_with_the_blank_last():
    inventory = load_donor(ARCHIVE).inventory
    assert inventory.tokens[-1] == "<blank>"
    assert inventory.roles[-1] == "blank"
    assert dict(zip(inventory.tokens, inventory.roles, strict=True))["▁"] == "space"
    assert inventory.tokens[0] == "<unk>"
    assert list(inventory.tokens[:-1]) == settings(members())["aux_ctc"]["decoder"]["vocabulary"]


@pytest.mark.parametrize("text", ["abc de", "head cage", "a  b", "cab"])
def test_pieces_are_cut_as_sentencepiece_cuts_them(text):
    import sentencepiece

    content = next(data for name, data in members().items() if name.endswith("tokenizer.model"))
    reference = sentencepiece.SentencePieceProcessor(model_proto=content)
    assert load_donor(ARCHIVE).tokenizer(text, add_special_tokens=False)["input_ids"] == reference.encode(text)


def test_the_transducer_beside_the_ctc_layer_is_named_and_left_out():
    unused = load_donor(ARCHIVE).unused
    assert {name.partition(".")[0] for name in unused} == {"preprocessor", "decoder", "joint"}


def test_character_labels_of_the_settings_are_read(tmp_path):
    content = members()
    config = settings(content)
    labels = [" ", *"abcdefghijklmno"]
    config |= {"target": "nemo.EncDecCTCModel", "labels": labels, "decoder": {"vocabulary": labels}}
    del config["tokenizer"], config["aux_ctc"]
    tensors = torch.load(io.BytesIO(content["model_weights.ckpt"]), weights_only=True)
    kept = {n: t for n, t in tensors.items() if not n.startswith(("decoder.", "joint."))}
    renamed = {n.replace("ctc_decoder.", "decoder."): t for n, t in kept.items()}
    file = io.BytesIO()
    torch.save(renamed, file)
    path = pack(
        tmp_path / "characters.nemo",
        {"model_config.yaml": yaml.safe_dump(config).encode(), "model_weights.ckpt": file.getvalue()},
    )
    inventory = load_checkpoint(path).inventory
    assert inventory.tokens == ("|", *labels[1:], "<blank>")
    assert inventory.roles[0] == "space"


def test_compressed_archives_are_read_too(tmp_path):
    packed = pack(tmp_path / "packed.nemo", members(), "w:gz")
    assert weights_digest(packed) != weights_digest(ARCHIVE)
    ours, theirs = load_donor(packed).weights(), load_donor(ARCHIVE).weights()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"encoder": {"self_attention_model": "rel_pos_local_attn"}}, "encoder.self_attention_model is 'rel_pos_local"),
        ({"encoder": {"att_context_size": [70, 13]}}, r"encoder.att_context_size is \[70, 13\]"),
        ({"encoder": {"n_layers": 3}}, "n_layers is 3, the weights have 2"),
        ({"preprocessor": {"normalize": "NA"}}, "preprocessor.normalize is 'NA'"),
        ({"preprocessor": {"sample_rate": 8000}}, "preprocessor.sample_rate is 8000"),
        ({"encoder": {"feat_in": 64}}, "trained with other features"),
        ({"tokenizer": {"model_path": "nemo:absent.model"}}, "the archive lacks absent.model"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, parts, message):
    with pytest.raises(ModelError, match=message):
        load_donor(changed(tmp_path, **parts))


def test_a_tokeniser_of_another_model_is_refused(tmp_path):
    content = members()
    config = settings(content)
    config["aux_ctc"]["decoder"]["vocabulary"] = ["x"] * 16
    with pytest.raises(ModelError, match="pieces are not those of the settings"):
        load_donor(pack(tmp_path / "x.nemo", content | {"model_config.yaml": yaml.safe_dump(config).encode()}))


def transducer(tmp_path: Path, durations: tuple[int, ...] = (), **decoder) -> Path:
    """The hybrid's transducer alone, as NeMo saves RNN-T; with durations as it saves TDT."""
    content = members()
    config = settings(content)
    tensors = torch.load(io.BytesIO(content["model_weights.ckpt"]), weights_only=True)
    tensors = {n: t for n, t in tensors.items() if not n.startswith("ctc_decoder.")}
    config["target"] = "nemo.collections.asr.models.rnnt_bpe_models.EncDecRNNTBPEModel"
    config["decoder"] |= decoder
    del config["aux_ctc"]
    if durations:
        config["model_defaults"]["tdt_durations"] = list(durations)
        config["joint"]["num_extra_outputs"] = len(durations)
        generator = torch.Generator().manual_seed(0)
        for name in ("joint.joint_net.1.weight", "joint.joint_net.1.bias"):
            more = torch.randn(len(durations), *tensors[name].shape[1:], generator=generator)
            tensors[name] = torch.cat([tensors[name], more])
    file = io.BytesIO()
    torch.save(tensors, file)
    changes = {"model_config.yaml": yaml.safe_dump(config).encode(), "model_weights.ckpt": file.getvalue()}
    return pack(tmp_path / "transducer.nemo", content | changes)


@pytest.mark.parametrize("durations", [(), (0, 1, 2, 3, 4)], ids=["rnnt", "tdt"])
def test_transducers_compute_what_nemos_weights_say(tmp_path, durations):
    path = transducer(tmp_path, durations)
    donor = load_donor(path)
    tensors = torch.load(io.BytesIO(members(path)["model_weights.ckpt"]), weights_only=True)
    model, tokens = donor.model, torch.tensor([[16, 3, 5, 3]])
    lstm = torch.nn.LSTM(8, 8, batch_first=True)
    prefix = "decoder.prediction.dec_rnn.lstm."
    lstm.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
    with torch.inference_mode():
        audio = model.get_audio_features(*vars_of(donor.recogniser.front.extract(WAVEFORMS[:1])))
        read = lstm(tensors["decoder.prediction.embed.weight"][tokens])[0]
        predicted = read @ tensors["joint.pred.weight"].T + tensors["joint.pred.bias"]
        encoded = audio.last_hidden_state @ tensors["joint.enc.weight"].T + tensors["joint.enc.bias"]
        joined = (encoded[:, :, None] + predicted[:, None]).relu()
        expected = joined @ tensors["joint.joint_net.1.weight"].T + tensors["joint.joint_net.1.bias"]
        found = model(encoder_outputs=audio, decoder_input_ids=tokens).logits
    assert found.shape[-1] == 17 + len(durations)
    assert torch.allclose(found, expected, atol=1e-5)
    assert (donor.recogniser.blank, donor.inventory.roles[16]) == (16, "blank")
    assert not [name for name in donor.unused if not name.startswith("preprocessor.")]
    assert len(Recognizer.load(path).transcribe_many(WAVEFORMS)) == len(WAVEFORMS)


def test_a_transducer_that_nemo_saved_computes_and_writes_what_nemo_does():
    """The logits after the blank and the tokens 3, 5, 3, 9, and the texts."""
    path, expected = FIXTURES / "tdt.nemo", np.load(FIXTURES / "tdt.npz")
    recogniser = load_donor(path).recogniser
    inputs = recogniser.front.extract(WAVEFORMS)
    tokens = torch.tensor([[recogniser.blank, 3, 5, 3, 9]] * len(WAVEFORMS))
    with torch.inference_mode():
        audio = recogniser.model.get_audio_features(*vars_of(inputs))
        logits = recogniser.model(encoder_outputs=audio, decoder_input_ids=tokens).logits.numpy()
    texts = [transcript.text for transcript in Recognizer.load(path).transcribe_many(WAVEFORMS)]
    assert all(texts)
    for number, (values, text) in enumerate(zip(logits, texts, strict=True)):
        frames = len(expected[f"batched{number}"])
        assert np.allclose(values[:frames], expected[f"batched{number}"], atol=1e-4)
        assert text == " ".join(str(expected[f"text{number}"]).split())


def vars_of(inputs):
    return inputs.features, inputs.mask


def test_the_encoder_of_a_transducer_can_be_taken_alone(tmp_path):
    donor = load_donor(transducer(tmp_path), ctc=True)
    assert donor.tokenizer is None
    assert {name.partition(".")[0] for name in donor.unused} == {"preprocessor", "decoder", "joint"}


def test_prediction_networks_of_other_kinds_are_named(tmp_path):
    path = transducer(tmp_path, _target_="nemo.collections.asr.modules.StatelessTransducerDecoder")
    with pytest.raises(ModelError, match=r"decoder\._target_ is .*RNNTDecoder' can be read.*--head ctc"):
        load_donor(path)
