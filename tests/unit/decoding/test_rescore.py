import pytest
from lm_files import INVENTORY, heard, lm

from vizinho.decoding.beam import BeamDecoder, BeamOptions
from vizinho.decoding.greedy import Hypothesis
from vizinho.decoding.lm.arpa import LN10, read_arpa
from vizinho.decoding.rescore import RescoreOptions, Rescoring, RescoringDecoder, Scorer, rescore
from vizinho.errors import SpecError
from vizinho.text.normalize import get_normalizer


class NgramScorer:
    """An n-gram model in the role of the other language model."""

    def __init__(self, arpa):
        self.arpa = arpa

    def score(self, sentences):
        return [LN10 * sum(self.arpa.log10_of(sentence.split())) for sentence in sentences]


@pytest.fixture
def scorer(tmp_path) -> Scorer:
    model = lm(tmp_path / "w.arpa", "a rata", "a rata", "o pato")
    return NgramScorer(read_arpa(model.path))


def hypothesis(text, acoustic, first=0.0):
    return Hypothesis(text, (), acoustic + first, acoustic, first)


def test_an_ngram_scorer_gives_natural_logarithms_with_the_end(scorer):
    (found,) = scorer.score(["a rata"])
    assert found == pytest.approx(LN10 * sum(scorer.arpa.log10_of(["a", "rata"])))
    assert scorer.score([""])[0] == pytest.approx(LN10 * scorer.arpa.log10_probability("</s>", ["<s>"]))


def test_scores_are_combined_by_their_weights(scorer):
    found = rescore(
        [hypothesis("a rata", -5.0, -2.0)], scorer, RescoreOptions(weight=0.5, lm_share=0.25, word_score=1.5)
    )
    assert found[0].score == pytest.approx(-5.0 - 0.5 + 0.5 * scorer.score(["a rata"])[0] + 3.0)


def test_the_second_opinion_changes_the_order(scorer):
    found = [hypothesis("a rota", -5.0), hypothesis("a rata", -5.5), hypothesis("", -9.0)]
    assert [h.text for h in rescore(found, scorer, RescoreOptions(weight=0.0))] == ["a rota", "a rata", ""]
    assert rescore(found, scorer, RescoreOptions(weight=1.0))[0].text == "a rata"
    assert rescore([], scorer, RescoreOptions()) == []


def test_a_decoder_of_two_passes(scorer):
    log_probs = heard("a rota", doubt=[(3, "a", 0.3)])
    beam = BeamDecoder(INVENTORY, BeamOptions(lm_weight=0.0))
    two_passes = RescoringDecoder(beam, scorer, RescoreOptions(weight=0.7))
    assert [h.text for h in beam.n_best(log_probs, 1)] == ["a rota"]
    assert [h.text for h in two_passes.n_best(log_probs, 1)] == ["a rata"]
    assert "".join(INVENTORY.tokens[e.token] for e in two_passes(log_probs)) == "a|rata"
    assert two_passes(log_probs[:0]) == []
    favouring = RescoringDecoder(beam, scorer, RescoreOptions(weight=0.0)).with_hotwords({"rata": 9.0})
    assert favouring.n_best(log_probs, 1)[0].text == "a rata" and favouring.letters == beam.letters


@pytest.mark.parametrize("values", [{"n_best": 0}, {"weight": -1.0}, {"lm_share": -0.5}])
def test_options_out_of_range_are_refused(values):
    with pytest.raises(SpecError, match="rescoring"):
        RescoreOptions(**values)


def test_a_model_of_other_texts_is_used_with_a_warning(scorer, tmp_path, caplog):
    scorer.normalizer = "es-v1"
    second = Rescoring(tmp_path, load=lambda folder: scorer)
    assert second.scorer(None) is scorer and not caplog.records
    assert second.scorer(get_normalizer("pt")) is scorer
    assert "normaliser es-v1, the recogniser's through pt-v2" in caplog.text
    with pytest.raises(SpecError, match="nothing opens"):
        Rescoring(tmp_path).scorer(None)
