import pytest

from vizinho.errors import CorpusError
from vizinho.rights import EXPORT, SERVING, TRAINING, Rights, Tally, refused


@pytest.mark.parametrize(
    ("row", "restrictions"),
    [
        ({}, ()),
        ({"restrictions": None}, ()),
        ({"restrictions": float("nan")}, ()),
        ({"restrictions": "Not-for-EXPORT; community_only ;"}, ("not for export", "community only")),
        ({"restrictions": ["ask Ana", "NOT FOR TRAINING", "not for training"]}, ("ask Ana", "not for training")),
    ],
)  # fmt: skip
def test_restrictions_are_read_however_they_are_written(row, restrictions):
    assert Rights.of(row, "x").restrictions == restrictions


@pytest.mark.parametrize(
    "row",
    [
        {"restrictions": True},
        {"restrictions": 3},
        {"restrictions": ["a", 1]},
        {"restrictions": {"not for export": True}},
        {"licence": ["CC0-1.0"]},
        {"consent": {}},
        {"restrictions": "\ud800"},
    ],
    ids=["true", "number", "mixed", "object", "licence", "consent", "surrogate"],
)
def test_what_cannot_be_understood_is_refused_rather_than_ignored(row):
    with pytest.raises(CorpusError, match="m:1"):
        Rights.of(row, "m:1")


def test_other_tools_spellings_of_licence_and_consent():
    assert Rights.of({"license": "CC0-1.0", "consent": True}, "") == Rights("CC0-1.0", "yes")
    assert Rights.of({"licence": None, "license": 4, "consent": False}, "") == Rights("4", "no")


def test_terms_refuse_what_they_say_and_free_ones_nothing():
    assert refused(["community only", "ask Ana"], EXPORT) == ("community only",)
    assert refused(["community only", "not for serving"], SERVING) == ("community only", "not for serving")
    assert refused(["not for export"], SERVING) == refused(["ask Ana"], TRAINING) == ()


def test_later_rights_win_and_restrictions_add_up():
    before = Rights("CC0-1.0", "oral", ("not for export",))
    assert Rights("CC-BY-4.0", "", ("ask Ana",)).over(before) == Rights(
        "CC-BY-4.0", "oral", ("not for export", "ask Ana")
    )


def test_a_tally_counts_consents_and_keeps_their_words_to_itself():
    tally = Tally()
    tally.add(Rights("CC0-1.0", "Ana da Silva, form 12"), 60.0)
    tally.add(Rights("CC0-1.0"), 30.0)
    tally.add(Rights("", "", ("not for export",)), 30.0)
    rows = tally.summary()
    assert [(r["licence"], r["utterances"], r["minutes"], r["with_consent"]) for r in rows] == [
        ("", 1, 0.5, 0),
        ("CC0-1.0", 2, 1.5, 1),
    ]
    assert "Ana" not in str(rows)
