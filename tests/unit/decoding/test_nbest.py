"""Language models choose among texts that a network with a decoder writes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lm_files import LETTERS, lm, lm_file

from vizinho.decoding.lm.arpa import LN10, read_arpa
from vizinho.decoding.lm.mix import mix_files
from vizinho.decoding.nbest import Candidate, NBestDecoder, chooser, nbest_decoder
from vizinho.decoding.options import BeamOptions
from vizinho.decoding.rescore import RescoreOptions, Rescoring
from vizinho.decoding.setup import DecoderSpec
from vizinho.errors import ModelError, SpecError
from vizinho.text.normalize import get_normalizer

PORTUGUESE = get_normalizer("pt")
CANDIDATES = [Candidate("A rota.", -1.0), Candidate("A rata!", -1.5), Candidate("a rata", -2.0)]


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return lm(tmp_path_factory.mktemp("lm") / "w.arpa", "a rata", "a rata", "o pato")


@pytest.fixture(scope="module")
def letters(tmp_path_factory):
    return lm(tmp_path_factory.mktemp("lm") / "c.arpa", "a rata", "a rata", "o pato", unit="char", order=3)


def texts(decoder, candidates=CANDIDATES):
    return [h.text for h in decoder.n_best(candidates, 9)]


def test_a_known_word_wins_over_a_likelier_sound_by_its_weight(words):
    decoder = NBestDecoder(PORTUGUESE, BeamOptions(lm_weight=0.0), words=words)
    assert texts(decoder) == ["a rota", "a rata"]
    weighed = decoder.with_options(BeamOptions(lm_weight=1.0))
    assert texts(weighed) == ["a rata", "a rota"]
    assert weighed.place_of("a rata", CANDIDATES) == 1  # the network prefers these marks


def test_scores_are_those_of_the_model_and_unknown_words_are_spelt(words):
    decoder = NBestDecoder(PORTUGUESE, BeamOptions(lm_weight=0.5, word_score=1.0, letter_score=0.1), words=words)
    arpa = read_arpa(words.path)
    known, unknown = decoder.n_best([Candidate("a rata", -2.0), Candidate("a rota", -2.0)], 2)
    assert known.lm_score == pytest.approx(0.5 * LN10 * sum(arpa.log10_of(["a", "rata"])) + 2.0 + 0.5)
    # The word, each of its letters, and its end: all letters, and one that stands for every other, are equally likely.
    spelt = -5 * math.log(len(LETTERS) + 2)
    assert unknown.lm_score == pytest.approx(0.5 * (LN10 * sum(arpa.log10_of(["a", "rota"])) + spelt) + 2.0 + 0.5)
    dearer = decoder.with_options(BeamOptions(lm_weight=0.5, unknown_score=-3.0))
    assert dearer.n_best(CANDIDATES[:1], 1)[0].lm_score < -3.0


def test_without_unknown_words_the_likeliest_known_one_is_taken_where_there_is_one(words):
    closed = NBestDecoder(PORTUGUESE, BeamOptions(lm_weight=0.0, unknown_words=False), words=words)
    assert texts(closed)[0] == "a rata"
    assert texts(closed, [Candidate("Xixi", -1.0), Candidate("Zzz", -2.0)]) == ["xixi", "zzz"]


def test_letters_alone_score_the_text_and_spell_unknown_words(words, letters):
    alone = NBestDecoder(PORTUGUESE, BeamOptions(lm_weight=1.0), letters=letters)
    assert (alone.scores_words, alone.scores_letters) == (False, True)
    assert texts(alone)[0] == "a rata"
    both = NBestDecoder(PORTUGUESE, BeamOptions(lm_weight=1.0), words=words, letters=letters)
    assert (both.scores_words, both.scores_letters) == (True, False)
    likely, unlikely = both.n_best([Candidate("a ratata", 0.0), Candidate("a cscscs", 0.0)], 2)
    assert (likely.text, unlikely.text) == ("a ratata", "a cscscs") and likely.score > unlikely.score


@given(
    st.lists(
        st.builds(Candidate, st.text(max_size=12), st.floats(-99, 0)),
        min_size=1,
        max_size=8,
    )
)
def test_weights_of_nothing_leave_the_networks_order_whatever_the_texts(words, letters, candidates):
    nothing = BeamOptions(lm_weight=0.0)
    order, seen = [], {}
    for candidate in candidates:
        text = PORTUGUESE.recognised(candidate.text)
        if text not in seen:
            seen[text] = candidate.log_prob
            order.append(text)
    order.sort(key=lambda text: -seen[text])
    for decoder in (
        NBestDecoder(PORTUGUESE, nothing),
        NBestDecoder(PORTUGUESE, nothing, words=words),
        NBestDecoder(PORTUGUESE, nothing, letters=letters),
    ):
        assert texts(decoder, candidates) == order
        weighed = decoder.with_options(BeamOptions(lm_weight=0.7))
        assert sorted(texts(weighed, candidates)) == sorted(order)
        assert all(math.isfinite(h.score) for h in weighed.n_best(candidates, 9))


def test_a_decoder_has_the_normaliser_of_its_model(tmp_path):
    spanish = lm_file(tmp_path / "es.arpa", "a rata", lang="es")
    spec = DecoderSpec((spanish,), BeamOptions(lm_weight=9.0))
    assert texts(nbest_decoder(spec, None))[0] == "a rata"
    assert chooser(spec, PORTUGUESE)(CANDIDATES) == 1
    with pytest.raises(SpecError, match=r"how texts are normalised.*lm train"):
        nbest_decoder(DecoderSpec(), None)


def test_what_does_not_fit_is_refused(tmp_path):
    one, other = (lm_file(tmp_path / f"{name}.arpa", "a rata") for name in ("one", "other"))
    with pytest.raises(SpecError, match="a second language model of words"):
        nbest_decoder(DecoderSpec((one, other)), PORTUGUESE)
    with pytest.raises(SpecError, match=r"lexicon.*has a decoder.*leave the lexicon out"):
        nbest_decoder(DecoderSpec((one,), lexicon=tmp_path / "lexicon.txt"), PORTUGUESE)
    one.write_text("no model")
    with pytest.raises(ModelError):
        nbest_decoder(DecoderSpec((one,)), PORTUGUESE)


class Mice:
    """Likes mice."""

    def score(self, sentences):
        return [0.0 if "rata" in sentence else -9.0 for sentence in sentences]


def test_a_second_model_has_the_last_word(tmp_path):
    folder = tmp_path / "second"
    folder.mkdir()
    for weight, place in ((0.0, 0), (1.0, 1)):
        rescoring = Rescoring(folder, RescoreOptions(weight=weight), lambda _folder: Mice())
        assert chooser(DecoderSpec(rescoring=rescoring), PORTUGUESE)(CANDIDATES) == place


def test_models_of_any_letters_can_be_mixed(tmp_path):
    one, other = (
        lm_file(tmp_path / f"{name}.arpa", text, letters=()) for name, text in (("one", "ž a"), ("other", "a ñu"))
    )
    with pytest.raises(ModelError, match="letters of one only"):
        mix_files(one, other, 0.5, tmp_path / "mixed.arpa")
    card = mix_files(one, other, 0.5, tmp_path / "mixed.arpa", any_letters=True)
    assert card.alphabet == "".join(sorted("žañu"))
    assert {"ž", "ñu"} <= set(read_arpa(tmp_path / "mixed.arpa").vocabulary)
