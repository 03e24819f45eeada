import re

import pytest
import torch
from donor_zoo import ENCODERS, RECOGNISERS
from safetensors.torch import save_file

from vizinho.errors import ModelError, SpecError
from vizinho.model.checkpoint import load_donor, weights_digest
from vizinho.model.fast import fast_forward
from vizinho.model.phonemes import FILE, PhonemeHead, phonemes_heard, save_head, take_over, width_for, with_head
from vizinho.model.presets import build_model

VECTORS = torch.tensor([[1.0, -1.0, 0.0], [0.0, 1.0, 1.0], [1.0, -1.0, 0.0]])
NAMES = ("nas", "voi", "hi")


def head(width=32, vectors=VECTORS, layer="top", names=NAMES, seed=1):
    return PhonemeHead(width, vectors, layer, names, seed)


def heard(model, made, features, **named):
    with fast_forward(model), with_head(model, made), phonemes_heard(model):
        return model(features, **named)


def test_phones_of_equal_features_have_equal_logits_and_others_have_not():
    logits = head()(torch.randn(2, 5, 32))
    assert logits.shape == (2, 5, 4)
    assert torch.equal(logits[..., 1], logits[..., 3])
    assert not torch.allclose(logits[..., 1], logits[..., 2])


def test_a_logit_is_the_sum_of_the_features_rows():
    made, frame = head(), torch.randn(32)
    blank, nasal, voice, high = (made.weight @ frame + made.bias).tolist()
    found = made(frame[None, None])[0, 0].tolist()
    assert found == pytest.approx([blank, nasal - voice, voice + high, nasal - voice], abs=1e-5)


def test_what_is_learnt_on_one_inventory_serves_another():
    made = head(vectors=VECTORS[:2])
    target = head(vectors=torch.tensor([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]]), seed=2)
    target.load_state_dict(made.state_dict())
    frames = torch.randn(1, 4, 32)
    ours, theirs = target(frames)[0], made(frames)[0]
    assert torch.allclose(ours[:, :2], theirs[:, [0, 2]])  # blank, and the phone that both have
    nasal_and_voiced = (made.weight[1:3].sum(dim=0) * frames[0]).sum(dim=-1) + made.bias[1:3].sum()
    assert torch.allclose(ours[:, 2], nasal_and_voiced, atol=1e-5)  # one that nothing was learnt on


@pytest.mark.parametrize("layer", ["top", "block0", "block1"])
def test_the_fast_pass_reads_the_same_layer_as_the_original(layer):
    model, features = build_model("micro", 9, 0).train(), torch.randn(2, 80, 80)
    made = head(layer=layer)
    with with_head(model, made), phonemes_heard(model):
        expected = model(features)
    found = heard(model, made, features)
    assert torch.allclose(expected.phonemes, found.phonemes, atol=1e-4)
    assert torch.allclose(expected.logits, found.logits, atol=1e-4)
    assert not torch.allclose(heard(model, head(layer="block0" if layer != "block0" else "top"), features).phonemes,
                              found.phonemes, atol=1e-4)  # fmt: skip


def test_dropped_blocks_do_not_shift_the_layers():
    model, features = build_model("micro", 9, 0).train(), torch.randn(1, 80, 80)
    model.encoder.layerdrop = 1.0
    below, above = (heard(model, head(layer=layer), features).phonemes for layer in ("block0", "block1"))
    assert torch.equal(below, above)


def test_a_network_that_writes_is_the_plain_one():
    model, features = build_model("micro", 9, 0).eval(), torch.randn(1, 80, 80)
    names = set(model.state_dict())
    made = heard(model, head(), features)
    assert not hasattr(made, "phonemes")
    assert torch.equal(made.logits, heard(model, head(seed=2), features).logits)
    assert set(model.state_dict()) == names


def test_a_layer_that_is_not_there_is_named():
    with pytest.raises(SpecError, match=r"no layer named block7.*block0, block1, or top"):
        width_for(build_model("micro", 9, 0), "block7")


@pytest.mark.parametrize("layer", ["block0", "top"])
@pytest.mark.parametrize("kind", ["wav2vec2 group", "wavlm", "wav2vec2-conformer"])
def test_networks_of_other_kinds_learn_too(kind, layer, tmp_path):
    model = load_donor(RECOGNISERS[kind](tmp_path)).model.train()
    made = head(width_for(model, layer), layer=layer)
    found = heard(model, made, torch.randn(1, 4000), attention_mask=torch.ones(1, 4000, dtype=torch.long))
    assert found.phonemes.shape == (1, found.logits.shape[1], 4)
    found.phonemes.sum().backward()
    assert made.weight.grad is not None


def test_a_network_with_layers_above_its_blocks_is_refused(tmp_path):
    with pytest.raises(SpecError, match="between its last block and its output"):
        width_for(load_donor(RECOGNISERS["wav2vec2 adapter"](tmp_path)).model, "top")


def test_a_network_that_hides_its_blocks_is_refused(tmp_path):
    model = load_donor(ENCODERS["whisper"](tmp_path), ctc=True).model.train()
    with pytest.raises(SpecError, match="does not give what its blocks make"):
        heard(model, head(width_for(model, "top")), torch.randn(1, 80, 80))


def test_a_head_is_handed_over(tmp_path):
    given, ours = head(seed=1), head(vectors=VECTORS[:1], seed=2)
    save_head(tmp_path, given)
    assert take_over(ours, tmp_path) == ""
    assert torch.equal(ours.weight, given.weight)
    assert ours.vectors.shape == (1, 3)


@pytest.mark.parametrize(
    ("ours", "reason"),
    [
        (head(layer="block0"), r"reads another layer \(top\)"),
        (head(names=("nas", "voi", "lo")), "over other features"),
        (head(width=16), "other shapes"),
    ],
)
def test_a_head_of_another_kind_stays_where_it_is(tmp_path, ours, reason):
    save_head(tmp_path, head())
    before = ours.weight.clone()
    assert re.search(reason, take_over(ours, tmp_path))
    assert torch.equal(ours.weight, before)
    assert take_over(ours, tmp_path / "elsewhere") == "the donor has none"


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_bytes(b"no tensors")
    with pytest.raises(ModelError, match=FILE):
        take_over(head(), tmp_path)


def test_the_weights_of_a_folder_are_known_without_its_head(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "model.safetensors")
    before = weights_digest(tmp_path)
    save_head(tmp_path, head())
    assert weights_digest(tmp_path) == before
