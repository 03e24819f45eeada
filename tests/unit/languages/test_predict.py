import json

import numpy as np
import pytest

from vizinho.errors import SpecError
from vizinho.languages.predict import Measured, predict, read_measured
from vizinho.languages.rank import Ranked, Vote


def ranked(donor, *nearness):
    votes = tuple(
        Vote("level", f"m{i}", 1.0 + i, n, n, None)
        if n is not None
        else Vote("level", f"m{i}", 1.0 + i, None, None, None)
        for i, n in enumerate(nearness)
    )
    return Ranked(donor, 0.5, votes)


def measured(donor, benefit):
    return Measured("pt", donor, 8.0, benefit, "results.json")


def test_a_benefit_that_follows_the_votes_is_found_again():
    rng = np.random.default_rng(1)
    near = {f"d{i}": rng.uniform(0, 1, 2) for i in range(7)}
    ranking = [ranked(d, *n) for d, n in near.items()]
    truth = {d: 0.1 + 0.3 * (n[0] / 3 + 2 * n[1] / 3) for d, n in near.items()}
    found = predict(ranking, [measured(d, b) for d, b in truth.items() if d != "d6"], "pt")
    assert found.method != "mean"
    assert found.n == 6
    value, low, high = found.expected["d6"]
    assert value == pytest.approx(truth["d6"], abs=0.02)
    assert low <= value <= high


def test_noise_is_foretold_by_nothing_but_its_mean():
    rng = np.random.default_rng(3)
    ranking = [ranked(f"d{i}", *rng.uniform(0, 1, 3)) for i in range(12)]
    found = predict(ranking, [measured(f"d{i}", b) for i, b in enumerate(rng.normal(0.3, 0.1, 12))], "pt")
    assert found.errors["mean"] <= found.errors["score"] + 0.05
    assert found.expected["d0"][2] - found.expected["d0"][1] > 0.2


def test_two_transfers_are_too_few():
    found = predict([ranked("es", 0.9), ranked("en", 0.2)], [measured("es", 0.3), measured("en", 0.2)], "pt")
    assert not found.expected
    assert "2 measured transfers" in found.note


def test_donors_with_gaps_get_no_number_and_other_targets_do_not_count():
    ranking = [ranked(d, v) for d, v in (("a", 0.1), ("b", 0.5), ("c", 0.9))] + [ranked("gap", None)]
    given = [measured("a", 0.1), measured("b", 0.2), measured("c", 0.3), Measured("gl", "c", 8, 0.9, "x")]
    found = predict(ranking, given, "pt")
    assert found.n == 3
    assert "gap" not in found.expected


def test_results_are_read_and_other_files_refused(tmp_path):
    path = tmp_path / "results.json"
    pooled = [
        {"start": "es", "donor": "es", "minutes": 8.0, "cer": 0.6},
        {"start": "scratch", "donor": None, "minutes": 8.0, "cer": 0.8},
    ]
    path.write_text(json.dumps({"target": "pt", "donors": [{"name": "es", "language": "es"}], "pooled": pooled}))
    (found,) = read_measured(path)
    assert (found.donor, found.benefit) == ("es", pytest.approx(0.25))
    path.write_text("[]")
    with pytest.raises(SpecError, match=r"not a results\.json"):
        read_measured(path)
    with pytest.raises(SpecError, match="cannot be read"):
        read_measured(tmp_path / "nothing.json")
