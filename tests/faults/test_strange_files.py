"""Files of strangers of every kind that is read: whatever is in them, only clear errors come out."""

import importlib.util
import json
import math
import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strange import CELLS, CUTS, KEEP, VALUES, cell_swapped, clear_only, damaged, fuzzed, swapped

pytestmark = pytest.mark.faults
ROOT = Path(__file__).parents[2]
PLACES = st.integers(0, 10**6)


def readers_test() -> Any:
    """The corpora of the readers' contract."""
    spec = importlib.util.spec_from_file_location(
        "contract_of_readers", ROOT / "tests" / "contracts" / "test_readers.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look for their module there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> dict[str, Path]:
    folder, module = tmp_path_factory.mktemp("corpora"), readers_test()
    for kind, build in module.BUILDERS.items():
        build(folder / kind)
    return {kind: folder / kind for kind in module.BUILDERS}


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

    from vizinho.decoding.setup import read_decoder
    from vizinho.experiment.values import FORMAT
    from vizinho.registry.card import Card, read_card
    from vizinho.report.page import write_report
    from vizinho.runtime.engines import OnnxEngine

    card = Card("x", "pt", "2026-01-01T00:00:00+00:00", 5, "pt-v1", 3, 1, donor={"ref": "es@1", "language": "es"})
    return {
        "card.json": (asdict(card) | {"curve": [], "scores": []}, lambda path: read_card(path.parent)),
        "decoder.json": (
            {"format": 1, "lms": ["x.arpa"], "options": {"beam_width": 8}, "hotwords": {"mar": 1.5}, "chosen": {}},
            read_decoder,
        ),
        "vizinho.json": (
            {"format": 1, "precision": "fp32", "subsampling": 4, "features": {}, "tokens": ["a"], "roles": ["letter"]},
            lambda path: OnnxEngine.load(path.parent),
        ),
        "results.json": (
            {
                "format": FORMAT,
                "arms": [arm("es", 1, [0.5, 0.4], [1, 2, 3])],
                "questions": {},
                "comparisons": [],
                "worst": [],
                "pooled": [],
                "updates": [],
            },
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
    from vizinho.experiment.spec import read_spec
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
    from vizinho.understanding.classifier import load_classifier

    folder = tmp_path_factory.mktemp("strange")
    (folder / "classifier.json").write_text(json.dumps({"version": 1, "topics": ["a", "b"]}))
    text = json.dumps(header).encode()
    size = len(text) if length is None else length
    (folder / "classifier.safetensors").write_bytes(size.to_bytes(8, "little") + text + rest)
    clear_only(load_classifier, folder)
