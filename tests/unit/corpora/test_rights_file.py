"""Licence, consent and restrictions go along wherever utterances go."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tones import tone_corpus
from typer.testing import CliRunner

from vizinho.audio.io import save_audio
from vizinho.cli.main import app
from vizinho.corpora.convert import convert_corpus
from vizinho.corpora.export import export_corpus
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.corpora.readers import READERS
from vizinho.corpora.rights_file import NAME, RightsFile
from vizinho.corpora.shards.index import read_index, read_rows
from vizinho.corpora.shards.make import make_shards
from vizinho.corpora.writers import WRITERS
from vizinho.errors import CorpusError
from vizinho.records import Place
from vizinho.rights import Rights, rights_of

RIGHTS = Rights("CC-BY-NC-4.0", "oral, 2024", ("not for export", "ask Ana"))


@pytest.fixture
def restricted(tmp_path: Path) -> Path:
    manifest = tone_corpus(tmp_path / "in", count=6, splits=("train", "train", "dev"))
    write_manifest(
        manifest, [replace(u, **RIGHTS.row() | {"restrictions": RIGHTS.restrictions}) for u in read_manifest(manifest)]
    )
    return manifest


def typed(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.stdout


def test_manifests_carry_the_fields_and_old_ones_have_none(tmp_path, restricted):
    row = json.loads(restricted.read_text("utf-8").splitlines()[0])
    assert (row["licence"], row["consent"], row["restrictions"]) == (
        *(RIGHTS.licence, RIGHTS.consent),
        list(RIGHTS.restrictions),
    )
    old = {key: row[key] for key in ("id", "audio", "text", "lang", "speaker", "duration", "split")}
    (restricted.parent / "old.jsonl").write_text(json.dumps(old) + "\n", "utf-8")
    assert rights_of(read_manifest(restricted.parent / "old.jsonl")[0]) == Rights()


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_an_export_and_its_conversion_keep_them(kind, tmp_path, restricted):
    utterances = read_manifest(restricted)
    placed = [replace(u, place=Place(u.audio, 0.0)) for u in utterances]
    exported = export_corpus(placed, tmp_path / "out", kind)
    assert exported.rights == tmp_path / "out" / NAME
    assert export_corpus(placed, tmp_path / "out", kind).rights.read_text() == exported.rights.read_text()
    options = READERS[kind].options
    options = replace(options, media=(restricted.parent / "audio",))
    back = convert_corpus(tmp_path / "out", tmp_path / "back.jsonl", lang="pt", reader=kind, options=options)
    assert {rights_of(u) for u in back.utterances} == {RIGHTS}
    assert not back.note_counts.get("rights unused")


def test_nothing_known_writes_no_file(tmp_path):
    manifest = tone_corpus(tmp_path, count=2)
    assert export_corpus(read_manifest(manifest), tmp_path / "out", "audacity").rights is None
    assert not (tmp_path / "out" / NAME).exists()


def test_shards_carry_them_and_sum_them_up(tmp_path, restricted):
    index = make_shards(str(restricted), tmp_path / "shards")
    again = read_index(tmp_path / "shards")
    assert list(index.rights) == list(again.rights) == [
        {"licence": RIGHTS.licence, "restrictions": list(RIGHTS.restrictions), "utterances": 4,
         "minutes": again.rights[0]["minutes"], "with_consent": 4}
    ]  # fmt: skip
    shard = again.shards[0]
    rows = read_rows(tmp_path / "shards" / shard.rows)
    assert {rights_of(again.utterance(shard, row)) for row in rows} == {RIGHTS}
    assert {rights_of(u) for u in read_manifest(tmp_path / "shards" / "dev.jsonl")} == {RIGHTS}
    # The tars alone, as another program or a second index reads them.
    (tmp_path / "tars").mkdir()
    (tmp_path / "shards" / shard.tar).rename(tmp_path / "tars" / shard.tar)
    foreign = make_shards(str(tmp_path / "tars"), tmp_path / "foreign", lang="pt")
    assert foreign.rights == index.rights


def test_shards_leave_out_what_may_not_be_trained_on(tmp_path, restricted):
    first, *others = read_manifest(restricted)
    write_manifest(restricted, [replace(first, consent="Withdrawn"), *others])
    index = make_shards(str(restricted), tmp_path / "shards")
    assert (index.utterances, index.left_out) == (3, 1)
    assert "withdrawn" in (tmp_path / "shards" / "left-out.jsonl").read_text("utf-8").lower()


def test_check_counts_what_is_missing_and_quarantines_what_may_not_be_used(tmp_path):
    manifest = tone_corpus(tmp_path, count=6, splits=("train", "test"))
    rights = [
        {"licence": "CC0-1.0", "consent": "form 1", "restrictions": ("no export",)},
        {"licence": "ours", "restrictions": ("not for training",)},
        {"restrictions": ("not for training",)},
        {"consent": "withdrawn"},
        {},
        {"restrictions": ("not for export",)},
    ]
    write_manifest(manifest, [replace(u, **r) for u, r in zip(read_manifest(manifest), rights, strict=True)])
    values = json.loads(typed("corpus", "check", manifest, "--json"))
    assert {f["id"] for f in values["findings"] if f["kind"] == "rights"} == {"pt-002", "pt-003"}
    assert {f["severity"] for f in values["findings"] if f["kind"] == "rights"} == {"quarantine"}
    assert values["rights"]["without_licence"] == values["rights"]["without_consent"] == 4
    assert values["rights"]["not_spdx"] == {"ours": 1}
    assert values["rights"]["shown_only"] == {"no export": "not for export"}
    text = typed("corpus", "check", manifest)
    assert "4 of 6 utterances have no licence, 4 no consent" in text
    assert "did you mean 'not for export'?" in text
    clean = read_manifest(manifest.with_name("pt.clean.jsonl"))
    assert next(u for u in clean if u.id == "pt-000").restrictions == ("no export",)


def test_convert_takes_them_from_options_and_from_a_file_beside(tmp_path):
    source = tmp_path / "in"
    for name in ("ana", "ben"):
        save_audio(source / f"{name}.wav", np.full(16_000, 0.1, np.float32))
    rows = [{"file_name": f"{n}.wav", "text": "bom dia", "speaker": n, "license": "CC0-1.0"} for n in ("ana", "ben")]
    (source / "metadata.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    lines = [{"consent": "oral"}, {"speaker": "ana", "restrictions": ["Community Only"]}, {"recording": "bne.wav"}]
    (source / NAME).write_text("".join(json.dumps(r) + "\n" for r in lines))
    words = ["corpus", "convert", source, tmp_path / "m.jsonl", "--lang", "pt", "--restriction", "not for export"]
    assert "rights unused, 1: no utterance of bne.wav" in typed(*words)
    ana, ben = map(rights_of, read_manifest(tmp_path / "m.jsonl"))
    assert ana == Rights("CC0-1.0", "oral", ("community only", "not for export"))
    assert ben == Rights("CC0-1.0", "oral", ("not for export",))


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"restriction": ["not for export"]}', '{"restrictions": 1}', '{"speaker": 3}'],
    ids=["json", "list", "key", "value", "speaker"],
)
def test_a_line_that_would_not_be_honoured_is_refused(line, tmp_path):
    (tmp_path / NAME).write_text("{}\n" + line + "\n")
    with pytest.raises(CorpusError, match=f"{NAME}:2"):
        RightsFile.beside(tmp_path)


def test_a_manifest_with_restrictions_of_another_kind_is_refused(tmp_path):
    manifest = tone_corpus(tmp_path, count=1)
    row = json.loads(manifest.read_text("utf-8")) | {"restrictions": {"export": False}}
    manifest.write_text(json.dumps(row) + "\n")
    with pytest.raises(CorpusError, match=r"pt\.jsonl:1: field 'restrictions'"):
        read_manifest(manifest)


def test_bare_recordings_get_them_from_the_file_in_their_folder(tmp_path):
    from vizinho.recognition.files import collect
    from vizinho.recognition.label import from_files

    tone_corpus(tmp_path, count=2)
    (tmp_path / "audio" / NAME).write_text('{"recording": "pt-001.wav", "restrictions": "not for export"}\n')
    utterances = from_files(collect([tmp_path / "audio"]).files, "pt")
    assert {u.audio.stem: u.restrictions for u in utterances} == {"pt-000": (), "pt-001": ("not for export",)}
