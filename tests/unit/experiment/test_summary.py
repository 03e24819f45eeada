import math

import pytest
from results import arm, finding, movement, update

from vizinho.experiment.efficiency import data_efficiency
from vizinho.experiment.results import lines_of
from vizinho.experiment.summary import summarise

GOOD, BAD, LIKE_BAD = [1, 2] * 20, [7, 9] * 20, [9, 7] * 20


def test_seeds_are_pooled_and_nothing_is_better_without_a_test():
    found = summarise([arm("es", 1, [0.9, 0.4, 0.2], GOOD), arm("scratch", 1, [1.0, 0.9, 0.5], BAD)])
    assert [p.cer for p in found.pooled] == pytest.approx([0.15, 0.8])
    assert "es is better than scratch by 81% at 8 minutes (CER 0.150 against 0.800" in found.reading
    assert found.comparisons[0].better == "es"
    same = summarise([arm("es", 1, [0.9, 0.6], BAD), arm("scratch", 1, [0.9, 0.5], LIKE_BAD)])
    assert "No difference shown between es and scratch" in same.reading
    assert same.comparisons[0].better is None


def test_many_starts_are_summed_up_in_the_text_and_whole_in_the_answers():
    summary = summarise([arm(f"d{i}", 1, [0.9, 0.5], GOOD) for i in range(7)] + [arm("scratch", 1, [1.0, 0.9], BAD)])
    about_starts = next(line for line in summary.reading.splitlines() if "d0" in line)
    assert about_starts.count(" corrected p = ") == 10 and "(and 18 sentences more: `vizinho report`" in about_starts
    assert len(summary.questions.final_rates.answer[0].says) == 28  # pairs of eight starts


def test_seeds_stand_singly_too_with_mapsswe_on_words():
    arms = [arm(s, seed, [0.9, 0.5], e) for seed in (1, 2) for s, e in (("es", GOOD), ("scratch", BAD))]
    found = {c.metric: c for c in summarise(arms).comparisons}
    assert [s.seed for s in found["cer"].by_seed] == [1, 2]
    assert all(s.difference == pytest.approx(-0.65) and s.p < 0.01 for s in found["cer"].by_seed)
    assert found["wer"].by_seed[0].mapsswe.segments > 0


@pytest.mark.parametrize(
    ("speakers", "decided", "note"),
    [
        (1, "utterance", "one speaker only: this says nothing about other speakers"),
        (5, "utterance", "5 speakers are too few for a test by speaker to decide"),
        (8, "speaker", ""),
    ],
)
def test_speakers_decide_where_there_are_enough(speakers, decided, note):
    arms = [arm("es", 1, [0.9], GOOD, speakers=speakers), arm("scratch", 1, [0.9], BAD, speakers=speakers)]
    found = summarise(arms)
    comparison = found.comparisons[0]
    assert (comparison.decided_by, comparison.by_speaker.note) == (decided, note)
    assert comparison.p_decisive == (comparison.by_speaker.p if speakers == 8 else comparison.p)
    assert (comparison.by_speaker.p is None) == (speakers == 1)
    assert (note in found.reading) or not note


def test_every_pair_belongs_to_the_family_of_its_question():
    def made(start, **changes):
        return arm(start, 1, [0.9, 0.5], GOOD, **changes)

    arms = [
        made("es", recipe="ours"),
        made("es", recipe="frozen"),
        made("es", recipe="fresh"),
        made("en", recipe="ours"),
        made("long", recipe="ours", matched=False),
        made("scratch"),
        made("es+synthetic", recipe="ours", kind="synthetic", origin="es"),
        made("shuffled", recipe="ours", kind="shuffled-encoder", origin="es"),
    ]
    found = summarise(arms).comparisons
    pairs = {(c.a, c.b): c.family for c in found if c.metric == "cer"}
    assert pairs["es, ours", "en, ours"] == "starts"
    assert pairs["es, ours", "scratch"] == "starts"
    assert pairs["es, ours", "es, frozen"] == pairs["es, frozen", "scratch"] == "recipes"
    assert ("es, frozen", "es, fresh") not in pairs
    assert ("es, frozen", "en, ours") not in pairs
    assert pairs["es, ours", "long, ours"] == pairs["long, ours", "scratch"] == "unmatched"
    assert pairs["scratch", "es+synthetic, ours"] == "synthetic"
    assert pairs["es, ours", "shuffled, ours"] == pairs["scratch", "shuffled, ours"] == "controls"
    assert ("en, ours", "shuffled, ours") not in pairs
    sizes = {c.family: c.family_size for c in found}
    assert sizes["starts"] == 3
    assert sizes["recipes"] == 4


def test_a_family_runs_over_all_amounts_of_speech():
    arms = [arm(s, 1, [0.9], GOOD, minutes=m, minutes_asked=m) for m in (2.0, 8.0) for s in ("es", "scratch")]
    found = [c for c in summarise(arms).comparisons if c.metric == "cer"]
    assert [(c.minutes, c.family_size) for c in found] == [(2.0, 2), (8.0, 2)]


def test_steps_to_target_and_back():
    arms = [
        arm("es", 1, [0.9, 0.45, 0.2], GOOD),
        arm("es", 2, [0.4, 0.3, 0.2], GOOD),
        arm("scratch", 1, [1.0, 0.9, 0.5], BAD),
        arm("scratch", 2, [1.0, 0.9, 0.5], BAD),
    ]
    found = summarise(arms)
    row = found.questions.steps_to_target.rows[0]
    assert [p.steps_to_scratch_best for p in found.pooled] == [(10, 0), (20, 20)]
    assert [(s.steps, s.scratch_own_steps, s.scratch_steps, s.ratio) for s in row.by_seed] == [
        (10, 20, None, 2.0),
        (0, 20, None, None),
    ]
    assert row.ratio == 2.0
    assert "2.0 times as fast as scratch; scratch never matches it in 20 steps" in found.reading
    lost = summarise([arm("es", 1, [0.9, 0.5], GOOD), arm("scratch", 1, [1.0, 1.0], BAD)])
    assert "scratch learns nothing in 10 steps" in lost.reading
    assert lost.pooled[0].steps_to_scratch_best == ()
    never = summarise([arm("es", 1, [0.9, 0.8], BAD), arm("scratch", 1, [1.0, 0.5], GOOD)])
    assert "es at 8 minutes does not reach scratch's best on dev" in never.reading


def efficiency(goal, *scratch):
    arms = [
        arm("scratch", 1, [0.9], [e] * 20, minutes=m, minutes_asked=m) for m, e in zip((1.0, 4.0), scratch, strict=True)
    ]
    (row,) = data_efficiency(lines_of([*arms, arm("es", 1, [0.9], [goal] * 20, minutes=1.0, minutes_asked=1.0)]))
    return row


def test_minutes_that_scratch_needs_are_interpolated_on_their_logarithm():
    row = efficiency(6, 8, 4)
    assert (row.bound, row.scratch_minutes, row.ratio) == ("equal", pytest.approx(2), pytest.approx(2))
    assert row.ci == pytest.approx((2, 2))
    row = efficiency(5, 8, 4)
    assert row.scratch_minutes == pytest.approx(math.exp(0.75 * math.log(4)))


def test_what_scratch_never_or_always_reaches_is_bounded_not_guessed():
    assert (efficiency(2, 8, 4).bound, efficiency(2, 8, 4).scratch_minutes) == ("more", 4.0)
    assert efficiency(2, 8, 4).ci == (None, None)
    assert (efficiency(9, 8, 4).bound, efficiency(9, 8, 4).scratch_minutes) == ("less", 1.0)
    arms = [arm("scratch", 1, [1.0, 0.5], BAD), arm("es", 1, [0.9, 0.5], GOOD)]
    assert "scratch needs more than 8 minutes." in summarise(arms).reading


def moved(start, distances):
    return [arm(start, seed, [0.9, 0.5], GOOD, movement=movement(d)) for seed, d in enumerate(distances, start=1)]


def test_fewer_and_smaller_adjustments_are_tested_over_seeds():
    scratch = [arm("scratch", seed, [1.0, 0.9], BAD) for seed in (1, 2, 3)]
    found = summarise([*moved("es", (0.10, 0.11, 0.12)), *moved("en", (0.30, 0.32, 0.31)), *scratch])
    assert "es against en at 8 minutes: fewer adjustments with es and smaller adjustments with es" in found.reading
    unclear = summarise([*moved("es", (0.10, 0.30, 0.12)), *moved("en", (0.30, 0.10, 0.15)), *scratch])
    assert "no difference shown in how many weights move" in unclear.reading
    single = summarise([*moved("es", (0.1,)), *moved("en", (0.2,)), scratch[0]])
    assert "cannot be tested with 1 seed" in single.reading


def test_updates_say_what_training_moves_without_a_new_language():
    arms = [arm("es", 1, [0.9], GOOD), arm("scratch", 1, [1.0], BAD)]
    found = summarise(arms, [update(0.05)])
    assert "Going on with the donor's own language (goes on, 8 minutes) moves the encoder by 0.050" in found.reading
    assert [r.line for r in found.questions.adjustments.rows] == ["es", "goes on"]
    assert {p.line for p in found.pooled} == {"es", "scratch"}


def test_retention_and_collapse_are_in_the_reading():
    wrong = (finding("blank"),)
    found = summarise([arm("es", 1, [0.9], GOOD), arm("scratch", 1, [1.0], BAD, findings=wrong)])
    assert "After es at 8 minutes the CER of es is 0.500 (the start: 0.200)." in found.reading
    assert "Looks wrong (blank): scratch//8min/seed1." in found.reading
    way = found.questions.retention.rows[0].way
    assert [(p.place, p.cer.mean) for p in way] == [(0.0, 1.0), (0.5, 0.75), (1.0, 0.5)]


def test_a_best_arm_that_lacks_a_rare_letter_does_not_look_wrong():
    rare = (finding("letters never emitted"),)
    found = summarise([arm("es", 1, [0.9], GOOD, findings=rare), arm("scratch", 1, [1.0], BAD)])
    assert "Looks wrong" not in found.reading
    worse = summarise([arm("es", 1, [0.9], GOOD), arm("scratch", 1, [1.0], BAD, findings=rare)])
    assert "Looks wrong (letters never emitted): scratch//8min/seed1." in worse.reading
    blank = summarise([arm("es", 1, [0.9], GOOD, findings=(*rare, finding("blank"))), arm("scratch", 1, [1.0], BAD)])
    assert blank.reading.endswith("Looks wrong (blank): es//8min/seed1.")
