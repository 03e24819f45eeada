import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from vizinho.errors import TextError
from vizinho.text_models.topic_evaluate import compare_topics, score_topics
from vizinho.text_models.topics import Labelled, read_topics, split_documents

DOCUMENTS = st.dictionaries(st.text("abcdefgh/", min_size=1, max_size=8), st.sampled_from("xyz"), max_size=60)


@given(documents=DOCUMENTS, seed=st.integers(0, 5))
def test_no_document_is_on_two_sides_and_none_is_lost(documents, seed):
    examples = [Labelled(topic, name, f"{name} {i}") for name, topic in documents.items() for i in range(3)]
    split = split_documents(examples, seed=seed)
    assert not split.train & split.dev and not split.train & split.test and not split.dev & split.test
    left = {name for name, topic in documents.items() if topic in split.left_out}
    assert split.train | split.dev | split.test | left == set(documents)
    for topic in set(documents.values()) - set(split.left_out):
        names = {name for name, t in documents.items() if t == topic}
        assert names & split.train and names & split.dev and names & split.test
    assert sum(len(split.of(examples, side)) for side in ("train", "dev", "test")) == 3 * (len(documents) - len(left))


def test_a_document_of_several_languages_is_on_one_side_in_all():
    spanish = [Labelled("t", f"d{i}", "es") for i in range(20)]
    portuguese = [Labelled("t", f"d{i}", "pt") for i in range(5, 30)]
    split = split_documents([*spanish, *portuguese])
    tested = {e.document for e in split.of(spanish, "test")} | {e.document for e in split.of(portuguese, "test")}
    learnt = {e.document for e in split.of(spanish, "train")} | {e.document for e in split.of(portuguese, "train")}
    assert tested and not tested & learnt
    # The order of the examples does not matter.
    assert split == split_documents([*portuguese[::-1], *spanish])
    with pytest.raises(TextError, match=r"shares of 0.5 and 0.5"):
        split_documents(spanish, dev=0.5, test=0.5)


def test_tables_are_read_and_bad_lines_named(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("faq\tfaq/general\tO que é?\n\n", encoding="utf-8")
    assert read_topics(path) == [Labelled("faq", "faq/general", "O que é?")]
    for content, message in (("faq\tO que é?\n", "t.tsv:1: not topic, document and sentence"), ("", "is empty")):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(TextError, match=message):
            read_topics(path)
    with pytest.raises(TextError, match="no such table"):
        read_topics(tmp_path / "u.tsv")


@settings(max_examples=25)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("abcd"), st.integers(0, 5)), min_size=4, max_size=60
    )
)
def test_scores_agree_with_scikit_learn(rows):
    examples = [Labelled(right, f"d{document}", "") for right, _, document in rows]
    predicted = [guess for _, guess, _ in rows]
    right = [e.topic for e in examples]
    if len({e.document for e in examples}) < 2:
        with pytest.raises(TextError, match="1 documents"):
            score_topics(examples, predicted)
        return
    found = score_topics(examples, predicted)
    assert found.accuracy == pytest.approx(accuracy_score(right, predicted))
    expected = f1_score(right, predicted, labels=sorted(set(right)), average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(expected)
    assert found.accuracy_ci.low <= found.accuracy_ci.high


def test_intervals_are_wider_when_documents_hang_together():
    rng = np.random.default_rng(3)
    apart = [Labelled("ab"[i % 2], f"d{i}", "") for i in range(400)]
    together = [Labelled("ab"[i % 2], f"d{i // 40}", "") for i in range(400)]
    right = rng.random(10) < 0.6  # whole documents are right or wrong
    guesses = [e.topic if right[int(e.document[1:])] else "c" for e in together]
    wide, narrow = score_topics(together, guesses), score_topics(apart, guesses)
    assert wide.accuracy == narrow.accuracy
    assert wide.accuracy_ci.high - wide.accuracy_ci.low > 3 * (narrow.accuracy_ci.high - narrow.accuracy_ci.low)
    with pytest.raises(TextError, match="1 predictions for 400"):
        score_topics(together, ["a"])


def test_a_difference_is_paired_by_document():
    examples = [Labelled("ab"[i % 2], f"d{i // 10}", "") for i in range(200)]
    rng = np.random.default_rng(4)
    easy = {f"d{i}": rng.random() for i in range(20)}  # documents differ much, the two systems little
    first = [e.topic if rng.random() < easy[e.document] else "c" for e in examples]
    second = [guess if rng.random() < 0.95 else "c" for guess in first]
    found = compare_topics(examples, first, second)
    alone = score_topics(examples, first), score_topics(examples, second)
    assert found.accuracy == pytest.approx(alone[0].accuracy - alone[1].accuracy)
    assert found.macro_f1 == pytest.approx(alone[0].macro_f1 - alone[1].macro_f1)
    assert found.accuracy_ci.low > 0  # the separate intervals overlap, the difference is clear
    assert alone[1].accuracy_ci.high > alone[0].accuracy_ci.low
    same = compare_topics(examples, first, first)
    assert same.accuracy == same.accuracy_ci.low == same.macro_f1_ci.high == 0
