from pathlib import Path

import pytest

from vizinho.errors import SpecError
from vizinho.experiment.read_spec import read_spec
from vizinho.experiment.starts import Start, arms_of, job_of, updates_of

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
        (('corpora = ["es.jsonl"]', "corpora = []"), r"corpora is \[\] -> Tuple should have at least 1 item"),
        (("$VIZINHO_SHARED", "$NOT_SET_ANYWHERE"), r"\$NOT_SET_ANYWHERE is not set"),
        (
            ("minutes = 60", 'minutes = 60\n[[donors]]\nname = "en"\nlanguage = "en"\ncorpora = ["en.jsonl"]'),
            "unequal minutes",
        ),
        (('name = "e"', 'name = "e'), "not valid TOML"),
        (('name = "e"', 'source = "e"'), "unknown key source -> known keys: .*controls, corpora"),
        (("seeds = [1, 2]", 'seeds = [1, "2"]'), r"seeds\[1\] is '2' -> it should be a valid integer"),
        (("minutes = [2, 8]", "minutes = [2, 0]"), r"minutes\[1\] is 0 -> it should be greater than 0"),
        (
            ("minutes = [2, 8]", 'minutes = [2, 8]\ndrop_test_texts = "false"'),
            "drop_test_texts is 'false' -> it should be",
        ),
        (("[training]\nsteps = 10", "training = 5"), r"e.toml: training: it is 5 -> give a table"),
        (("minutes = 60", "minutes = 60\nhours = 1"), "donors es: unknown key hours -> known keys: base, corpora"),
        (("minutes = 60", "training = { layers = { pull = [] } }"), r"donors es.training.layers: pull is \[\]"),
        (('language = "es"', 'language = "spansih"'), "donors es.language: 'spansih' is no language code"),
        (('name = "es"\n', ""), r"donors\[0\]: the key name is missing"),
    ],
)
def test_faults_are_named(tmp_path, change, message):
    with pytest.raises(SpecError, match=message):
        spec(tmp_path, GOOD.replace(*change, 1))


def test_the_specs_of_the_project_are_good():
    for path in (Path(__file__).parents[3] / "examples").glob("*/experiment.toml"):
        assert read_spec(path).target == "pt"


RECIPES = """
[[recipes]]
name = "ours"
[[recipes]]
name = "frozen"
source = "a paper"
training = { layers = { frozen = ["front"] } }
rows = { new_rows = "fresh" }
[[recipes]]
name = "synthetic"
starts = ["es", "scratch"]
beside = ["spoken.jsonl"]
repeat = [12, 1]
"""
LAYERS = GOOD.replace("steps = 10", "steps = 10\nlayers = { layer_decay = 0.9 }")


def test_arms_differ_by_recipe_too(tmp_path):
    read = spec(tmp_path, LAYERS + RECIPES)
    names = [a.name for a in arms_of(read)]
    assert names[:3] == [
        "es/ours/2min/seed1",
        "es/frozen/2min/seed1",
        "es/synthetic/2min/seed1",
    ]
    assert "scratch/synthetic/2min/seed1" in names
    assert len(set(names)) == len(names) == 2 * 2 * 5
    jobs = {a.name: job_of(read, a, Start()) for a in arms_of(read)}
    frozen = jobs["es/frozen/8min/seed2"]
    assert (frozen.options.layers.frozen, frozen.options.layers.layer_decay) == (("front",), 0.9)
    assert (frozen.rows.new_rows, frozen.options.seed, frozen.minutes) == ("fresh", 2, 8.0)
    assert jobs["es/ours/2min/seed1"].rows.new_rows == "features"
    beside = jobs["scratch/synthetic/2min/seed1"]
    assert (beside.beside, beside.repeat, beside.options.learning_rate) == ((Path("spoken.jsonl"),), (12, 1), 2e-3)


def test_every_donor_can_be_tested_untrained(tmp_path):
    read = spec(tmp_path, STARTS.replace("minutes = [2, 8]", "untrained = true") + MORE)
    names = [a.name for a in arms_of(read) if a.seed == 1]
    assert names[:4] == ["es/all/seed1", "es/untrained/all/seed1", "es-full/all/seed1", "es-full/untrained/all/seed1"]
    assert not [n for n in names if n in ("scratch/untrained/all/seed1", "permuted/untrained/all/seed1")]
    with pytest.raises(SpecError, match="'scratch' and 'untrained' are recipes of every experiment"):
        spec(tmp_path, GOOD + '[[recipes]]\nname = "untrained"')


def test_a_recipe_can_have_its_own_scratch_options(tmp_path):
    own = 'name = "own"\nstarts = ["scratch"]\ntraining = { warmup_share = 0.5 }\nscratch = { learning_rate = 3e-3 }'
    recipe = spec(tmp_path, f'{GOOD}[[recipes]]\nname = "default"\n[[recipes]]\n{own}').recipe("own")
    assert (recipe.scratch.learning_rate, recipe.scratch.warmup_share, recipe.scratch.steps) == (3e-3, 0.5, 10)
    assert (recipe.training.learning_rate, recipe.training.warmup_share) == (1e-3, 0.5)


def test_scratch_always_has_an_arm_of_its_own(tmp_path):
    for text in (GOOD, GOOD + RECIPES):
        assert "scratch/2min/seed1" in [a.name for a in arms_of(spec(tmp_path, text))]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('name = "ours"', 'name = "frozen"'), "recipes need names of their own"),
        (('name = "ours"', 'name = "scratch"'), "recipes need names of their own"),
        (('name = "ours"', ""), r"recipes\[0\]: the key name is missing"),
        (('"es", "scratch"', '"fr"'), "recipe synthetic is for fr, which no arm starts from"),
        (("repeat = [12, 1]", "repeat = [12]"), "repeat of recipe synthetic does not fit"),
        (("layers = {", "steps = 99, layers = {"), "recipe frozen has other steps"),
        (("layers = {", "batch_seconds = 9, layers = {"), "recipe frozen has other batch_seconds"),
        (('frozen = ["front"]', 'thawed = ["front"]'), "unknown key thawed"),
    ],
)
def test_faults_of_recipes_are_named(tmp_path, change, message):
    with pytest.raises(SpecError, match=message):
        spec(tmp_path, GOOD + RECIPES.replace(*change, 1))


MORE = """
[synthetic]
corpora = ["spoken.jsonl"]
training = { steps = 20 }
scratch = { learning_rate = 3e-3 }
[[donors]]
name = "es-full"
language = "es"
corpora = ["es.jsonl"]
base = "es"
matched = false
[[controls]]
name = "permuted"
of = "es"
kind = "permuted-rows"
[[controls]]
name = "goes on"
of = "es"
kind = "same-language"
"""
STARTS = GOOD.replace('"scratch"]', '"es-full", "scratch", "scratch+synthetic", "es+synthetic"]')


def test_stages_controls_and_unmatched_donors(tmp_path):
    read = spec(tmp_path, STARTS.replace("minutes = [2, 8]", "minutes = [2, 8]\nscratch_minutes = [1, 2]") + MORE)
    stages = {d.name: d for d in read.donors if read.kind(d.name) == "synthetic"}
    assert {name: (d.base, d.language, d.training.learning_rate) for name, d in stages.items()} == {
        "scratch+synthetic": ("", "pt", 3e-3),
        "es+synthetic": ("es", "pt", stages["es+synthetic"].training.learning_rate),
    }
    assert stages["es+synthetic"].training.learning_rate != 3e-3
    assert read.origin("es+synthetic") == read.origin("permuted") == "es"
    names = [a.name for a in arms_of(read)]
    assert "permuted/2min/seed1" in names
    assert not [n for n in names if n.startswith("goes on")]
    assert [n for n in names if "1min" in n] == ["scratch/1min/seed1", "scratch/1min/seed2"]
    assert [a.name for a in updates_of(read)][:2] == ["goes on/2min/seed1", "goes on/8min/seed1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[synthetic]", "[recipes_]"), "unknown key recipes_"),
        (('"es-full", "scratch", "scratch+synthetic", "es+synthetic"', '"es-full", "scratch"'), "belong together"),
        (('"es+synthetic"', '"en+synthetic"'), "goes on from en, which no arm starts from"),
        (("learning_rate = 3e-3", "steps = 21"), "synthetic.scratch has other steps"),
        (('base = "es"', 'base = "es-full"'), "the donor es-full starts from itself"),
        (('name = "es-full"', 'name = "es+synthetic"'), "donors need names of their own"),
        (("matched = false", ""), "or say matched = false"),
        (
            ('"permuted-rows"', '"permuted"'),
            "controls permuted: kind is 'permuted' -> it should be 'permuted-rows', 'shuffled-encoder'",
        ),
        (('name = "permuted"', 'name = "es"'), "the control es needs a name of its own"),
        (('name = "permuted"\nof = "es"', 'name = "permuted"\nof = "scratch"'), "is of scratch"),
        (
            ('kind = "permuted-rows"', 'kind = "permuted-rows"\ncorpora = ["es.jsonl"]'),
            "the control permuted has corpora",
        ),
        (('kind = "permuted-rows"', ""), "the key kind is missing"),
        (
            ("seeds = [1, 2]", "seeds = [1, 2]\ninterpolation = [2]"),
            r"interpolation\[0\] is 2 -> it should be less than or equal to 1",
        ),
        (("minutes = [2, 8]", "scratch_minutes = [2, 8]"), "scratch_minutes without minutes"),
    ],
)
def test_faults_of_stages_and_controls_are_named(tmp_path, change, message):
    with pytest.raises(SpecError, match=message):
        spec(tmp_path, (STARTS + MORE).replace(*change, 1))


def test_every_start_needs_a_recipe(tmp_path):
    with pytest.raises(SpecError, match="no recipe is for es"):
        spec(tmp_path, GOOD + '[[recipes]]\nname = "ours"\nstarts = ["scratch"]')
