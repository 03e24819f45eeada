import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.errors import CorpusError
from vizinho.evaluation.score import as_json, count_errors, score, worst


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


def test_white_space_never_counts_twice():
    found = count_errors({"1": " um\tdois  três\n"}, {"1": "um dois três"})[0]
    assert (found.character_errors, found.word_errors, found.characters, found.words) == (0, 0, 12, 3)
    blank = count_errors({"1": " "}, {"1": "a b"})[0]
    assert (blank.characters, blank.character_errors, blank.words, blank.word_errors) == (0, 3, 0, 2)


@given(st.permutations(list(range(9))))
@settings(max_examples=20)
def test_the_order_of_the_ids_changes_nothing(order):
    references = {str(i): "abcd" * (i + 1) for i in order}
    hypotheses = {str(i): "abcd" if i % 2 else "axxd" for i in order}
    ordered = {str(i): references[str(i)] for i in range(9)}
    expected = scored(ordered, hypotheses, resamples=50)
    found = scored(references, hypotheses, resamples=50)
    assert (found.cer, found.cer_ci, found.wer_ci) == (expected.cer, expected.cer_ci, expected.wer_ci)


def test_blocks_of_draws_give_the_same_interval_as_one_draw(monkeypatch):
    references = {str(i): "abcd" * (i + 1) for i in range(9)}
    hypotheses = {str(i): "abcd" if i % 2 else "axxd" for i in range(9)}
    whole = scored(references, hypotheses)
    monkeypatch.setattr("vizinho.evaluation.significance._BLOCK_CELLS", 70)
    assert scored(references, hypotheses).cer_ci == whole.cer_ci


def test_the_bootstrap_interval_agrees_with_the_normal_approximation():
    rng = np.random.default_rng(3)
    wrong = rng.random(400) < 0.3
    references = {f"{i:03d}": "a" for i in range(400)}
    hypotheses = {f"{i:03d}": "b" if w else "a" for i, w in enumerate(wrong)}
    found = scored(references, hypotheses)
    half = 1.96 * np.sqrt(found.cer * (1 - found.cer) / 400)
    assert found.cer_ci.low == pytest.approx(found.cer - half, abs=0.006)
    assert found.cer_ci.high == pytest.approx(found.cer + half, abs=0.006)


@pytest.mark.parametrize(
    ("speakers", "message"),
    [
        (None, "2 utterances name no speaker, such as 1, 2"),
        ({"1": "ana", "2": ""}, "1 utterances name no speaker, such as 2"),
        ({"1": "ana", "2": "ana"}, "'ana' is the only one"),
        ({"1": "ana"}, "no speaker is given for 2"),
    ],
)
def test_an_interval_by_speaker_needs_speakers(speakers, message):
    with pytest.raises(CorpusError, match=message):
        scored({"1": "a", "2": "b"}, {"1": "a", "2": "x"}, speakers=speakers, cluster=True)


def test_worst_come_first_and_right_ones_never():
    found = scored({"1": "um", "2": "dois", "3": "três"}, {"1": "um", "2": "xxxx", "3": "tres"})
    assert [e.id for e in worst(found, 5)] == ["2", "3"]
    assert [e.id for e in worst(found, 1)] == ["2"]


def test_ids_without_a_partner_are_named_on_both_sides():
    references, hypotheses = {str(i): "a" for i in range(9)}, {"8": "a", "x": "b"}
    message = "9 ids stand on one side only: 0, 1, 2, 3, 4 and 3 more without a hypothesis; x without a reference"
    with pytest.raises(CorpusError, match=message):
        scored(references, hypotheses)


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
    assert json.loads(json.dumps(found)) == found
