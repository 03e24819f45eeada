from hypothesis import given
from hypothesis import strategies as st

from vizinho.languages.measures import Kind, LevelResult
from vizinho.languages.rank import rank

VOTES = (("a", "x", 2.0), ("b", "y", 1.0))


def measure(level, name, value, nearer="higher", interval=None):
    kind = Kind(level, name, "", nearer)
    return kind.measure(value, floor=0.0, ceiling=(1.0, "itself"), sample=(10, "things"), interval=interval)


def results(**donors):
    return {d: [LevelResult(m.level, (m,)) for m in measures] for d, measures in donors.items()}


def test_the_weighted_votes_decide():
    found = rank(
        results(
            es=[measure("a", "x", 0.9), measure("b", "y", 3.0, "lower")],
            it=[measure("a", "x", 0.5), measure("b", "y", 1.0, "lower")],
        ),
        VOTES,
    )
    assert [(r.donor, round(r.score, 3)) for r in found] == [("es", 0.667), ("it", 0.333)]
    assert [v.won for v in found[0].votes] == [1.0, 0.0]


def test_a_gap_is_no_zero():
    found = rank(
        results(gl=[measure("b", "y", 0.9)], es=[measure("a", "x", 0.9), measure("b", "y", 0.5)], xx=[]),
        VOTES,
    )
    assert [r.donor for r in found] == ["es", "gl", "xx"] or [r.donor for r in found] == ["gl", "es", "xx"]
    by_donor = {r.donor: r for r in found}
    assert by_donor["gl"].score == 1.0
    assert by_donor["gl"].gaps == ("a/x",)
    assert by_donor["xx"].score is None
    assert by_donor["es"].votes[0].won is None


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_scores_lie_between_nought_and_one_and_are_shared_out(values):
    found = rank(results(**{f"d{i}": [measure("a", "x", v)] for i, v in enumerate(values)}), VOTES)
    assert all(0 <= r.score <= 1 for r in found)
    assert abs(sum(r.score for r in found) - len(values) / 2) < 1e-9


def test_a_lead_within_the_noise_is_hardly_a_win():
    def noisy(value):
        return measure("a", "x", value, interval=(value - 0.1, value + 0.1))

    close = rank(results(es=[noisy(0.51)], fr=[noisy(0.50)]), VOTES)
    clear = rank(results(es=[noisy(0.9)], fr=[noisy(0.50)]), VOTES)
    assert 0.5 < close[0].score < 0.6
    assert clear[0].score > 0.99
