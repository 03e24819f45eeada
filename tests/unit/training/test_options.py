"""Options from files: what does not fit is refused in words that name the key, the place and what to do."""

import json
from dataclasses import asdict

import pytest

from vizinho.errors import SpecError
from vizinho.plan.tokens import RowOptions
from vizinho.training.options import TrainingOptions, differing, from_dict


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": "5"}, r"^r\.toml: steps is '5' -> give a valid integer$"),
        ({"steps": True}, r"steps is True -> give a valid integer"),
        ({"steps": 5.5}, r"steps is 5\.5 -> give a valid integer"),
        ({"learning_rate": float("nan")}, r"learning_rate is nan -> give a finite number"),
        ({"augment": {"noise_share": float("inf")}}, r"r\.toml\.augment: noise_share is inf -> give a finite number"),
        ({"seed": 2**70}, r"seed is 1180591620717411303424 -> give a smaller number"),
        ({"seed": 16**9000}, r"r\.toml: a number is too large -> give a smaller one"),
        ({"precision": ["x" * 90]}, r"precision is \['x+ -> give a valid string"),
        ({"layers": 3}, r"layers is 3 -> give "),
        ({"layers": {"frozen": [1]}}, r"r\.toml\.layers\.frozen: 0 is 1 -> give a valid string"),
        ({"lerning_rate": 1, "stepz": 2}, r"unknown key lerning_rate, stepz -> known keys: accumulate, .*workers$"),
        ({"adapter": {"width": 1}}, r"r\.toml\.adapter: unknown key width -> known keys: alpha, dropout, kind, rank"),
        ({"layers": {"batch_norm": "x"}}, r"^r\.toml\.layers: batch_norm is 'x' -> use"),
        ({"steps": 0}, r"r\.toml: steps is 0 -> use at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(values, message):
    with pytest.raises(SpecError, match=message):
        from_dict(TrainingOptions, values, where="r.toml")


def test_rows_have_keys_that_must_be_there():
    with pytest.raises(SpecError, match=r"^c: rows: unknown key new_row -> known keys: ") as refused:
        from_dict(RowOptions, {"new_row": "fresh"}, where="c: rows")
    assert "new_rows" in refused.value.fix


def test_numbers_stay_as_they_are_written():
    """The identity of a run is a digest of them: 8 and 8.0 would be two runs."""
    options = from_dict(
        TrainingOptions,
        {"batch_seconds": 8, "augment": {"noise_snr_db": [5, 20]}, "start_shares": [0.5], "final_rate": 1.0},
    )
    given = differing(asdict(options), asdict(TrainingOptions()))
    assert json.dumps(given, sort_keys=True) == (
        '{"augment": {"noise_snr_db": [5, 20]}, "batch_seconds": 8, "final_rate": 1.0, "start_shares": [0.5]}'
    )
    assert options.augment.noise_snr_db == (5, 20)


def test_a_table_of_the_users_own_keys_comes_back_as_it_was():
    options = RowOptions(overrides={"ç": "s"})
    assert from_dict(RowOptions, asdict(options), where="card") == options
    assert from_dict(RowOptions, asdict(RowOptions()), where="card") == RowOptions()
