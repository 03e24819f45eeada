import pytest
from lm_files import INVENTORY, heard, lm

from vizinho.decoding.beam import BeamDecoder
from vizinho.decoding.options import BeamOptions
from vizinho.decoding.rescore import RescoreOptions, RescoringDecoder
from vizinho.decoding.tune import RESCORE_TRIALS, Grid, Trial, best, grid_for, tune, tune_rescoring

REFERENCES = {"1": "a rata", "2": "o pato"}
LOG_PROBS = {"1": heard("a rota", doubt=[(3, "a", 0.2)]), "2": heard("o pato")}


def texts(search):
    return {name: search.n_best(log_probs, 1)[0].text for name, log_probs in LOG_PROBS.items()}


@pytest.fixture
def decoder(tmp_path):
    return BeamDecoder(INVENTORY, words=lm(tmp_path / "w.arpa", "a rata", "o pato"))


def test_the_weight_that_hears_best_is_found(decoder):
    grid = Grid(lm_weights=(0.0, 0.4), word_scores=(0.0, 1.0), unknown_scores=(-1.0,), finer=(), beam_widths=(4,))
    moved = []
    trials = tune(texts, REFERENCES, decoder, grid, progress=lambda done, _: moved.append(done))
    assert len(moved) == grid.trials == 6 and len(trials) == 5  # one set of options came up twice
    assert trials[0].options.lm_weight == 0.0 and trials[0].cer == pytest.approx(1 / 12)
    taken = best(trials)
    assert taken.cer == 0.0 and taken.options.lm_weight == 0.4 and taken.options.word_score == 0.0


def test_of_equals_the_smallest_weight_is_taken():
    trials = [Trial(BeamOptions(lm_weight=w), 0.5, wer) for w, wer in ((0.7, 0.4), (0.2, 0.4), (0.3, 0.4))]
    assert best(trials).options.lm_weight == 0.2
    better = Trial(BeamOptions(lm_weight=1.4), 0.5, 0.1)
    assert best([*trials, better]) == better
    assert best([*trials, Trial(BeamOptions(), 0.6, 0.1)], "wer").cer == 0.6


def test_what_is_tried_depends_on_the_models(decoder, tmp_path):
    letters = BeamDecoder(INVENTORY, letters=lm(tmp_path / "c.arpa", "a rata", unit="char"))
    assert len(grid_for(decoder).word_scores) > 1 and len(grid_for(decoder).letter_scores) > 1
    assert len(grid_for(letters).letter_scores) > 1 and not grid_for(letters).word_scores
    assert grid_for(decoder).closed and not grid_for(letters).closed
    assert grid_for(BeamDecoder(INVENTORY)).trials == 1


def test_unknown_words_are_ruled_out_where_that_is_better(decoder):
    log_probs = {"1": heard("a rsta"), "2": heard("o pato")}
    found = tune(
        lambda search: {i: search.n_best(v, 1)[0].text for i, v in log_probs.items()},
        REFERENCES,
        decoder,
        Grid(lm_weights=(0.1,), closed=True),
    )
    assert not best(found).options.unknown_words and best(found).wer == 0.0


class Ducks:
    """Likes ducks."""

    calls = 0

    def score(self, sentences):
        self.calls += len(sentences)
        return [0.0 if "pato" in sentence else -4.0 for sentence in sentences]


class Counted(BeamDecoder):
    """A search that counts how often it is asked."""

    def __init__(self, beam):
        self.beam, self.asked = beam, []

    options = BeamOptions(lm_weight=0.0)

    def n_best(self, log_probs, count):
        self.asked.append(count)
        return self.beam.n_best(log_probs, count)


def test_the_weight_of_a_second_model_is_found_with_one_search(decoder):
    log_probs = {"1": heard("a rata"), "2": heard("o paso", doubt=[(4, "t", 0.2)])}
    scorer, beam = Ducks(), Counted(decoder.with_options(Counted.options))

    def texts(search):
        return {name: search.n_best(values, 1)[0].text for name, values in log_probs.items()}

    assert texts(beam.beam) == {"1": "a rata", "2": "o paso"}
    trials = tune_rescoring(texts, REFERENCES, beam, scorer, RescoreOptions())
    assert len(trials) == RESCORE_TRIALS
    assert beam.asked == [20, 20]
    assert scorer.calls == len({h.text for values in log_probs.values() for h in beam.beam.n_best(values, 20)})
    taken = best(trials)
    assert taken.cer == 0.0 and taken.rescoring.weight > 0.05 and taken.rescoring.word_score == 0.0
    assert texts(RescoringDecoder(beam.beam, scorer, taken.rescoring)) == REFERENCES
