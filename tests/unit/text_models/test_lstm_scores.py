import itertools
import math

import pytest
from grammar import TWO_WAY, fresh, sentences

from vizinho.errors import TextError
from vizinho.text.normalize import get_normalizer
from vizinho.text_models.lstm_scores import NeuralScorer, letter_shares, perplexity, sentence_scores, spelling_score


def test_the_probabilities_of_what_may_follow_add_up_to_one():
    trained = fresh()
    words = [w for w in trained.words.tokens if w not in ("<s>", "</s>")]
    one_word = sentence_scores(trained.model, trained.words, None, [[w] for w in words])
    none = sentence_scores(trained.model, trained.words, None, [[]])
    # One word then the end, or the end at once, or the start again, or something longer: less than one.
    total = sum(math.exp(x) for x in [*one_word[:, 0], none[0, 0]])
    assert 0 < total < 1
    assert one_word[:, 1].tolist() == [2.0] * len(words)


def test_scores_do_not_depend_on_the_company_a_sentence_is_in():
    trained = fresh()
    texts = sentences(20)
    together = sentence_scores(trained.model, trained.words, None, texts)
    alone = [sentence_scores(trained.model, trained.words, None, [s])[0, 0] for s in texts]
    assert together[:, 0] == pytest.approx(alone, abs=1e-4)


def test_letters_of_unknown_words_cost_by_their_shares_which_add_up_to_one():
    shares = letter_shares([["ab", "a"]])
    assert sum(map(math.exp, shares.values())) == pytest.approx(1)
    assert shares["a"] > shares["b"] > shares["<unk>"]
    words = ["".join(p) for n in range(1, 4) for p in itertools.product("ab", repeat=n)]
    assert sum(math.exp(spelling_score(w, shares)) for w in words) < 1
    assert spelling_score("aab", shares) < spelling_score("aa", shares)


def test_the_scorer_compares_hypotheses_and_an_unknown_word_is_no_way_out():
    scorer = NeuralScorer(fresh())
    known, unknown, longer = scorer.score(["o gato come manga", "o gato come mango", "o gato come mangostão"])
    assert known > unknown > longer
    assert scorer.score([]) == []
    assert scorer.score([""])[0] < 0
    assert scorer.normalizer == get_normalizer("pt").name


def test_perplexity_counts_unknown_words_and_has_an_interval():
    trained = fresh(TWO_WAY)
    found = perplexity(trained, [["o", "gato"], ["um", "gato"], ["o", "velho", "come"]])
    assert found.interval[0] <= found.perplexity <= found.interval[1]
    assert found.words == 10
    assert found.unknown_share == pytest.approx(1 / 7)
    assert found.open_perplexity > found.perplexity
    with pytest.raises(TextError, match="no sentences"):
        perplexity(trained, [])
