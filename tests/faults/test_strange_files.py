"""Files of strangers of every kind that is read: whatever is in them, only clear errors come out."""

import gzip
import io
import json
import math
import shutil
import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_corpora import BUILDERS
from strange import CELLS, CUTS, KEEP, VALUES, cell_swapped, clear_only, damaged, fuzzed, swapped

from vizinho.errors import CorpusError

pytestmark = pytest.mark.faults
ROOT = Path(__file__).parents[2]
PLACES = st.integers(0, 10**6)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("corpora")
    for kind, build in BUILDERS.items():
        build(folder / kind)
    return {kind: folder / kind for kind in BUILDERS}


TABLES = {
    "common-voice": "train.tsv",
    "mls": "train/transcripts.txt",
    "fleurs": "train.tsv",
    "kaldi": "wav.scp",
    "nemo": "train_manifest.json",
    "ljspeech": "metadata.csv",
}


@fuzzed(60)
@given(st.sampled_from(sorted(TABLES)), PLACES, CELLS, CUTS, KEEP)
def test_tables_of_corpora(corpora, tmp_path_factory, kind, place, cell, cuts, keep):
    from vizinho.corpora.convert import convert_corpus

    folder = tmp_path_factory.mktemp("strange")
    table = next(p for p in corpora[kind].rglob("*") if p.as_posix().endswith(TABLES[kind]))
    shutil.copytree(corpora[kind], folder / "corpus")
    target = folder / "corpus" / table.relative_to(corpora[kind])
    text = cell_swapped(target.read_text("utf-8"), place, cell, "\t|\n ,:")
    target.write_bytes(damaged(text.encode(), cuts, keep))
    for skip_bad in (False, True):
        clear_only(
            lambda path, skip=skip_bad: convert_corpus(
                path, folder / "made.jsonl", lang="pt", reader=kind, skip_bad=skip
            ),
            folder / "corpus",
        )


@fuzzed(25)
@given(st.sampled_from(("huggingface", "lhotse")), PLACES, CUTS, KEEP)
def test_packed_corpora(corpora, tmp_path_factory, kind, which, cuts, keep):
    from vizinho.corpora.convert import convert_corpus

    folder = tmp_path_factory.mktemp("strange")
    shutil.copytree(corpora[kind], folder / "corpus")
    files = sorted(p for p in (folder / "corpus").rglob("*") if p.suffix in (".parquet", ".gz"))
    target = files[which % len(files)]
    target.write_bytes(damaged(target.read_bytes(), cuts, keep))
    clear_only(lambda path: convert_corpus(path, folder / "made.jsonl", lang="pt", reader=kind), folder / "corpus")


def gzipped(path: Path, content: bytes) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(content)


def test_a_corpus_that_unpacks_to_far_more_than_it_is(corpora, tmp_path):
    from vizinho.corpora.convert import convert_corpus

    shutil.copytree(corpora["lhotse"], tmp_path / "corpus")
    gzipped(next((tmp_path / "corpus").glob("*recordings_train*")), b" " * (80 * 2**20))
    with pytest.raises(CorpusError, match="unpacks to more than"):
        convert_corpus(tmp_path / "corpus", tmp_path / "made.jsonl", lang="pt", reader="lhotse")


def recordings_changed(corpus: Path, **values: str) -> None:
    """Every recording of lhotse manifests comes from elsewhere than from its file."""
    for path in corpus.glob("*recordings*"):
        with gzip.open(path, "rt") as file:
            rows = [json.loads(line) for line in file]
        for row in rows:
            row["sources"][0] |= values
        gzipped(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("command", "touch {ran}; cat a.wav", "is a command"),
        ("url", "http://localhost:9/a.wav", "is a url"),
        ("file", "/nowhere/$(touch {ran}).sph", "characters that the shell which starts sph2pipe would interpret"),
    ],
)
def test_a_corpus_runs_no_command(corpora, tmp_path, kind, name, said):
    from vizinho.corpora.convert import convert_corpus

    shutil.copytree(corpora["lhotse"], tmp_path / "corpus")
    # Of two channels, so that it would have to be cut.
    recordings_changed(tmp_path / "corpus", type=kind, source=name.format(ran=tmp_path / "ran"), channels=[0, 1])
    with pytest.raises(CorpusError, match=said):
        convert_corpus(tmp_path / "corpus", tmp_path / "made.jsonl", lang="pt", reader="lhotse")
    assert not (tmp_path / "ran").exists()


def shard(path: Path, sample: Path) -> Path:
    """A tar of webdataset with one good sample and many that are none."""
    text = json.dumps({"text": "olá", "id": "x"}).encode()

    def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, **more: Any) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.size = kind, len(data)
        for key, value in more.items():
            setattr(info, key, value)
        tar.addfile(info, io.BytesIO(data))

    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        member("good.wav", sample.read_bytes())
        member("good.json", text)
        for number, kind in enumerate((tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)):
            member(f"no{number}.wav", kind=kind, linkname=str(sample))
            member(f"no{number}.json", text)
        for number, name in enumerate(("../../up", str(path.parent / "absolute"))):
            member(f"{name}.wav", sample.read_bytes())
            member(f"{name}.json", json.dumps({"text": "olá", "id": f"../{number}"}).encode())
        member("holes.wav", sample.read_bytes(), pax_headers={"GNU.sparse.map": "0,9", "GNU.sparse.size": "99"})
        member("holes.json", text)
        member("long.wav", sample.read_bytes())
        member("long.txt", b"x" * (17 * 2**20))
    return path


def test_shards_of_strangers(corpora, tmp_path):
    """Links, devices and files with holes are named; nothing is written outside of the corpus."""
    from vizinho.corpora.shards.make import make_shards

    sample = next(p for p in corpora["kaldi"].rglob("*.wav"))
    (tmp_path / "in").mkdir()
    shard(tmp_path / "in" / "a.tar", sample)
    before = sorted(tmp_path.rglob("*"))
    made = make_shards(str(tmp_path / "in"), tmp_path / "out", lang="pt")
    assert [p for p in sorted(tmp_path.rglob("*")) if tmp_path / "out" not in (p, *p.parents)] == before
    assert made.utterances == 3
    left_out = (tmp_path / "out" / "left-out.jsonl").read_text("utf-8")
    for said in ("hard link", "symbolic link", "is no file", "file with holes", "are read"):
        assert said in left_out, said


STRANGE_HEADERS = [
    {"GNU.sparse.map": "a,b"},
    {"GNU.sparse.size": "600", "GNU.sparse.numblocks": "x"},
    {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1000"},
    {"size": "-5"},
    {"size": "9" * 30},
]


@pytest.mark.parametrize("number", range(len(STRANGE_HEADERS) + 3))
def test_headers_of_tars(corpora, tmp_path, number):
    """What Python's own reader of tars trips over, or would make room for."""
    from vizinho.corpora.shards.make import make_shards

    sample = next(p for p in corpora["kaldi"].rglob("*.wav"))
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("good.wav", "good.txt"):
            info = tarfile.TarInfo(name)
            data = sample.read_bytes() if name.endswith("wav") else b"a casa"
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        end = tar.offset
        info = tarfile.TarInfo("b.wav")
        info.pax_headers = dict(STRANGE_HEADERS[number]) if number < len(STRANGE_HEADERS) else {}
        tar.addfile(info)
    if number >= len(STRANGE_HEADERS):  # a header that claims to be a tebibyte long, or less than nothing
        kind, size = ((tarfile.XHDTYPE, 2**40), (tarfile.GNUTYPE_LONGNAME, 2**40), (tarfile.REGTYPE, -512))[
            number - len(STRANGE_HEADERS)
        ]
        info.type, info.size = kind, size
        path.write_bytes(path.read_bytes()[:end] + info.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    made = make_shards(str(tmp_path / "in"), tmp_path / "out", lang="pt")
    assert made.utterances == 1
    assert (
        "cannot read" in (said := (tmp_path / "out" / "left-out.jsonl").read_text("utf-8"))
        or " bytes" in said
        or ("too early" in said or "holes" in said)
    )


ROW = {
    "id": "a", "audio": "a.wav", "text": "olá", "lang": "pt", "speaker": "s", "duration": 1.5, "split": "train",
    "accent": "x",
}  # fmt: skip


@fuzzed(25)
@given(PLACES, VALUES, CUTS, KEEP)
def test_manifests(tmp_path_factory, place, value, cuts, keep):
    from vizinho.corpora.manifest import fingerprint, read_manifest, write_manifest

    path = tmp_path_factory.mktemp("strange") / "m.jsonl"
    path.write_bytes(
        damaged(f"{json.dumps(ROW | {'id': 'b'})}\n{json.dumps(swapped(ROW, place, value))}\n".encode(), cuts, keep)
    )

    def read(path: Path) -> None:
        found = read_manifest(path)
        write_manifest(path.with_name("again.jsonl"), found)
        assert len(read_manifest(path.with_name("again.jsonl"))) == len(found)
        fingerprint(found)  # no audio is there: an error of ours

    clear_only(read, path)


@fuzzed(25)
@given(PLACES, CELLS, CUTS, KEEP)
def test_treebanks(tmp_path_factory, place, cell, cuts, keep):
    from importlib import resources

    from vizinho.languages.levels.treebank import read_treebank

    text = (resources.files("vizinho.languages.levels") / "minibank" / "pt.conllu").read_text("utf-8")[:3000]
    path = tmp_path_factory.mktemp("strange") / "x.conllu"
    path.write_bytes(damaged(cell_swapped(text, place, cell, "\t\n|=").encode(), cuts, keep))
    clear_only(read_treebank, path)


@pytest.fixture(scope="module")
def arpa(tmp_path_factory) -> Path:
    from lm_files import lm_file

    return lm_file(tmp_path_factory.mktemp("arpa") / "x.arpa", "a casa o mar", "a pera", order=3)


@fuzzed(60)
@given(PLACES, CELLS, CUTS, KEEP, st.booleans())
def test_language_models(arpa, tmp_path_factory, place, cell, cuts, keep, whole):
    """KenLM reads the file after us: what it cannot read, it must never be given."""
    from vizinho.decoding.lm.model import load_language_model

    path = tmp_path_factory.mktemp("strange") / "x.arpa"
    text = arpa.read_text("utf-8") if whole else cell_swapped(arpa.read_text("utf-8"), place, cell, "\t\n =")
    path.write_bytes(damaged(text.encode(), cuts, keep))
    clear_only(load_language_model, path)


def json_readers(folder: Path) -> dict[str, tuple[Any, Callable[[Path], object]]]:
    """(a valid value, what reads it) of every JSON file that can come from elsewhere."""
    from dataclasses import asdict

    from results import arm
    from results import results as results_of

    from vizinho.decoding.setup import read_decoder
    from vizinho.experiment.results import as_json
    from vizinho.recognition.engines import load_export
    from vizinho.report.page import write_report
    from vizinho.store.card import Card, read_card

    card = Card("x", "pt", "2026-01-01T00:00:00+00:00", 5, "pt-v1", 3, 1, donor={"ref": "es@1", "language": "es"})
    return {
        "card.json": (asdict(card) | {"curve": [], "scores": []}, lambda path: read_card(path.parent)),
        "decoder.json": (
            {"format": 1, "lms": ["x.arpa"], "options": {"beam_width": 8}, "hotwords": {"mar": 1.5}, "chosen": {}},
            read_decoder,
        ),
        "vizinho.json": (
            {"format": 1, "precision": "fp32", "subsampling": 4, "features": {}, "tokens": ["a"], "roles": ["letter"]},
            lambda path: load_export(path.parent),
        ),
        "results.json": (
            as_json(results_of([arm("es", 1, [0.5, 0.4], [1, 2, 3]), arm("scratch", 1, [0.9, 0.5], [4, 5, 6])])),
            lambda path: write_report(path, path.with_suffix(".html")),
        ),
    }


@fuzzed(60)
@given(st.sampled_from(("card.json", "decoder.json", "vizinho.json", "results.json")), PLACES, VALUES, CUTS, KEEP)
def test_json_files(tmp_path_factory, name, place, value, cuts, keep):
    folder = tmp_path_factory.mktemp("strange")
    valid, read = json_readers(folder)[name]
    (folder / name).write_bytes(damaged(json.dumps(swapped(valid, place, value)).encode(), cuts, keep))
    clear_only(read, folder / name)


SPECS = sorted(ROOT.glob("examples/*/*.toml"))


def toml_lines(value: dict[str, Any], path: str = "") -> list[str]:
    """A table as TOML, nested tables inline."""
    return [f"{json.dumps(key)} = {toml_value(item)}" for key, item in value.items()]


def toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(toml_lines(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, float):
        return {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan" if value != value else repr(value))
    return '""' if value is None else json.dumps(value)


@fuzzed(80)
@given(st.sampled_from(SPECS), PLACES, VALUES, CUTS)
def test_recipes_and_experiments(tmp_path_factory, source, place, value, cuts):
    from vizinho.experiment.read_spec import read_spec
    from vizinho.training.recipes import read_recipe

    path = tmp_path_factory.mktemp("strange") / source.name
    made = "\n".join(toml_lines(swapped(tomllib.loads(source.read_text("utf-8")), place, value)))
    path.write_bytes(damaged(made.encode(), cuts, 1.0))
    clear_only(read_recipe, path)
    clear_only(read_spec, path)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory) -> Path:
    from vizinho.vectors.static import WordVectors, save_vectors

    folder = tmp_path_factory.mktemp("vectors")
    made = WordVectors(("casa", "mar", "pé"), np.eye(3, 4, dtype=np.float32))
    for suffix in (".vec", ".bin", ".kv"):
        save_vectors(folder / f"x{suffix}", made)
    return folder


@fuzzed(60)
@given(st.sampled_from((".vec", ".bin", ".kv")), PLACES, CELLS, CUTS, KEEP)
def test_word_vectors(vectors, tmp_path_factory, suffix, place, cell, cuts, keep):
    from vizinho.vectors.static import load_vectors

    path = tmp_path_factory.mktemp("strange") / f"x{suffix}"
    data = (vectors / path.name).read_bytes()
    if suffix == ".vec":
        data = cell_swapped(data.decode(), place, cell, " \n").encode()
    path.write_bytes(damaged(data, cuts, keep))
    clear_only(load_vectors, path)


HEADERS = st.one_of(
    VALUES,
    st.dictionaries(
        st.sampled_from(("weights", "bias", "__metadata__", "")),
        st.one_of(
            VALUES,
            st.fixed_dictionaries(
                {
                    "dtype": st.sampled_from(("F32", "BF16", "U64", "X", "")),
                    "shape": st.lists(st.sampled_from((0, 1, 2, -1, 2**40)), max_size=3),
                    "data_offsets": st.lists(st.sampled_from((0, 4, 16, -4, 2**62)), max_size=3),
                }
            ),
        ),
        max_size=3,
    ),
)


@fuzzed(60)
@given(HEADERS, st.one_of(st.none(), st.integers(0, 2**64 - 1)), st.binary(max_size=64))
def test_headers_of_safetensors(tmp_path_factory, header, length, rest):
    from vizinho.text_models.topic_classifier import load_classifier

    folder = tmp_path_factory.mktemp("strange")
    (folder / "classifier.json").write_text(json.dumps({"version": 1, "topics": ["a", "b"]}))
    text = json.dumps(header).encode()
    size = len(text) if length is None else length
    (folder / "classifier.safetensors").write_bytes(size.to_bytes(8, "little") + text + rest)
    clear_only(load_classifier, folder)
