import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.decoding.lm.arpa import Arpa, read_arpa
from vizinho.decoding.lm.counts import START, Collector
from vizinho.decoding.lm.kneser_ney import estimate
from vizinho.decoding.lm.mix import mix, mix_files
from vizinho.decoding.lm.model import load_language_model
from vizinho.decoding.lm.train import LmOptions, Source, train_language_model
from vizinho.errors import ModelError
from vizinho.text.normalize import get_normalizer

TEXT = st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=5), min_size=1, max_size=8)


def model(sentences, order):
    collector = Collector()
    for sentence in sentences:
        collector.add(sentence)
    return Arpa(tuple({n: (p, b) for n, p, b in rows} for rows in estimate(collector.count(order)).ngrams()))


@given(TEXT, TEXT, st.integers(1, 3), st.integers(1, 3), st.sampled_from([0.0, 0.3, 1.0]))
def test_a_mixture_sums_to_one_and_is_the_weighted_mean(first, second, order_a, order_b, share):
    a, b = model(first, order_a), model(second, order_b)
    mixed = mix(a, b, share)
    for table in mixed.tables:
        for ngram in table:
            *context, unit = ngram.split()
            if unit == START:
                continue
            parts = [(a, share), (b, 1 - share)]
            expected = sum(s * 10 ** m.log10_probability(unit, context) for m, s in parts if unit in m)
            assert 10 ** mixed.log10_probability(unit, context) == pytest.approx(expected, abs=1e-9)
            if unit != "</s>":
                history = ngram.split()
                total = sum(10 ** mixed.log10_probability(w, history) for w in mixed.vocabulary if w != START)
                assert total == pytest.approx(1.0, abs=1e-6), history


def write(path, *lines, lang="pt", letters="acos", unit="word"):
    source = Source(path.name, [(line, 1) for line in lines])
    train_language_model(path, [source], LmOptions(unit, 2), get_normalizer(lang), letters)
    return path


def test_files_are_mixed_with_their_cards(tmp_path):
    one, two = write(tmp_path / "a.arpa", "a casa"), write(tmp_path / "b.arpa", "saco", "a saca")
    card = mix_files(one, two, 0.25, tmp_path / "c.arpa")
    assert load_language_model(tmp_path / "c.arpa").card == card
    assert [s["share"] for s in card.sources] == [0.25, 0.75]
    assert set(read_arpa(tmp_path / "c.arpa").vocabulary) == {"<unk>", "<s>", "</s>", "a", "casa", "saco", "saca"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "char"}, "of chars"),
        ({"lang": "es"}, "normalisers pt-v2-[0-9a-f]{8} and es-v2-"),
        ({"letters": "acosñ"}, "letters of one only: 'ñ'"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(tmp_path, options, message):
    one, two = write(tmp_path / "a.arpa", "a casa"), write(tmp_path / "b.arpa", "saco", **options)
    with pytest.raises(ModelError, match=message):
        mix_files(one, two, 0.5, tmp_path / "c.arpa")


def test_an_impossible_share_is_refused():
    with pytest.raises(ModelError, match=r"share of 1\.5"):
        mix(model([["a"]], 1), model([["a"]], 1), 1.5)
