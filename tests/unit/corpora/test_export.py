"""A corpus goes out to other programs and comes back, with people's corrections."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fieldwork import Reading, eaf, recording

from vizinho.cli.corpus import app
from vizinho.corpora.convert import convert_corpus
from vizinho.corpora.export import export_corpus
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.corpora.writers import WRITERS
from vizinho.errors import SpecError
from vizinho.records import Place, Utterance


@pytest.fixture
def manifest(tmp_path):
    """Two recordings of two speakers, in two folders with one name."""
    for place in ("um", "dois"):
        recording(tmp_path / "visits" / place / "v.wav")
        ana = [(0.0, 1.0, "bom dia [riso]"), (4.0, 5.5, "até já")]
        eaf(tmp_path / "visits" / place / "v.eaf", [("tx@ana", "ana", ana), ("tx@ben", "ben", [(2.0, 3.0, "olá")])])
    convert_corpus(tmp_path / "visits", tmp_path / "pt.jsonl", lang="pt")
    return tmp_path / "pt.jsonl"


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_the_way_out_and_back_changes_nothing(tmp_path, manifest, kind):
    utterances = read_manifest(manifest)
    exported = export_corpus(utterances, tmp_path / "out", kind)
    assert [p.name for p in exported.files] == [f"v{WRITERS[kind][0]}", f"v-2{WRITERS[kind][0]}"]
    assert exported.utterances == 6
    read = Reading(kind, tmp_path / "out", media=(tmp_path / "visits",))
    told = [(u.text, u.events, u.speaker, u.place.start_seconds, u.duration_seconds) for u in utterances]
    back = [(u.text, u.events, u.speaker, u.place.start_seconds, u.duration_seconds) for u in read.utterances]
    if kind in ("textgrid", "audacity"):  # these name no recording, and two are called v
        assert "2 recordings are called v" in read.faults[0] or "no recording v-2" in read.faults[0]
    else:
        assert sorted(back) == sorted(told)
        assert {u.place.recording for u in read.utterances} == {u.place.recording for u in utterances}


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_clips_are_recordings_of_their_own_and_keep_their_confidence(tmp_path, kind):
    clips = [recording(tmp_path / f"{name}.wav", 1) for name in "abc"]
    rows = [Utterance(c.stem, c, "bom dia", "pt", "Ana", 1.0, "train", confidence=0.75) for c in clips]
    write_manifest(tmp_path / "m.jsonl", rows)
    back = read_manifest(tmp_path / "m.jsonl")
    assert back == rows
    export_corpus(back, tmp_path / "out", kind)
    text = (tmp_path / "out" / f"a{WRITERS[kind][0]}").read_text("utf-8")
    assert "0.75" in text
    assert Reading(kind, tmp_path / "out", media=(tmp_path,)).texts == ["bom dia"] * 3


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_names_with_spaces_and_accents_and_splits_come_back(tmp_path, kind):
    rows = []
    for number, (name, split) in enumerate([("cèilidh 1 (Màiri)", "train"), ("foghar", "test"), ("a:b", "dev")]):
        path = recording(tmp_path / "visits" / f"{name}.wav", 2)
        rows += [
            Utterance(f"u{number}{n}", path, "bom dia", "pt", "", 0.5, split, place=Place(path, n, "tx"))
            for n in (0, 1)
        ]
    exported = export_corpus(rows, tmp_path / "out", kind)
    assert not exported.mixed
    places = [path.relative_to(tmp_path / "out") for path in exported.files]
    assert places[:2] == [Path(f"cèilidh 1 (Màiri){WRITERS[kind][0]}"), Path("test") / f"foghar{WRITERS[kind][0]}"]
    assert places[2].parent.name == "dev" and ":" not in places[2].name
    export_corpus([u for u in rows if u.split != "dev"], tmp_path / "again", kind)
    back = Reading(kind, tmp_path / "again", media=(tmp_path / "visits",))
    assert back.faults == []
    assert sorted((u.split, u.place.recording.name) for u in back.utterances) == sorted(
        (u.split, u.place.recording.name) for u in rows if u.split != "dev"
    )
    mixed = [replace(u, split=("train", "test")[n % 2]) for n, u in enumerate(rows)]
    assert export_corpus(mixed, tmp_path / "mixed", kind).mixed == 3


def test_numbers_of_other_tools_under_our_keys_are_ignored(tmp_path):
    recording(tmp_path / "a.wav", 1)
    row = {"id": "a", "audio": "a.wav", "text": "um", "lang": "pt", "speaker": "", "duration": 1, "split": "train"}
    other = {"recording": 7, "start": "x", "confidence": 93, "events": ["a"], "variant": None, "domain": 3}
    for more in (other, {"recording": "a.wav", "start": -1}, {"recording": "a.wav", "start": float("nan")}):
        (tmp_path / "m.jsonl").write_text(json.dumps(row | more) + "\n")
        (utterance,) = read_manifest(tmp_path / "m.jsonl")
        assert (utterance.place, utterance.confidence, utterance.events, utterance.domain) == (None, None, "", "")


def test_the_command_says_what_it_wrote_and_refuses_other_formats(tmp_path, manifest):
    from typer.testing import CliRunner

    words = ["export", str(manifest), "--out", str(tmp_path / "out"), "--format", "textgrid"]
    assert CliRunner().invoke(app, words).stdout == f"{tmp_path}/out: 6 utterances in 2 textgrid files\n"
    shown = json.loads(CliRunner().invoke(app, [*words, "--json", "--split", "train"]).stdout)
    assert (shown["utterances"], len(shown["files"])) == (6, 2)
    result = CliRunner().invoke(app, [*words[:-1], "docx"])
    assert isinstance(result.exception, SpecError)
    assert "unknown format 'docx'" in str(result.exception)
