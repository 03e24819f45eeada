from hypothesis import given
from hypothesis import strategies as st

from vizinho.languages.measures import Kind, LevelResult
from vizinho.languages.rank import rank

VOTES = (("a", "x", 2.0), ("b", "y", 1.0))


def measure(level, name, value, nearer="higher", interval=None):
    kind = Kind(level, name, "", nearer)
    floor, ceiling = (0.0, 1.0) if nearer == "higher" else (4.0, 0.0)
    return kind.measure(value, floor=floor, ceiling=(ceiling, "itself"), sample=(10, "things"), interval=interval)


def results(**donors):
    return {d: [LevelResult(m.level, (m,)) for m in measures] for d, measures in donors.items()}


def test_the_weighted_votes_decide():
    found = rank(
        results(
            es=[measure("a", "x", 0.9), measure("b", "y", 3.0, "lower")],
            it=[measure("a", "x", 0.5), measure("b", "y", 1.0, "lower")],
        ),
        VOTES,
        least=1,
    )
    assert [(r.donor, round(r.score, 3)) for r in found] == [("es", 0.667), ("it", 0.333)]
    assert [v.won for v in found[0].votes] == [1.0, 0.0]


def test_a_gap_is_no_zero():
    found = rank(
        results(gl=[measure("b", "y", 0.9)], es=[measure("a", "x", 0.9), measure("b", "y", 0.5)], xx=[]),
        VOTES,
        least=1,
    )
    assert [r.donor for r in found] == ["es", "gl", "xx"] or [r.donor for r in found] == ["gl", "es", "xx"]
    by_donor = {r.donor: r for r in found}
    assert by_donor["gl"].score == 1.0
    assert by_donor["gl"].gaps == ("a/x",)
    assert by_donor["xx"].score is None
    assert by_donor["es"].votes[0].won is None


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_scores_lie_between_nought_and_one_and_are_shared_out(values):
    found = rank(results(**{f"d{i}": [measure("a", "x", v)] for i, v in enumerate(values)}), VOTES, 1)
    assert all(0 <= r.score <= 1 for r in found)
    assert abs(sum(r.score for r in found) - len(values) / 2) < 1e-9


def test_a_lead_within_the_noise_is_hardly_a_win():
    def noisy(value):
        return measure("a", "x", value, interval=(value - 0.1, value + 0.1))

    close = rank(results(es=[noisy(0.51)], fr=[noisy(0.50)]), VOTES, 1)
    clear = rank(results(es=[noisy(0.9)], fr=[noisy(0.50)]), VOTES, 1)
    assert 0.5 < close[0].score < 0.6
    assert clear[0].score > 0.99


def three(value):
    return [measure("a", name, value) for name in ("x", "y", "z")]


THREE = (("a", "x", 1.0), ("a", "y", 1.0), ("a", "z", 1.0))


def test_a_score_stands_on_three_votes_or_is_not_given():
    ranked = {r.donor: r for r in rank(results(es=three(0.9), it=three(0.5), gl=three(0.7)[:2]), THREE)}
    assert (ranked["es"].cast, ranked["es"].score) == (3, 1.0)
    assert (ranked["gl"].cast, ranked["gl"].score) == (2, None)


def test_one_donor_alone_has_no_score():
    (alone,) = rank(results(es=three(0.9)), THREE)
    assert alone.score is None and alone.cast == 0
    assert [v.value for v in alone.votes] == [0.9] * 3


def test_a_value_that_chance_gives_too_wins_nothing():
    kind = Kind("a", "x", "", "higher")
    by_chance = kind.measure(0.3, floor=0.3, ceiling=(1.0, ""), sample=(10, ""))
    earned = kind.measure(0.2, floor=0.0, ceiling=(1.0, ""), sample=(10, ""))
    ranked = rank({"fa": [LevelResult("a", (by_chance,))], "bn": [LevelResult("a", (earned,))]}, VOTES, 1)
    assert [r.donor for r in ranked] == ["bn", "fa"]
