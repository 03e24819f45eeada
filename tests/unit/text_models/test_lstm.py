import torch
from grammar import FORWARD, TWO_WAY, fresh
from hypothesis import given
from hypothesis import strategies as st

from vizinho.text_models.lstm import predictions, turn
from vizinho.text_models.lstm_task import word_loss
from vizinho.text_models.words import make_batch

SENTENCE = ["o", "gato", "come", "manga"]


def states(trained, sentence):
    with torch.inference_mode():
        ahead, back = trained.model(make_batch([sentence], trained.words, trained.characters))
    return ahead, back


def test_the_forward_direction_sees_the_left_alone_and_the_backward_one_the_right_alone():
    trained = fresh(TWO_WAY)
    place = 2  # "gato", behind the start and "o"
    before = states(trained, SENTENCE)
    other_left = states(trained, ["a", *SENTENCE[1:]])
    other_right = states(trained, [*SENTENCE[:2], "vende", "manga"])
    for layer in range(2):
        assert torch.equal(before[1][layer][0, place], other_left[1][layer][0, place])
        assert not torch.equal(before[0][layer][0, place], other_left[0][layer][0, place])
        assert torch.equal(before[0][layer][0, place], other_right[0][layer][0, place])
        assert not torch.equal(before[1][layer][0, place], other_right[1][layer][0, place])


def test_what_predicts_a_word_has_not_seen_it():
    trained = fresh(TWO_WAY)

    def made(sentence):
        with torch.inference_mode():
            return predictions(trained.model, make_batch([sentence], trained.words, trained.characters))

    (ahead, rows), (back, before) = made(SENTENCE)
    (ahead2, _), (back2, _) = made(["o", "gato", "vende", "manga"])
    assert rows.tolist() == [trained.words.row(w) for w in [*SENTENCE, "</s>"]]
    assert before.tolist() == [trained.words.row(w) for w in ["<s>", *SENTENCE]]
    assert torch.equal(ahead[2], ahead2[2])  # predicts place 3, "come", from what is left of it
    assert torch.equal(back[3], back2[3])  # predicts it from what is right of it
    assert not torch.equal(ahead[3], ahead2[3])
    assert not torch.equal(back[2], back2[2])


def test_shorter_sentences_beside_longer_ones_are_read_as_if_alone():
    trained = fresh(TWO_WAY)
    with torch.inference_mode():
        ahead, back = trained.model(make_batch([["o", "gato"], SENTENCE], trained.words, trained.characters))
    alone = states(trained, ["o", "gato"])
    for together, apart in ((ahead, alone[0]), (back, alone[1])):
        torch.testing.assert_close(together[-1][0, :4], apart[-1][0], atol=1e-6, rtol=1e-5)


def test_a_word_never_seen_has_a_vector_by_its_spelling_and_by_rows_is_the_unknown():
    spelt, listed = fresh(TWO_WAY), fresh(FORWARD)

    def alone(trained, word):
        with torch.inference_mode():
            return trained.model.encode(make_batch([[word]], trained.words, trained.characters))[0, 1]

    assert not torch.equal(alone(spelt, "gatos"), alone(spelt, "velhos"))
    assert torch.isfinite(alone(spelt, "щ")).all()
    assert torch.equal(alone(listed, "gatos"), alone(listed, "velhos"))
    assert not torch.equal(alone(listed, "gatos"), alone(listed, "gato"))


@given(st.lists(st.integers(2, 7), min_size=1, max_size=4))
def test_turning_twice_changes_nothing(lengths):
    values = torch.randn(len(lengths), max(lengths), 3)
    turned = turn(values, torch.tensor(lengths))
    assert torch.equal(turn(turned, torch.tensor(lengths)), values)
    assert torch.equal(turned[0, 0], values[0, lengths[0] - 1])


@torch.no_grad()
def test_sampled_loss_estimates_the_whole_one_for_frequent_and_rare_words():
    trained = fresh(FORWARD)
    count = len(trained.words)
    generator = torch.Generator().manual_seed(1)
    for row in (3, count - 1):
        states, rows = torch.randn(20, 12), torch.full((20,), row)
        whole = word_loss(trained.model, states, rows, 0, generator)
        assert torch.equal(word_loss(trained.model, states, rows, count, generator), whole)
        drawn = torch.stack([word_loss(trained.model, states, rows, count - 1, generator) for _ in range(500)])
        # The logarithm of an unbiased sum is a little too small; a wrong weighting would be off by a factor.
        assert float(whole) * 0.85 < float(drawn.mean()) < float(whole) * 1.02
