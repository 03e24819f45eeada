from pathlib import Path

import pytest

from vizinho.errors import SpecError
from vizinho.experiment.spec import read_spec

GOOD = """
name = "e"
target = "pt"
corpora = ["$VIZINHO_SHARED/pt.jsonl"]
starts = ["es", "scratch"]
seeds = [1, 2]
minutes = [2, 8]
[training]
steps = 10
[scratch]
learning_rate = 2e-3
[[donors]]
name = "es"
language = "es"
corpora = ["es.jsonl"]
minutes = 60
"""


def spec(folder: Path, text: str):
    (folder / "e.toml").write_text(text)
    return read_spec(folder / "e.toml")


def test_a_good_spec(tmp_path, monkeypatch):
    monkeypatch.setenv("VIZINHO_SHARED", "somewhere")
    read = spec(tmp_path, GOOD)
    assert read.corpora == (Path("somewhere/pt.jsonl"),)
    assert (read.training.steps, read.scratch.steps) == (10, 10)
    assert read.scratch.learning_rate == 2e-3
    assert read.training.learning_rate != 2e-3
    from vizinho.experiment.run import arms_of

    assert [a.name for a in arms_of(read)][:4] == [
        "es/2min/seed1",
        "scratch/2min/seed1",
        "es/8min/seed1",
        "scratch/8min/seed1",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seeds", "sedes"), "unknown key sedes"),
        (('starts = ["es", "scratch"]', 'starts = ["es"]'), "no scratch arm"),
        (("seeds = [1, 2]", "seeds = []"), "no seeds"),
        (("learning_rate = 2e-3", "steps = 20"), "scratch has other steps"),
        (("steps = 10", "stops = 10"), "unknown key stops"),
        (('corpora = ["es.jsonl"]', "corpora = []"), "no corpora"),
        (("$VIZINHO_SHARED", "$NOT_SET_ANYWHERE"), r"\$NOT_SET_ANYWHERE is not set"),
        (
            ("minutes = 60", 'minutes = 60\n[[donors]]\nname = "en"\nlanguage = "en"\ncorpora = ["en.jsonl"]'),
            "unequal minutes",
        ),
        (('name = "e"', 'name = "e'), "not valid TOML"),
    ],
)
def test_faults_are_named(tmp_path, change, message):
    with pytest.raises(SpecError, match=message):
        spec(tmp_path, GOOD.replace(*change, 1))


def test_the_specs_of_the_project_are_good():
    for path in (Path(__file__).parents[3] / "examples").glob("*/experiment.toml"):
        assert read_spec(path).target == "pt"
