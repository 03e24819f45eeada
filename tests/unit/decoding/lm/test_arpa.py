import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.decoding.lm.arpa import Arpa, read_arpa, read_unigrams, write_arpa
from vizinho.decoding.lm.counts import Collector
from vizinho.decoding.lm.kneser_ney import estimate
from vizinho.decoding.lm.model import load_language_model
from vizinho.errors import ModelError

ROWS = [
    [("<unk>", -1.5, 0.0), ("<s>", -99.0, -0.3), ("</s>", -0.9, 0.0), ("a", -0.5, -0.2), ("é", -0.7, -0.1)],
    [("<s> a", -0.4, 0.0), ("a é", -0.6, 0.0)],
]
LINES = """\\data\\
ngram 1=5
ngram 2=2

\\1-grams:
-1.5\t<unk>
-99\t<s>\t-0.3
-0.9\t</s>
-0.5\ta\t-0.2
-0.7\té\t-0.1

\\2-grams:
-0.4\t<s> a
-0.6\ta é

\\end\\
""".splitlines()


@pytest.fixture
def arpa(tmp_path):
    write_arpa(tmp_path / "m.arpa", [5, 2], ROWS)
    return tmp_path / "m.arpa"


def test_what_was_written_is_read(arpa):
    assert arpa.read_text().splitlines() == LINES
    assert read_arpa(arpa) == Arpa(tuple({n: (p, b) for n, p, b in rows} for rows in ROWS))
    assert read_unigrams(arpa) == (2, {n: p for n, p, _ in ROWS[0]})


def test_a_header_padded_with_spaces_is_read(arpa, tmp_path):
    """IRSTLM writes `ngram  1=       489`."""
    padded = tmp_path / "padded.arpa"
    padded.write_text(arpa.read_text().replace("ngram 1=5", "ngram  1=       5"))
    assert read_arpa(padded) == read_arpa(arpa)


def test_backing_off_by_hand(arpa):
    found = read_arpa(arpa)
    assert found.log10_of(["a", "é", "z"]) == pytest.approx([-0.4, -0.6, -0.1 - 1.5, -0.9])


def edited(number, line=None):
    """All lines, one of them (from 1) replaced, or left out."""
    return [*LINES[: number - 1], *([] if line is None else [line]), *LINES[number:]]


@pytest.mark.parametrize(
    ("lines", "where", "what"),
    [
        (edited(1, "hello"), ":5", "expected \\data\\, found"),
        (edited(2, "ngram 1=6"), ":12", "6 1-grams were announced, but only 5"),
        (edited(2, "ngram 1=4"), ":10", "expected \\2-grams:"),
        (edited(2, "ngram 2=5"), ":2", "expected the number of 1-grams"),
        (edited(3, "ngram 2=1"), ":14", "more 2-grams than announced"),
        (edited(5, "\\2-grams:"), ":5", "expected \\1-grams:"),
        (edited(6, "-1.5x\t<unk>"), ":6", "not a number"),
        (edited(6, "0.5\t<unk>"), ":6", "no logarithm of a probability"),
        (edited(6, "nan\t<unk>"), ":6", "no logarithm of a probability"),
        (edited(6, "-0.5"), ":6", "expected a probability"),
        (edited(9, "-0.5\té\t-0.2"), ":10", "stands here twice"),
        (edited(13, "-0.4\tb a"), ":13", "but not 'b'"),
        (edited(13, "-0.4\ta"), ":13", "expected a probability, 2 units"),
        (LINES[:8], "", "the file ends where 2 more 1-grams should come: it is cut short"),
        (LINES[:-1], "", "the file ends where \\end\\ should come"),
        ([], "", "the file ends where \\data\\ should come"),
        (edited(8, "-0.9\tb"), "", "has no </s>"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(tmp_path, lines, where, what):
    (path := tmp_path / "m.arpa").write_text("\n".join(lines) + "\n")
    for read in (read_arpa, load_language_model):
        with pytest.raises(ModelError) as caught:
            read(path)
        message = str(caught.value).replace(" -> ", ": ")
        assert message.startswith(f"{path}{where}: ") and what in message, message


def test_what_is_no_text_is_refused(tmp_path):
    (path := tmp_path / "m.arpa").write_bytes(bytes(random.Random(1).randbytes(2000)))
    with pytest.raises(ModelError, match="not text in UTF-8"):
        read_arpa(path)
    with pytest.raises(ModelError, match="cannot read the language model"):
        read_arpa(tmp_path / "absent.arpa")


@given(st.integers(0, len("\n".join(LINES)) - 1))
def test_a_file_cut_anywhere_is_refused(tmp_path_factory, length):
    path = tmp_path_factory.mktemp("cut") / "m.arpa"
    path.write_text("\n".join(LINES)[:length])
    with pytest.raises(ModelError):
        load_language_model(path)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_kenlm_reads_it_and_agrees(tmp_path, order):
    rng, collector = random.Random(order), Collector()
    sentences = [[rng.choice("aabbbcdé") for _ in range(rng.randint(1, 9))] for _ in range(200)]
    for sentence in sentences:
        collector.add(sentence)
    model = estimate(collector.count(order, vocabulary=4))
    write_arpa(tmp_path / "m.arpa", model.sizes, model.ngrams())
    ours, theirs = read_arpa(tmp_path / "m.arpa"), load_language_model(tmp_path / "m.arpa")
    for sentence in [*sentences[:50], ["never seen", "a"]]:
        state, found = theirs.kenlm.start(False), []
        for unit in sentence:
            state, log10 = theirs.kenlm.score(state, theirs.rows.get(unit, theirs.unknown_row))
            found.append(log10)
        assert ours.log10_of(sentence) == pytest.approx([*found, theirs.kenlm.finish(state)[1]], abs=1e-4)
