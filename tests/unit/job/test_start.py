"""How a network's start is made: which letters of a donor sound like those of the target."""

import unicodedata

import numpy as np
import pytest

from vizinho.job.start import sound_similarity

SMALL = ["a", "c", "s", "n", "ñ"]


@pytest.mark.parametrize(
    "written",
    [str.upper, lambda letter: unicodedata.normalize("NFD", letter)],
    ids=["capitals", "marks apart"],
)
def test_letters_sound_alike_however_the_donor_writes_them(written):
    donors = [written(letter) for letter in SMALL]
    table = sound_similarity("pt", "es", ["ã", "ç", "s"], donors)
    plain = sound_similarity("pt", "es", ["ã", "ç", "s"], SMALL)
    assert table.columns == tuple(donors)
    assert np.array_equal(table.values, plain.values)
    assert [table.nearest(letter, donors)[0][0] for letter in ("ã", "s")] == [written("a"), written("s")]


def test_of_a_donor_with_both_cases_the_small_letters_sound():
    table = sound_similarity("pt", "es", ["ã"], ["A", "a"])
    assert table.nearest("ã", ["A", "a"])[0][0] == "a"
