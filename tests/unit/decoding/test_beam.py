import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lm_files import INVENTORY, LETTERS, heard, lm, noise

from vizinho.decoding.beam import BeamDecoder, letters_of
from vizinho.decoding.greedy import greedy
from vizinho.decoding.hotwords import Hotwords
from vizinho.decoding.lm.arpa import LN10, read_arpa
from vizinho.decoding.options import BeamOptions
from vizinho.errors import ModelError, SpecError, TextError
from vizinho.text.tokens import character_tokenizer, inventory_of

BLANK = 0
PLAIN = BeamOptions(lm_weight=0.0)


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return lm(tmp_path_factory.mktemp("w") / "w.arpa", "o pato", "a rata", "a rata", "a porta", letters=LETTERS)


@pytest.fixture(scope="module")
def letters(tmp_path_factory):
    path = tmp_path_factory.mktemp("c") / "c.arpa"
    return lm(path, "pato", "rata", "rota", "porta", "a rata", letters=LETTERS, unit="char", order=3)


def texts(decoder, log_probs, count=5):
    return [h.text for h in decoder.n_best(log_probs, count)]


@given(st.integers(0, 10_000), st.integers(0, 60), st.booleans())
def test_width_one_without_weights_is_greedy(seed, frames, add):
    log_probs = noise(seed, frames)
    decoder = BeamDecoder(INVENTORY, BeamOptions(beam_width=1, lm_weight=0.0, add_alignments=add))
    assert decoder(log_probs) == greedy(log_probs, BLANK)


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_width_one_and_weight_zero_is_greedy_whatever_the_models(words, letters, seed, frames):
    log_probs = noise(seed, frames)
    for models in ({"words": words}, {"letters": letters}, {"words": words, "letters": letters}):
        decoder = BeamDecoder(INVENTORY, BeamOptions(beam_width=1, lm_weight=0.0), **models)
        assert decoder(log_probs) == greedy(log_probs, BLANK)


def test_the_best_text_adds_up_its_alignments():
    """Two frames: "a" has three alignments of .16 to .24, more than any single path of another text."""
    log_probs = np.log(np.full((2, len(INVENTORY.tokens)), 1e-6, np.float32))
    log_probs[:, BLANK], log_probs[:, INVENTORY.index("a")] = math.log(0.6), math.log(0.4)
    both = BeamOptions(lm_weight=0.0)
    assert texts(BeamDecoder(INVENTORY, both), log_probs, 1) == ["a"]
    one = BeamOptions(lm_weight=0.0, add_alignments=False)
    assert texts(BeamDecoder(INVENTORY, one), log_probs, 1) == [""]


def exact(model, text):
    """Natural log-probability of a text by our own scorer of the file."""
    return LN10 * sum(read_arpa(model.path).log10_of(text))


@given(st.integers(0, 10_000), st.integers(1, 25))
def test_scores_are_those_of_the_written_text(words, letters, seed, frames):
    """What was counted in advance while a word was in progress is taken back: only whole texts decide."""
    log_probs = noise(seed, frames)
    options = BeamOptions(
        lm_weight=0.7, word_score=-0.4, letter_score=0.3, unknown_score=-1.1, add_alignments=False, beam_threshold=1e3
    )
    spelt = BeamDecoder(INVENTORY, options, words=words, letters=letters, hotwords={"pato": 2.0, "a rata": 3.0})
    alone = BeamDecoder(INVENTORY, options, letters=letters)
    uniform = BeamDecoder(INVENTORY, options, words=words)
    for kind, decoder in (("both", spelt), ("letters", alone), ("words", uniform)):
        for found in decoder.n_best(log_probs, 3):
            parts = found.text.split()
            expected = -0.4 * len(parts) + 0.3 * sum(map(len, parts))
            if kind == "letters":
                expected += 0.7 * exact(letters, found.text.replace(" ", "|"))
            else:
                expected += 0.7 * exact(words, parts)
                for word in parts:
                    favoured = kind == "both" and word in ("pato", "a", "rata")
                    if word not in words.unigrams and not favoured:
                        flat = -(len(word) + 1) * math.log(len(LETTERS) + 1)
                        expected += 0.7 * (exact(letters, word) if kind == "both" else flat) - 1.1
            if kind == "both":
                expected += 2.0 * parts.count("pato")
                expected += 3.0 * sum(a == "a" and b == "rata" for a, b in pairwise(parts))
            assert found.lm_score == pytest.approx(expected, abs=2e-3), found.text
            assert found.score == pytest.approx(found.acoustic_score + found.lm_score, abs=1e-6)
            path_score = sum(math.log(e.probability) for e in found.emissions if e.end_frame == e.start_frame + 1)
            assert path_score <= 0.0


def test_a_word_model_hears_known_words(words):
    log_probs = heard("a rota", doubt=[(3, "a", 0.3)])
    assert texts(BeamDecoder(INVENTORY, PLAIN), log_probs, 1) == ["a rota"]
    assert texts(BeamDecoder(INVENTORY, BeamOptions(lm_weight=0.5), words=words), log_probs, 1) == ["a rata"]


def test_a_word_that_the_model_does_not_know_can_be_written(words, letters):
    log_probs = heard("a rota")
    for models in ({"words": words}, {"words": words, "letters": letters}):
        assert texts(BeamDecoder(INVENTORY, BeamOptions(lm_weight=0.5), **models), log_probs, 1) == ["a rota"]


def test_or_not_where_unknown_words_are_ruled_out(words):
    closed = BeamOptions(lm_weight=0.5, unknown_words=False, beam_threshold=100.0, token_cutoff=20)
    found = texts(BeamDecoder(INVENTORY, closed, words=words), heard("a rota"), 1)
    assert all(word in words.unigrams for word in found[0].split())
    assert found[0]


def test_spelling_by_letters_decides_between_unknown_words(words, letters):
    """ "rots" and "rota" are both unknown; the character model has seen "rota"."""
    log_probs = heard("rots", doubt=[(3, "a", 0.2)])
    options = BeamOptions(lm_weight=0.7)
    assert texts(BeamDecoder(INVENTORY, options, words=words), log_probs, 1) == ["rots"]
    assert texts(BeamDecoder(INVENTORY, options, words=words, letters=letters), log_probs, 1) == ["rota"]
    assert texts(BeamDecoder(INVENTORY, options, letters=letters), log_probs, 1) == ["rota"]


@pytest.fixture(scope="module")
def pieces():
    """Pieces that begin words, and pieces within words."""

    class Pieces:
        pad_token, unk_token = "<pad>", "<unk>"

        def get_vocab(self):
            return {
                t: i for i, t in enumerate(["<pad>", "<unk>", "▁a", "▁ra", "▁ro", "ta", "t", "a", "▁", "▁pa", "to"])
            }

    return inventory_of(Pieces())


def test_pieces_of_words_go_the_same_way(pieces, words, letters):
    assert letters_of(pieces) == set("artop")
    rows = np.full((8, len(pieces.tokens)), 1e-4)
    for frame, piece in ((0, "▁a"), (2, "▁ro"), (4, "ta")):
        rows[frame, pieces.index(piece)], rows[frame + 1, 0] = 1.0, 1.0
    rows[6:, 0] = 1.0
    rows[5, pieces.index("ta")] = 0.5  # the last piece may last longer than a frame
    rows[2, pieces.index("▁ra")] = 0.4
    log_probs = np.log(rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    plain = BeamDecoder(pieces, PLAIN).n_best(log_probs, 1)[0]
    assert plain.text == "a rota"
    assert [e.token for e in plain.emissions] == [e.token for e in greedy(log_probs, 0)]
    for models in ({"words": words}, {"letters": letters}):
        assert texts(BeamDecoder(pieces, BeamOptions(lm_weight=0.8), **models), log_probs, 1) == ["a rata"]


def test_the_n_best_are_different_and_in_order(letters):
    options = BeamOptions(beam_width=50, lm_weight=0.5)
    found = BeamDecoder(INVENTORY, options, letters=letters).n_best(noise(3, 20), 10)
    assert len({h.text for h in found}) == len(found) == 10
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


def test_emissions_know_their_frames(words):
    emissions = BeamDecoder(INVENTORY, BeamOptions(lm_weight=0.5), words=words)(heard("a rata"))
    assert [(INVENTORY.tokens[e.token], e.start_frame, e.end_frame) for e in emissions] == [
        (letter, 2 * i, 2 * i + 1) for i, letter in enumerate("a|rata")
    ]
    assert all(0.9 < e.probability <= 1.0 for e in emissions)


def test_the_same_decoder_serves_many_utterances(words):
    decoder = BeamDecoder(INVENTORY, BeamOptions(lm_weight=0.5), words=words)
    first = decoder.n_best(noise(1, 30), 5)
    decoder.n_best(noise(2, 50), 5)
    assert decoder.n_best(noise(1, 30), 5) == first
    assert decoder(noise(1, 0)) == [] and decoder.n_best(noise(1, 0), 3) == []


@pytest.mark.parametrize("mode", ["none", "words", "letters"])
def test_a_hotword_near_in_score_is_heard_and_only_there(words, letters, mode):
    models = {"none": {}, "words": {"words": words}, "letters": {"letters": letters}}[mode]
    options = BeamOptions(lm_weight=0.0 if mode == "none" else 0.3)
    close = heard("a testo", doubt=[(6, "a", 0.1)])
    far = heard("o pato")
    without = BeamDecoder(INVENTORY, options, **models)
    boosted = BeamDecoder(INVENTORY, options, hotwords={"testa": 5.0}, **models)
    assert texts(without, close, 1) == ["a testo"]
    assert texts(boosted, close, 1) == ["a testa"]
    assert texts(boosted, far, 1) == texts(without, far, 1) == ["o pato"]


def test_a_phrase_is_favoured_as_a_whole():
    decoder = BeamDecoder(INVENTORY, PLAIN, hotwords={"costa rota": 8.0})
    assert texts(decoder, heard("costo rata", doubt=[(4, "a", 0.2), (7, "o", 0.2)]), 1) == ["costa rota"]
    assert texts(decoder, heard("costo", doubt=[(4, "a", 0.2)]), 1) == ["costo"]
    assert texts(decoder, heard("costo porto", doubt=[(4, "a", 0.2)]), 1) == ["costo porto"]


def test_a_hotword_is_whole_words_only():
    """ "rata" within "ratas" and "erata" gains nothing, nor does half of a phrase."""
    hotwords = Hotwords({"rata": 4.0, "o pato": 6.0})

    def gain(text):
        state, total = hotwords.start(), 0.0
        for c in text:
            state, change = hotwords.boundary(state) if c == " " else hotwords.letter(state, c)
            total += change
        state, change = hotwords.boundary(state)
        return total + change + hotwords.end(state)

    assert gain("rata") == 4.0 and gain("a rata rata") == 8.0 and gain("o pato") == 6.0
    assert gain("ratas") == gain("erata") == gain("rat") == gain("o rato") == gain("pato") == gain("o") == 0.0


@pytest.mark.parametrize("boosts", [{"": 1.0}, {"a": 0.0}, {"a": -1.0}, {"a": math.nan}, {"a": math.inf}])
def test_impossible_hotwords_are_refused(boosts):
    with pytest.raises(TextError):
        Hotwords(boosts)


def test_what_does_not_belong_together_is_refused(words, letters):
    with pytest.raises(ModelError, match="of chars, not of words"):
        BeamDecoder(INVENTORY, words=letters)
    with pytest.raises(ModelError, match="5 log-probabilities a frame, 11 tokens"):
        BeamDecoder(INVENTORY)(noise(1, 3, width=5))


@pytest.mark.parametrize("options", [{"beam_width": 0}, {"token_cutoff": 0}, {"lm_weight": -1}, {"beam_threshold": -1}])
def test_impossible_options_are_refused(options):
    with pytest.raises(SpecError):
        BeamOptions(**options)


def test_capitals_and_marks_are_searched_as_small_letters_and_written_as_they_are(words):
    inventory = inventory_of(character_tokenizer([*LETTERS, "A", "P", "R", ",", "."]))
    assert letters_of(inventory) == set(LETTERS)
    decoder = BeamDecoder(inventory, BeamOptions(lm_weight=0.8), words=words, hotwords={"porta": 2.0})
    log_probs = heard("A Rota, o Porta.", doubt=[(3, "a", 0.2)], inventory=inventory)
    best = decoder.n_best(log_probs, 1)[0]
    assert best.text == "a rata o porta"
    assert "".join(inventory.tokens[e.token] for e in best.emissions) == "A|Rata,|o|Porta."
