import json
import re

import numpy as np
import pytest

from vizinho.errors import SpecError
from vizinho.languages.measured import Measured, atlas, read_measured, write_atlas
from vizinho.languages.predict import predict
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


def neighbours(slope, targets="abcdef", seed=5):
    """Transfers to other languages; their benefit follows the first of two votes within a target."""
    rng = np.random.default_rng(seed)
    for number, target in enumerate(targets):
        for donor in range(8):
            near = rng.uniform(0, 1, 2)
            benefit = 0.05 * number + slope * near[0] + rng.normal(0, 0.01)
            nearness = {"level/m0": near[0], "level/m1": near[1], "rare/x": 0.5} if donor else {"level/m0": near[0]}
            yield Measured(target, f"d{donor}", 2.5, benefit, "atlas", nearness=nearness)


def test_a_target_that_nobody_measured_is_predicted_from_other_languages():
    others = list(neighbours(0.4))
    ranking = [ranked("near", 0.9, 0.5), ranked("far", 0.1, 0.5), ranked("gap", 0.9, None), ranked("nothing", None)]
    foretold = predict(ranking, [], "pt", others)
    assert foretold.n == 42 and foretold.method != "mean"  # the transfers with a gap teach nothing about both votes
    assert foretold.expected["near"][0] - foretold.expected["far"][0] == pytest.approx(0.32, abs=0.1)
    assert foretold.expected["near"][1] < 0.125 + 0.36 < foretold.expected["near"][2]
    assert foretold.expected["gap"][0] == pytest.approx(foretold.expected["near"][0], abs=0.08)
    assert "nothing" not in foretold.expected
    assert re.search(r"order of donors is (1\.00|0\.9)", foretold.note)


def test_the_targets_own_transfers_do_not_predict_it_and_few_targets_predict_nothing():
    others = list(neighbours(0.4, "abcd"))
    ranking = [ranked("near", 0.9, 0.5), ranked("far", 0.1, 0.5)]
    assert predict(ranking, [], "pt", others).n == 28
    assert not predict(ranking, [], "a", others).expected


def test_votes_that_say_nothing_leave_the_mean():
    ranking = [ranked("near", 0.9, 0.5), ranked("far", 0.1, 0.5)]
    foretold = predict(ranking, [], "pt", list(neighbours(0.0)))
    assert abs(foretold.expected["near"][0] - foretold.expected["far"][0]) < 0.02


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


def test_starts_from_the_store_and_untrained_donors_are_told_apart(tmp_path):
    path = tmp_path / "results.json"
    line = {"kind": "donor", "minutes": 2.5, "seeds": 2}
    pooled = [
        line | {"line": "atlas-es", "start": "atlas-es", "donor": "atlas-es", "recipe": "default", "cer": 0.6},
        line
        | {"line": "atlas-es, untrained", "start": "atlas-es", "donor": "atlas-es", "recipe": "untrained", "cer": 0.9},
        line
        | {"line": "shuffled", "start": "atlas-es", "donor": "atlas-es", "recipe": "default", "cer": 0.7}
        | {"kind": "shuffled"},
        line
        | {"line": "scratch", "start": "scratch", "donor": None, "recipe": "scratch", "cer": 0.8, "kind": "scratch"},
    ]
    against = {"a": "atlas-es", "b": "scratch", "metric": "cer", "minutes": 2.5}
    against |= {"relative_ci": [-0.3, -0.2], "p_holm": 0.01}
    budgets = [{"start": "atlas-es", "language": "es"}]
    values = {"target": "pt", "donors": [], "budgets": budgets, "pooled": pooled, "comparisons": [against]}
    path.write_text(json.dumps(values))
    (transfer,) = read_measured(path)
    assert (transfer.donor, transfer.untrained_cer, transfer.scratch_cer) == ("es", 0.9, 0.8)
    assert transfer.interval == (0.2, 0.3) and transfer.helps
    write_atlas([transfer], tmp_path / "transfers.json")
    assert '"benefit": 0.25' in (tmp_path / "transfers.json").read_text(encoding="utf-8")


def test_the_atlas_of_the_package_is_whole_and_predicts():
    transfers = atlas()
    assert len(transfers) >= 80 and len({m.target for m in transfers}) == 8 and all(m.seeds == 2 for m in transfers)
    assert all(m.interval[0] <= m.benefit <= m.interval[1] and m.nearness for m in transfers)
    gl = [m for m in transfers if m.target == "ca"]
    names = [("vocabulary", "exact_share", 1.5), ("spelling", "cross_entropy", 0.75)]
    ranking = [
        Ranked(m.donor, 0.5, tuple(Vote(a, b, w, 0.0, m.nearness[f"{a}/{b}"], None) for a, b, w in names)) for m in gl
    ]
    foretold = predict(ranking, [], "gl")
    assert foretold.n == len(transfers) and set(foretold.expected) == {m.donor for m in gl}
    assert foretold.expected["es"][0] > foretold.expected["el"][0]
