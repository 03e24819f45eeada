import pytest
import torch

from vizinho.errors import SpecError
from vizinho.model.presets import build_model
from vizinho.training.options import LayerPolicy, TrainingOptions, from_dict
from vizinho.training.schedule import LayerRates, layer_schedules, rate_at

LAYERS = ["front", "block0", "block1", "block2", "head"]


def test_rate_rises_then_falls():
    options = TrainingOptions(steps=100, warmup_share=0.1, final_rate=0.05)
    rates = [rate_at(step, options) for step in range(100)]
    assert max(rates) == rates[10] == pytest.approx(1.0)
    assert rates == sorted(rates[:11]) + sorted(rates[11:], reverse=True)
    assert rates[-1] == pytest.approx(0.05, abs=0.01)


def test_head_first_then_from_the_top():
    schedules = {s.layer: s for s in layer_schedules(LAYERS, LayerPolicy(head_first_share=0.2, thaw_share=0.3), 100)}
    assert schedules["head"].thaw_step == 0
    thaw = [schedules[layer].thaw_step for layer in ("block2", "block1", "block0", "front")]
    assert thaw == sorted(thaw)
    assert thaw[0] == 20
    assert thaw[-1] == 50


def test_lower_layers_learn_more_slowly():
    schedules = {s.layer: s.rate for s in layer_schedules(LAYERS, LayerPolicy(layer_decay=0.5, encoder_rate=0.25), 100)}
    assert [schedules[layer] for layer in reversed(LAYERS)] == [1.0, 0.25, 0.125, 0.0625, 0.03125]


def test_unknown_layers_and_keys_are_named():
    with pytest.raises(SpecError, match="block9"):
        layer_schedules(LAYERS, LayerPolicy(frozen=("block9",)), 100)
    with pytest.raises(SpecError, match=r"lerning_rate.*known keys"):
        from_dict(TrainingOptions, {"lerning_rate": 1})
    with pytest.raises(SpecError, match="unknown key wide"):
        from_dict(TrainingOptions, {"augment": {"wide": 1}})


def test_frozen_layers_get_no_gradient_and_their_statistics_stand_still():
    model = build_model("micro", 9, 0).train()
    options = TrainingOptions(steps=10, layers=LayerPolicy(head_first_share=0.5, frozen=("front",)))
    rates = LayerRates(model, options)
    optimizer = torch.optim.AdamW(rates.groups)
    rates.apply(0, optimizer)
    assert {n for n, p in model.named_parameters() if p.requires_grad} == {"ctc_head.weight", "ctc_head.bias"}
    assert not any(m.training for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d))
    rates.apply(5, optimizer)
    learning = {n for n, p in model.named_parameters() if p.requires_grad}
    assert all(("subsampling" in n) != (n in learning) for n, _ in model.named_parameters())
    assert all(m.training for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d))


def test_donor_statistics_stay_when_asked():
    model = build_model("micro", 9, 0).train()
    rates = LayerRates(model, TrainingOptions(steps=10, layers=LayerPolicy(batch_norm="donor")))
    rates.apply(0, torch.optim.AdamW(rates.groups))
    assert not any(m.training for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d))


def test_the_peak_can_be_held():
    options = TrainingOptions(steps=100, warmup_share=0.1, hold_share=0.4, final_rate=0.05)
    rates = [rate_at(step, options) for step in range(100)]
    assert rates[10:50] == pytest.approx([1.0] * 40)
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert rates[-1] == pytest.approx(0.05, abs=0.01)


def test_norms_can_learn_inside_frozen_layers():
    model = build_model("micro", 9, 0).train()
    policy = LayerPolicy(frozen=("front", "block0", "block1"), norms_always=True)
    rates = LayerRates(model, TrainingOptions(steps=10, layers=policy))
    rates.apply(5, torch.optim.AdamW(rates.groups))
    learning = {n for n, p in model.named_parameters() if p.requires_grad}
    assert learning
    assert all("norm" in n or "ctc_head" in n for n in learning)
    assert all(m.training for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d))


def test_the_pull_brings_weights_back_towards_their_start_and_leaves_the_head():
    model = build_model("micro", 9, 0).train()
    rates = LayerRates(model, TrainingOptions(steps=10, learning_rate=0.1, layers=LayerPolicy(pull=2.0)))
    optimizer = torch.optim.AdamW(rates.groups)
    start = {n: p.detach().clone() for n, p in model.named_parameters()}
    rate = rates.apply(3, optimizer)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1.0
    rates.pull(optimizer)
    for name, parameter in model.named_parameters():
        left = 1.0 if "ctc_head" in name else 1.0 - 2.0 * rate
        assert torch.allclose(parameter, start[name] + left, atol=1e-5), name
