import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.errors import CorpusError
from vizinho.evaluation.score import as_json, count_errors, score


def distance(a, b):
    """Levenshtein's distance, written independently of the library under test."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


TEXT = st.lists(st.text("abcãé", min_size=1, max_size=5), max_size=6).map(" ".join)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8))
@settings(deadline=None)
def test_counts_agree_with_an_independent_distance(pairs):
    references = {str(i): r for i, (r, _) in enumerate(pairs)}
    hypotheses = {str(i): h for i, (_, h) in enumerate(pairs)}
    for error in count_errors(references, hypotheses):
        assert error.character_errors == distance(error.reference, error.hypothesis)
        assert error.word_errors == distance(error.reference.split(), error.hypothesis.split())
        assert (error.characters, error.words) == (len(error.reference), len(error.reference.split()))


def scored(references, hypotheses, **options):
    return score(references, hypotheses, normalizer="pt-v1", data_fingerprint="ab12", **options)


def test_rates_are_sums_over_the_corpus_not_means_of_utterances():
    found = scored({"a": "um dois três quatro", "b": "um"}, {"a": "um dois três quatro", "b": "x"})
    assert found.wer == pytest.approx(1 / 5)


def test_one_letter_lines_count():
    assert scored({"1": "é", "2": "a", "3": "o"}, {"1": "e", "2": "a", "3": "o"}).wer == pytest.approx(1 / 3)


def test_pairing_is_by_id_whatever_the_order():
    assert scored({"1": "um", "2": "dois"}, {"2": "dois", "1": "um"}).cer == 0


def test_perfect_is_zero_with_a_zero_interval():
    found = scored({"1": "um", "2": "dois"}, {"1": "um", "2": "dois"})
    assert (found.cer, found.wer, found.cer_ci.low, found.cer_ci.high) == (0, 0, 0, 0)


def test_the_interval_holds_the_rate_and_narrows_with_data():
    def interval(count):
        references = {str(i): "abcdefghij" for i in range(count)}
        hypotheses = {str(i): "abcdefghij" if i % 2 else "abcdexxxxx" for i in range(count)}
        found = scored(references, hypotheses)
        assert found.cer_ci.low <= found.cer <= found.cer_ci.high
        return found.cer_ci.high - found.cer_ci.low

    assert interval(200) < interval(20)


def test_clusters_are_the_units_when_asked_for():
    references = {str(i): "abcd" for i in range(20)}
    hypotheses = {str(i): "abcd" if i < 10 else "xxxx" for i in range(20)}
    speakers = {str(i): "good" if i < 10 else "bad" for i in range(20)}
    by_utterance = scored(references, hypotheses, speakers=speakers)
    by_speaker = scored(references, hypotheses, speakers=speakers, cluster=True)
    assert (by_speaker.cer_ci.low, by_speaker.cer_ci.high) == (0, 1)
    assert by_utterance.cer_ci.high < 1
    assert "unit:speaker" in by_speaker.signature


def test_empty_references_count_as_insertions():
    assert scored({"1": "ab", "2": ""}, {"1": "ab", "2": "x"}).cer == pytest.approx(1 / 2)


def test_lonely_ids_and_no_text_are_errors():
    with pytest.raises(CorpusError, match="2: 1 ids stand on one side only"):
        scored({"1": "a", "2": "b"}, {"1": "a"})
    with pytest.raises(CorpusError, match="no reference text"):
        scored({"1": ""}, {"1": "a"})


def test_the_signature_names_what_matters_and_json_is_plain():
    found = as_json(scored({"1": "um"}, {"1": "uns"}, speakers={"1": "ana"}))
    assert found["signature"].startswith(
        "metric:cer+wer|norm:pt-v1|boot:2000|unit:utterance|seed:1|n:1|data:ab12|jiwer:"
    )
    assert found["per_speaker"]["ana"]["utterances"] == 1
    assert found["worst"][0]["hypothesis"] == "uns"
