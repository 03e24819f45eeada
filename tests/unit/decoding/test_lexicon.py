import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lm_files import INVENTORY, LETTERS, heard, lm, lm_file, noise

from vizinho.decoding.beam import BeamDecoder
from vizinho.decoding.greedy import words_of
from vizinho.decoding.lexicon import NOWHERE, ROOT, Entry, Lexicon, read_lexicon, write_lexicon
from vizinho.decoding.options import BeamOptions
from vizinho.decoding.setup import DecoderSpec, make_decoder, own_decoder, read_decoder, write_own_decoder
from vizinho.errors import TextError
from vizinho.text.normalize import get_normalizer

ALPHABET = {letter: number for number, letter in enumerate(sorted(LETTERS))}
SPELLINGS = st.text(LETTERS, min_size=1, max_size=6)


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return lm(tmp_path_factory.mktemp("w") / "w.arpa", "o pato", "a rata", "a rata", "a porta", letters=LETTERS)


def test_a_tree_knows_every_beginning_and_what_it_may_become():
    @given(st.lists(st.tuples(SPELLINGS, st.floats(-9, 0)), min_size=1, max_size=30), SPELLINGS)
    def check(listed, other):
        entries = [Entry(f"word{n}", spelling, log_prob) for n, (spelling, log_prob) in enumerate(listed)]
        tree = Lexicon(entries, ALPHABET)
        for spelling in [other, *(e.spelling for e in entries)]:
            node = np.array([ROOT])
            for size, letter in enumerate(spelling, start=1):
                node = tree.child(node, np.array([ALPHABET[letter]]))
                below = [e.log_prob for e in entries if e.spelling.startswith(spelling[:size])]
                assert (node[0] != NOWHERE) == bool(below)
                if below:
                    assert tree.ahead[node[0]] == max(below)
            here = {e.word for e in entries if e.spelling == spelling}
            assert {tree.entries[i].word for i in tree.at(int(node[0]))} == here

    check()


def test_a_word_is_written_in_its_own_way_where_its_spelling_is_recognised(words):
    """The network writes "rata" as "rota" and "os" for "o"; the lexicon knows."""
    spellings = {"rata": {"rota": 0.0}, "o": {"os": -0.5, "o": -0.5}}
    decoder = BeamDecoder(INVENTORY, BeamOptions(lm_weight=0.5), words=words, spellings=spellings)
    assert decoder.n_best(heard("a rota"), 1)[0].text == "a rata"
    assert decoder.n_best(heard("os pato"), 1)[0].text == "o pato"


def test_words_that_are_spelt_alike_are_told_apart_by_their_neighbours(words):
    spellings = {"pato": {"ar": 0.0}, "rata": {"ar": 0.0}}
    decoder = BeamDecoder(INVENTORY, BeamOptions(lm_weight=1.0), words=words, spellings=spellings)
    assert decoder.n_best(heard("o ar"), 1)[0].text == "o pato"
    assert decoder.n_best(heard("a ar"), 1)[0].text == "a rata"


def test_the_price_of_a_spelling_counts(words):
    log_probs = heard("a rota")
    scores = [
        BeamDecoder(INVENTORY, BeamOptions(lm_weight=0.5), words=words, spellings={"rata": {"rota": cost}})
        .n_best(log_probs, 1)[0]
        .score
        for cost in (0.0, -2.0)
    ]
    assert scores[0] - scores[1] == pytest.approx(1.0)


def test_a_word_that_only_the_lexicon_knows_costs_no_letters(words):
    with_word = BeamDecoder(INVENTORY, BeamOptions(lm_weight=1.0), words=words, spellings={"testa": {"testa": 0.0}})
    without = BeamDecoder(INVENTORY, BeamOptions(lm_weight=1.0), words=words)
    spelt = 6 * math.log(len(LETTERS) + 1)
    scores = [d.n_best(heard("a testa"), 1)[0].score for d in (with_word, without)]
    assert scores[0] - scores[1] == pytest.approx(spelt, abs=0.01)  # but for other alignments of the text


@given(st.integers(0, 10_000), st.integers(1, 40), st.booleans())
def test_words_lie_in_order_inside_the_audio(words, seed, frames, spelt):
    spellings = {"rata": {"ra": 0.0}, "pato": {"op": -1.0, "pato": 0.0}} if spelt else None
    decoder = BeamDecoder(INVENTORY, BeamOptions(lm_weight=0.5), words=words, spellings=spellings)
    for hypothesis in decoder.n_best(noise(seed, frames), 3):
        times = [(w.start_seconds, w.end_seconds) for w in words_of(hypothesis.emissions, INVENTORY, 0.04)]
        assert len(times) == len(hypothesis.text.split())
        flat = [second for pair in times for second in pair]
        assert flat == sorted(flat) and all(0.0 <= second <= frames * 0.04 + 1e-9 for second in flat)


@given(st.dictionaries(SPELLINGS, st.dictionaries(SPELLINGS, st.floats(-9, 0).map(lambda x: round(x, 3)), min_size=1)))
def test_a_lexicon_is_read_as_it_was_written(tmp_path_factory, spellings):
    path = tmp_path_factory.mktemp("l") / "l.tsv"
    write_lexicon(path, spellings)
    if spellings:
        assert read_lexicon(path) == spellings
    else:
        with pytest.raises(TextError, match="the lexicon is empty"):
            read_lexicon(path)


def test_a_plain_list_of_words_is_a_lexicon(tmp_path):
    (tmp_path / "words.txt").write_text("casa\n\nrata\trota\n")
    assert read_lexicon(tmp_path / "words.txt") == {"casa": {"casa": 0.0}, "rata": {"rota": 0.0}}


@pytest.mark.parametrize("line", ["two words", "a\tb c", "a\tb\tmuch", "a\tb\t1.5", "a\tb\tnan", "\tb"])
def test_a_line_that_is_no_entry_is_named(tmp_path, line):
    path = tmp_path / "l.tsv"
    path.write_text(f"casa\n{line}\n")
    with pytest.raises(TextError, match=r"is no entry.*word, tab, spelling") as caught:
        read_lexicon(path)
    assert str(caught.value).startswith(f"{path}:2")


def test_letters_that_the_recogniser_lacks_are_counted_and_another_script_is_refused(tmp_path, caplog):
    model, path = lm_file(tmp_path / "w.arpa", "a rata"), tmp_path / "l.tsv"
    spec = DecoderSpec((model,), lexicon=path)
    path.write_text("rata\ngato\nfado\n")
    make_decoder(spec, INVENTORY, get_normalizer("pt"))
    assert "2 of 3 words are left out, because the recogniser lacks 'd' 'f' 'g': 'gato' 'fado'" in caplog.text
    path.write_text("крыса\nутка\n")
    with pytest.raises(TextError, match="cannot write one of its 2 words: it lacks"):
        make_decoder(spec, INVENTORY, get_normalizer("pt"))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(TextError, match="cannot read the lexicon"):
        make_decoder(spec, INVENTORY, get_normalizer("pt"))


def test_a_lexicon_goes_with_a_word_model(tmp_path):
    (tmp_path / "l.tsv").write_text("rata\n")
    with pytest.raises(TextError, match="without a word model"):
        make_decoder(DecoderSpec(lexicon=tmp_path / "l.tsv"), INVENTORY, get_normalizer("pt"))


def test_a_huge_lexicon_is_searched(tmp_path, words):
    rng = np.random.default_rng(1)
    lines = {"".join(rng.choice(list(LETTERS), size=rng.integers(2, 9))) for _ in range(60_000)}
    path = tmp_path / "l.tsv"
    path.write_text("\n".join(sorted(lines)))
    decoder = BeamDecoder(INVENTORY, BeamOptions(lm_weight=0.3), words=words, spellings=read_lexicon(path))
    assert decoder.n_best(heard("a rota"), 1)[0].text


def test_a_model_takes_a_decoder_with_copies_of_its_files(tmp_path):
    model, path = lm_file(tmp_path / "w.arpa", "a rata"), tmp_path / "l.tsv"
    path.write_text("rata\trota\n")
    spec = DecoderSpec((model,), BeamOptions(lm_weight=0.3), {"rata": 2.0}, path)
    assert own_decoder(tmp_path) is None
    write_own_decoder(tmp_path / "decoder", spec, {"cer": 0.5})
    model.unlink()
    read = read_decoder(own_decoder(tmp_path))
    assert read.options == spec.options and read.lexicon.read_text() == path.read_text()
    found = make_decoder(read, INVENTORY, get_normalizer("pt")).n_best(heard("a rota"), 1)
    assert found[0].text == "a rata"
