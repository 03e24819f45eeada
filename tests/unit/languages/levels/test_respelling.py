from hypothesis import given
from hypothesis import strategies as st

from vizinho.languages.levels.respelling import align, learn_rules

WORDS = ["senor", "mañana", "niño", "caña", "baño", "leña", "piña", "uña", "daño", "peña"]
PAIRS = [(w, w.replace("ñ", "nh")) for w in WORDS] + [(f"{s}ción", f"{s}ção") for s in ("na", "ra", "fun", "po", "lo")]


@given(st.text("abcñ", max_size=8), st.text("abcnh", max_size=8))
def test_an_alignment_spells_both_words(donor, target):
    segments = align(donor, target)
    assert "".join(a for a, _ in segments) == f"^{donor}$"
    assert "".join(b for _, b in segments) == f"^{target}$"


def test_rules_are_learnt_with_their_counts():
    rules = learn_rules(PAIRS)
    by_donor = {r.donor: r for r in rules}
    assert by_donor["ñ"].target == "nh"
    assert by_donor["ñ"].count == 9
    assert by_donor["ñ"].share == 1.0
    assert by_donor["ción"].target == "ção" and by_donor["ción"].count == 5
    assert all("s" not in donor for donor in by_donor), "letters that never change make no rule"


def test_a_change_that_holds_less_than_half_the_time_is_no_rule():
    pairs = [("abc" + str(i), "abd" + str(i)) for i in range(4)] + [("xc" + str(i), "xc" + str(i)) for i in range(9)]
    assert "c" not in {r.donor for r in learn_rules(pairs)}
    assert {r.donor for r in learn_rules(pairs)} & {"bc", "abc"}


def test_no_pairs_no_rules():
    assert learn_rules([]) == ()
