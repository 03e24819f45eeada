from dataclasses import asdict

import pytest
import torch

from vizinho.errors import SpecError
from vizinho.training.mixing import between, mix_with_start
from vizinho.training.options import LayerPolicy, TrainingOptions, differing
from vizinho.training.selection import FitResult

START = {"weight": torch.tensor([[0.0]]), "bias": torch.tensor([0.0])}
RESULT = FitResult((), 4, 1.0, "step 4", 0.5, 4, 0)


def trained_model():
    model = torch.nn.Linear(1, 1)
    model.load_state_dict({"weight": torch.tensor([[8.0]]), "bias": torch.tensor([4.0])})
    return model


def mixed(measure):
    model = trained_model()
    result = mix_with_start(model, START, (0.5, 0.25), RESULT, lambda: measure(model.weight.item()), lambda _: None)
    return model.weight.item(), model.bias.item(), result


def test_the_mixture_that_dev_likes_best_is_kept():
    weight, bias, result = mixed(lambda weight: abs(weight - 6.0) / 10)
    assert (weight, bias) == (6.0, 3.0)
    assert result.chosen == "step 4, 0.25 of the start mixed in"
    assert result.dev_score == 0.0


def test_where_the_start_is_best_the_best_trained_weights_are_mixed_with_it():
    def mixed_from_start(measure):
        model = trained_model()
        trained = {name: tensor.clone() for name, tensor in model.state_dict().items()} | {"other.head": torch.ones(1)}
        model.load_state_dict(START)
        result = FitResult((), 4, 1.0, "step 0", measure(0.0), 0, 0, trained)
        result = mix_with_start(model, START, (0.5, 0.25), result, lambda: measure(model.weight.item()), lambda _: None)
        return model.weight.item(), result

    weight, result = mixed_from_start(lambda weight: abs(weight - 4.0) / 10)
    assert weight == 4.0 and result.dev_score == 0.0
    assert result.chosen == "the best later step, 0.5 of the start mixed in"
    weight, result = mixed_from_start(lambda weight: weight)
    assert weight == 0.0 and result.chosen == "step 0" and result.dev_score == 0.0


def test_the_trained_weights_stay_where_no_mixture_is_better():
    weight, bias, result = mixed(lambda _: 0.5)
    assert (weight, bias) == (8.0, 4.0)
    assert result == RESULT


def test_whole_numbers_are_the_end_s():
    found = between({"n": torch.tensor(1)}, {"n": torch.tensor(5)}, 0.5)
    assert int(found["n"]) == 5


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_shares_are_real_mixtures(share):
    with pytest.raises(SpecError, match="start_shares"):
        TrainingOptions(start_shares=(share,))


def test_options_at_their_defaults_are_not_said():
    options = TrainingOptions(steps=7, layers=LayerPolicy(layer_decay=0.9))
    assert differing(asdict(options), asdict(TrainingOptions())) == {"steps": 7, "layers": {"layer_decay": 0.9}}
