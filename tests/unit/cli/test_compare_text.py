from dataclasses import replace

import pytest

from vizinho.cli.compare import text
from vizinho.languages.compare import compare
from vizinho.languages.measured import Measured
from vizinho.languages.predict import Prediction


@pytest.fixture(scope="module")
def comparison():
    return compare("gl", ["pt", "en", "qaa"], levels=("typology", "map", "syntax"))


def test_the_answer_comes_first_with_names_and_models_at_hand(comparison):
    lines = text(comparison, models={"pt": ["pt@3"]}).splitlines()
    assert lines[0].startswith("donors for Galician (gl)")
    head, first = lines[2], lines[4]
    assert first.startswith("| Portuguese (pt)") and "pt@3" in first
    assert lines[-1].startswith("next: `vizinho transfer pt@3 --to gl --corpus gl.jsonl`")
    assert "token similarity" not in head and "may save" not in head  # nobody has them: no column of gaps


def test_gaps_are_a_line_for_donors_that_lack_the_same_and_details_say_why(comparison):
    short = text(comparison)
    assert "  qaa: typology, map" in short and "all: syntax" in short
    assert "chance floor" not in short and "Glottolog has no" not in short
    full = text(comparison, details=True)
    assert "chance floor" in full and "Glottolog has no qaa" in full


def test_what_a_donor_may_save_stands_beside_it(comparison):
    measured = (Measured("gl", "pt", 8.0, 0.31, "r.json"),)
    foretold = Prediction(3, "score", {"score": 0.02}, {}, {"pt": (0.3, 0.2, 0.4)}, measured, "from 3 transfers")
    written = text(comparison, foretold)
    assert "0.30 [0.20, 0.40]" in written.splitlines()[4]
    assert "| pt    | 0.31     | 8       |" in written and "from 3 transfers" in written
    assert "measured" not in text(comparison, replace(foretold, measured=()))
