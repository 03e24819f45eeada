import pytest

from vizinho.evaluation.collapse import Course, diagnose, letter_counts

SPOKEN = {"1": "a casa azul", "2": "o mar azul", "3": "a lua e o mar"}
TRAINED = letter_counts([*SPOKEN.values()] * 5)
FALLING = Course([9.0, 5.0, 3.0, 2.5], 0, TRAINED)
FLAT = Course([9.0, 8.9, 9.1, 8.8], 0, TRAINED)


def kinds(course, heard):
    return [f.kind for f in diagnose(course, SPOKEN, heard)]


def test_a_good_network_and_a_weak_one_have_no_findings():
    assert kinds(FALLING, SPOKEN) == []
    assert kinds(FALLING, {"1": "e cosa asul", "2": "mr azulo", "3": "lua ca mar"}) == []


@pytest.mark.parametrize(
    ("course", "cause"),
    [
        (FALLING, "CTC's first phase"),
        (FLAT, "the loss did not fall"),
        (Course(FALLING.losses, 3, TRAINED), "not a number"),
    ],
)
def test_silence_is_named_with_its_cause(course, cause):
    found = diagnose(course, SPOKEN, {"1": "", "2": " ", "3": ""})
    assert found[0].kind == "blank"
    assert found[0].what.startswith("3 of 3 utterances came out empty")
    assert cause in found[0].cause
    assert all(f.kind != "letters never emitted" for f in found), "silence explains every missing letter"


def test_a_loss_that_does_not_fall_is_stuck_and_one_that_comes_back_up_is_not():
    assert "loss stuck" in kinds(FLAT, {"1": "x", "2": "", "3": "aca"})
    assert "loss stuck" not in kinds(Course([9.0, 4.0, 8.9], 0, TRAINED), SPOKEN)
    assert kinds(Course([9.0, 9.0], 0, TRAINED), SPOKEN) == [], "two evaluations are too few to tell"


def test_one_letter_over_and_over():
    found = diagnose(FALLING, SPOKEN, {"1": "aaaa aa", "2": "aaa", "3": "a"})
    assert [f.kind for f in found] == ["one letter"]
    assert "10 of the 10 letters it wrote are 'a'" in found[0].what


def test_a_corpus_of_one_letter_is_no_fault():
    assert diagnose(Course([], 0, {"a": 9}), {"1": "aaa"}, {"1": "aaa"}) == []


def test_letters_that_never_come_are_told_apart_by_why():
    silent = {id_: text.replace("u", "").replace("z", "") for id_, text in SPOKEN.items()}
    found = diagnose(Course(FALLING.losses, 0, TRAINED | {"u": 2}), SPOKEN, silent)
    assert [f.what for f in found] == ["never written though said: u (3 times)"]
    assert "u 2 times in the training texts" in found[0].cause
    (unseen,) = diagnose(Course(FALLING.losses, 0, {k: v for k, v in TRAINED.items() if k != "u"}), SPOKEN, silent)
    assert unseen.cause == "they do not occur in the training texts"


def test_a_network_that_lacks_most_letters_has_hardly_begun():
    found = diagnose(FALLING, SPOKEN, {"1": "a a", "2": "o a", "3": "a o"})
    assert "hardly begun" in found[0].cause
