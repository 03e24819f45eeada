from hypothesis import given
from hypothesis import strategies as st

from vizinho.training.recipes import LEAST_STEPS, MOST_STEPS, PASSES, default_recipe


@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_more_speech_never_gets_fewer_steps_or_a_lower_rate(one: float, other: float):
    less, more = (default_recipe("transfer", minutes) for minutes in sorted((one, other)))
    assert LEAST_STEPS <= less.steps <= more.steps <= MOST_STEPS
    assert less.learning_rate <= more.learning_rate
    assert less.layers == more.layers


def test_an_hour_is_gone_through_as_often_as_was_found_to_pay():
    found = default_recipe("transfer", 60)
    assert abs(found.steps * found.batch_seconds / 3600 - PASSES) < 0.5
    assert found.steps / found.evaluate_every >= 30


def test_an_encoder_without_an_output_layer_gets_two_rates():
    with_rows, without = (default_recipe("transfer", 8, donor=donor) for donor in ("recogniser", "encoder"))
    assert (with_rows.learning_rate, with_rows.layers.encoder_rate) == (5e-4, 1.0)
    assert (without.learning_rate, without.layers.encoder_rate) == (1e-3, 0.05)
    assert with_rows.steps == without.steps == LEAST_STEPS
    assert with_rows.start_shares
    assert not without.start_shares, "a head that starts at random has nothing to mix"


def test_whisper_sees_much_speech_less_often_and_all_of_it_once():
    steps = {minutes: default_recipe("transfer", minutes, donor="whisper").steps for minutes in (1, 8, 121, 1200)}
    assert steps == {1: 120, 8: 160, 121: 620, 1200: 3000}


def test_whisper_keeps_a_low_rate_and_tries_the_donors_weights():
    recipe = default_recipe("transfer", 8, donor="whisper")
    assert recipe.learning_rate < default_recipe("transfer", 8).learning_rate / 10
    assert recipe.start_shares
    assert recipe.evaluate_every < recipe.steps


def test_scratch_does_not_follow_the_amount():
    assert default_recipe("train", 5) == default_recipe("train", 500)
