"""What a bundled donor hears untrained, through the module and as a user types it."""

import json

import pytest
from tones import tone_corpus
from typer.testing import CliRunner

from vizinho.cli.main import app
from vizinho.errors import ModelError, SpecError
from vizinho.languages.levels.zero_shot import decode_untrained
from vizinho.store.store import BUNDLED

pytestmark = pytest.mark.pipeline
DONOR = BUNDLED / "es-demo" / "2"


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech")
    for language, letters in (("pt", "abcd"), ("es", "abce")):
        tone_corpus(folder / language, count=8, lang=language, letters=letters, seed=len(language))
        made = next((folder / language).glob("*.jsonl"))
        (folder / f"{language}.jsonl").write_text(
            made.read_text(encoding="utf-8").replace('"audio": "', f'"audio": "{language}/'), encoding="utf-8"
        )
    return folder


def test_measures_have_floor_ceiling_and_interval(speech):
    measures = decode_untrained(DONOR, speech / "pt.jsonl", speech / "es.jsonl")
    assert [m.name for m in measures] == ["zero_shot_entropy", "zero_shot_confidence", "zero_shot_tokens"]
    for measure in measures:
        low, high = measure.interval
        assert low <= measure.value <= high
        assert measure.n > 100
    again = decode_untrained(DONOR, speech / "pt.jsonl", speech / "es.jsonl")
    assert [m.value for m in again] == [m.value for m in measures]
    with pytest.raises(ModelError):
        decode_untrained(speech, speech / "pt.jsonl", speech / "es.jsonl")


def test_as_a_user_types_it(speech, tmp_path, monkeypatch):
    monkeypatch.setenv("VIZINHO_HOME", str(tmp_path))
    common = ["compare", "pt", "--donors", "es", "--levels", "map", "--speech", str(speech)]
    done = CliRunner().invoke(app, [*common, "--models", "es=es-demo", "--json"])
    levels = json.loads(done.stdout)["levels"]["es"]
    assert {m["name"] for level in levels for m in level["measures"]} >= {"kilometres", "zero_shot_entropy"}
    wrong = CliRunner().invoke(app, [*common, "--models", "fr=es-demo"])
    assert isinstance(wrong.exception, SpecError)
    lacking = CliRunner().invoke(app, ["compare", "it", *common[2:], "--models", "es=es-demo", "--json"])
    gaps = [g["reason"] for level in json.loads(lacking.stdout)["levels"]["es"] for g in level["gaps"]]
    assert any("no recordings of it" in reason for reason in gaps)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--donors", "pt"], "both target and donor"),
        (["--donors", ""], "no donors"),
        (["--donors", "es", "--levels", "smell"], "unknown level"),
        (["--donors", "es", "--texts", "nothing-here"], "no such folder of texts"),
        (["--donors", "es", "--speech", "nothing-here"], "no such folder of recordings"),
        (["--donors", "es", "--levels", "map", "--measured", "nothing.json"], "cannot be read"),
    ],
)
def test_bad_input_is_refused_in_one_message(arguments, message, tmp_path, monkeypatch):
    monkeypatch.setenv("VIZINHO_HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["compare", "pt", *arguments])
    assert message in str(done.exception)
