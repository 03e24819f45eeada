"""`vizinho corpus check` and `convert` as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fieldwork import eaf, recording
from typer.testing import CliRunner

from vizinho.cli.corpus import app
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.errors import CorpusError, SpecError, VizinhoError
from vizinho.records import Utterance
from vizinho.text.normalize import get_normalizer

RATE = 16_000


@pytest.fixture
def ljspeech(tmp_path: Path) -> Path:
    folder = tmp_path / "voz"
    (folder / "wavs").mkdir(parents=True)
    rows = []
    for name, text in (("a", "bom dia"), ("b", "boa noite"), ("c", "")):
        noise = np.random.default_rng(len(text)).normal(0, 0.1, RATE)
        soundfile.write(folder / "wavs" / f"{name}.wav", noise, RATE)
        rows.append(f"{name}|{text}\n")
    (folder / "metadata.csv").write_text("".join(rows), "utf-8")
    return folder


def run(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, VizinhoError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


def test_convert_then_check_then_count(ljspeech: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "pt.jsonl"
    made = json.loads(run("convert", ljspeech, manifest, "--lang", "pt", "--copy", "--json"))
    assert (made["format"], made["utterances"], made["splits"], made["left_out"]) == ("ljspeech", 3, {"train": 3}, 0)
    report = json.loads(run("check", manifest, "--json"))
    assert (report["utterances"], report["clean"], report["quarantined"]) == (3, 2, 1)
    assert report["quarantine"] == {"empty-text": 1}
    assert report["normalizer"] == get_normalizer("pt").name
    assert [u.id for u in read_manifest(Path(report["clean_manifest"]))] == ["a", "b"]
    counted = json.loads(run("check", report["clean_manifest"], "--counts", "--json"))
    assert counted["rows"][0]["utterances"] == 2
    assert len(counted["fingerprint"]) == 16


def test_text_output_names_the_findings_and_files(ljspeech: Path, tmp_path: Path) -> None:
    assert "3 utterances, 0.1 minutes (train 3), ljspeech" in run(
        "convert", ljspeech, tmp_path / "m.jsonl", "--lang=pt"
    )
    shown = run("check", tmp_path / "m.jsonl", "--out", tmp_path / "out", "--lang", "pt")
    assert "3 utterances: 2 clean" in shown
    assert "quarantined: empty-text, 1 utterance\n  c: nothing is left of ''" in shown
    assert (tmp_path / "out" / "m.clean.jsonl").is_file()
    assert (tmp_path / "out" / "m.quarantine.jsonl").is_file()
    assert "fingerprint" in run("check", tmp_path / "out" / "m.clean.jsonl", "--counts")


def test_check_prints_the_spelling_and_takes_it_back(tmp_path: Path) -> None:
    words = ["ra:aly", "bu:unny", "re:e", "na:a", "ti:i"] * 5
    rows = []
    for number, word in enumerate(words):
        noise = np.random.default_rng(number).normal(0, 0.1, RATE * 2)
        soundfile.write(tmp_path / f"{number}.wav", noise, RATE)
        row = {"id": f"u{number}", "audio": f"{number}.wav", "text": f"{word} xa'a ½", "lang": "ztu"}
        rows.append(row | {"speaker": "s", "duration": 2, "split": "train"})
    manifest = tmp_path / "ztu.jsonl"
    manifest.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    with pytest.raises(CorpusError, match="none of 25 utterances is clean"):
        run("check", manifest)
    manifest.write_text(manifest.read_text("utf-8").replace(" ½", "", 1), "utf-8")
    shown = run("check", manifest)
    assert "  dropped, though it may be heard: ½ 24" in shown and "joiners: ' 25" in shown
    assert "the texts use : among joiners: 25 words, such as ra:aly, bu:unny, re:e" in shown
    edited = tmp_path / "ztu.orthography.toml"
    report = json.loads(run("check", manifest, "--orthography", edited, "--json"))
    assert report["spelling"]["joiners"] == {"'": 25, ":": 25} and report["spelling"]["suggestions"] == []
    assert report["normalizer"] != get_normalizer("ztu").name
    before = edited.read_text("utf-8")
    assert run("check", manifest) and edited.read_text("utf-8") == before  # people may have edited it
    counted = json.loads(run("check", manifest, "--counts", "--orthography", edited, "--json"))
    assert counted["normalizer"] == report["normalizer"]


def test_strict_fails_on_quarantine_only(ljspeech: Path, tmp_path: Path) -> None:
    run("convert", ljspeech, tmp_path / "m.jsonl", "--lang", "pt")
    run("check", tmp_path / "m.jsonl", "--strict", code=1)
    run("check", tmp_path / "m.clean.jsonl", "--strict", code=0)


def test_bad_rows_are_counted_on_the_way(ljspeech: Path, tmp_path: Path) -> None:
    (ljspeech / "wavs" / "b.wav").unlink()
    with pytest.raises(CorpusError, match=r"1 of 3 rows cannot be used: .*metadata\.csv:2"):
        run("convert", ljspeech, tmp_path / "m.jsonl", "--lang", "pt")
    shown = run("convert", ljspeech, tmp_path / "m.jsonl", "--lang", "pt", "--skip-bad")
    assert "skipped: " in shown and "metadata.csv:2" in shown


def test_a_problem_of_many_rows_is_shown_once(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    lines = ["file_name,text", *("broken.wav,olá" for _ in range(9)), "missing.wav,olá"]
    (tmp_path / "metadata.csv").write_text("\n".join(lines), "utf-8")
    message = r"10 of 10 rows cannot be used: .*csv:2 .*cannot decode .*\(and 8 more such rows\); .*csv:11: no such"
    with pytest.raises(CorpusError, match=message) as error:
        run("convert", tmp_path, tmp_path / "m.jsonl", "--lang", "pt")
    assert str(error.value).count("cannot decode") == 1 and "--skip-bad" in error.value.fix


def test_several_languages_need_a_choice(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, RATE), RATE)
    rows = [Utterance(lang, tmp_path / "a.wav", "olá", lang, "s", 1.0, "train") for lang in ("es", "pt")]
    write_manifest(tmp_path / "m.jsonl", rows)
    with pytest.raises(CorpusError, match="several languages: es, pt"):
        run("check", tmp_path / "m.jsonl")
    run("check", tmp_path / "m.jsonl", "--lang", "pt")


def test_unknown_kinds_of_corpus_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="the folder is empty"):
        run("convert", tmp_path, tmp_path / "m.jsonl", "--lang", "pt")
    (tmp_path / "readme.md").write_text("nothing")
    with pytest.raises(CorpusError, match="unknown kind of corpus"):
        run("convert", tmp_path, tmp_path / "m.jsonl", "--lang", "pt")
    with pytest.raises(CorpusError, match="no reader 'voxforge'"):
        run("convert", tmp_path, tmp_path / "m.jsonl", "--lang", "pt", "--format", "voxforge")
    with pytest.raises(CorpusError, match="no such file or folder"):
        run("convert", tmp_path / "none", tmp_path / "m.jsonl", "--lang", "pt")


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("visits.zip", b"PK\x03\x04", "an archive"),
        ("visits.TAR", b"", "an archive"),
        ("v.txt", b'<?xml version="1.0"?>\n<ANNOTATION_DOCUMENT>', "those of a .eaf file"),
        ("v.xml", '\ufeff<?xml version="1.0"?>\n<ANNOTATION_DOCUMENT>'.encode("utf-16-le"), "those of a .eaf file"),
        ("v.txt", 'File type = "ooTextFile"'.encode("utf-16"), "those of a .textgrid file"),
        ("v.md", b"WEBVTT\n", "those of a .vtt file"),
        ("v", b"<!DOCTYPE Trans SYSTEM", "those of a .trs file"),
    ],
)
def test_archives_and_wrong_suffixes_are_named(tmp_path: Path, name, content, message, alone) -> None:
    (tmp_path / "visits").mkdir()
    file = tmp_path / "visits" / name
    file.write_bytes(content)
    with pytest.raises(CorpusError, match=message) as refusal:
        run("convert", file if alone else file.parent, tmp_path / "m.jsonl", "--lang", "pt")
    assert str(refusal.value).startswith(str(file))


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; from vizinho.cli import corpus; "
        "print(*{'torch', 'transformers', 'lhotse', 'pyarrow', 'numpy', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_field_recordings_are_converted_with_the_guess_and_the_notes_shown(tmp_path: Path) -> None:
    recording(tmp_path / "visits" / "v.wav")
    spans = [(0.0, 1.0, "bom dia"), (1.0, 2.0, "[riso]"), (2.0, 3.0, "até já")]
    eaf(tmp_path / "visits" / "v.eaf", [("tx@ana", "Ana", spans), ("ft@ana", "Ana", [(0.0, 1.0, "good day")])])
    manifest = tmp_path / "pt.jsonl"
    shown = run("convert", tmp_path / "visits", manifest, "--lang", "pt")
    assert "2 utterances, 0.0 minutes (train 2), eaf" in shown
    assert "tiers (guessed; --tier NAME chooses others):\n  * tx*: 3 texts, 1.7 words each, 0.1 min, " in shown
    assert "note: event, 1: [riso] (1)\nnote: events only, 1: [riso] (1)\n" in shown
    notes = [json.loads(line) for line in (tmp_path / "pt.notes.jsonl").read_text("utf-8").splitlines()]
    assert [(n["kind"], n["detail"]) for n in notes] == [("event", "[riso]"), ("events only", "[riso]")]
    back = read_manifest(manifest)
    assert [u.place.start_seconds for u in back] == [0.0, 2.0]
    assert {u.place.recording for u in back} == {tmp_path / "visits" / "v.wav"}
    shown = json.loads(run("convert", tmp_path / "visits", manifest, "--lang", "pt", "--tier", "ft@*", "--json"))
    assert [(t["label"], t["chosen"]) for t in shown["tiers"]] == [("ft*", True), ("tx*", False)]
    assert read_manifest(manifest)[0].text == "good day"
    for tiers in (["--tier", "nada"], ["--tier", "tx@*", "--tier", "nada"]):
        with pytest.raises(CorpusError, match="no tier is called 'nada'; the tiers are ft@ana, tx@ana"):
            run("convert", tmp_path / "visits", manifest, "--lang", "pt", *tiers)
    with pytest.raises(SpecError, match=r"--media: no folder .*nowhere"):
        run("convert", tmp_path / "visits", manifest, "--lang", "pt", "--media", tmp_path / "nowhere")


def test_options_of_field_recordings_are_refused_for_other_corpora(ljspeech: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="ljspeech has nothing for options"):
        run("convert", ljspeech, tmp_path / "m.jsonl", "--lang", "pt", "--tier", "tx")
    recording(tmp_path / "v.wav")
    eaf(tmp_path / "v.eaf", [("tx", "", [(0.0, 1.0, "bom dia")])])
    for option, value in (("--parentheses", "maybe"), ("--encoding", "latin-77")):
        with pytest.raises(SpecError, match=option):
            run("convert", tmp_path / "v.eaf", tmp_path / "m.jsonl", "--lang", "pt", option, value)


@pytest.mark.parametrize("typed", ["ana", "=0", "ana=x", "ana=-1", ""])
def test_channels_are_a_speaker_and_a_number(tmp_path: Path, typed: str) -> None:
    with pytest.raises(SpecError, match="is not SPEAKER=N"):
        run("convert", tmp_path, tmp_path / "m.jsonl", "--lang", "pt", "--channel", typed)
