"""Feeds one reader bytes that lead it where it has not been (atheris, libFuzzer), until a time is up or it fails.

    make fuzz READER=arpa SECONDS=120

Only our own errors, which say where, may come out: anything else, a crash of the process or two gigabytes of memory
ends the run with the bytes that did it, as `crash-*` in build/fuzz. What was found to lead on is kept in
build/fuzz/READER, where the next run begins.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import atheris

HERE = Path(__file__).parent

with atheris.instrument_imports(include=["vizinho", "conllu", "yaml", "tarfile"]):
    from vizinho.corpora.manifest import read_manifest
    from vizinho.decoding.lm.model import load_language_model
    from vizinho.decoding.setup import read_decoder
    from vizinho.experiment.read_spec import read_spec
    from vizinho.languages.levels.treebank import read_treebank
    from vizinho.model.formats.nemo import read_archive
    from vizinho.store.card import read_card
    from vizinho.text_models.topic_classifier import load_classifier
    from vizinho.training.recipes import read_recipe
    from vizinho.vectors.static import load_vectors

from nemo_archive import ARCHIVE  # noqa: E402
from strange import clear_only  # noqa: E402

ROW = {"id": "a", "audio": "a.wav", "text": "olá", "lang": "pt", "speaker": "s", "duration": 1.5, "split": "train"}
CARD = {"format": 5, "name": "x", "language": "pt", "created": "2026-01-01T00:00:00+00:00", "curve": [], "scores": []}
ARPA = "\\data\\\nngram 1=4\nngram 2=2\n\n\\1-grams:\n-1\t<unk>\n-99\t<s>\t-.3\n-1\t</s>\n-1\tmar\t-.3\n\n\\2-grams:\n-.3\t<s> mar\n-.3\tmar </s>\n\n\\end\\\n"  # noqa: E501
DECODER = {"format": 1, "lms": ["x.arpa"], "options": {"beam_width": 8}, "hotwords": {"mar": 1.5}, "chosen": {}}
TENSOR = json.dumps({"weights": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()


def bank() -> bytes:
    return (resources.files("vizinho.languages.levels") / "minibank" / "pt.conllu").read_bytes()[:1500]


def classifier(path: Path) -> None:
    (path.parent / "classifier.json").write_text(json.dumps({"version": 1, "topics": ["a", "b"]}))
    load_classifier(path.parent)


READERS: dict[str, tuple[str, Callable[[], bytes], Callable[[Path], Any]]] = {
    "manifest": ("m.jsonl", json.dumps(ROW).encode, read_manifest),
    "conllu": ("x.conllu", bank, read_treebank),
    "arpa": ("x.arpa", ARPA.encode, load_language_model),
    "card": ("card.json", json.dumps(CARD).encode, lambda path: read_card(path.parent)),
    "decoder": ("decoder.json", json.dumps(DECODER).encode, read_decoder),
    "recipe": ("r.toml", "steps = 10\n[layers]\nhead_first_share = 0.1\n".encode, read_recipe),
    "experiment": ("e.toml", lambda: next(HERE.parent.glob("examples/demo/*.toml")).read_bytes(), read_spec),
    "nemo": ("x.nemo", ARCHIVE.read_bytes, read_archive),
    "safetensors": (
        "classifier.safetensors",
        lambda: len(TENSOR).to_bytes(8, "little") + TENSOR + bytes(16),
        classifier,
    ),
    "vec": ("x.vec", "2 2\ncasa 1 0\nmar 0 1\n".encode, load_vectors),
}
"""By name: what its file is called, a valid one to begin with, what reads it."""


def main(reader: str, *options: str) -> None:
    name, valid, read = READERS[reader]
    kept = Path("build/fuzz") / reader
    kept.mkdir(parents=True, exist_ok=True)
    (kept / "valid").write_bytes(valid())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name

        def once(data: bytes) -> None:
            path.write_bytes(data)
            clear_only(read, path)

        atheris.Setup(
            [sys.argv[0], str(kept), f"-artifact_prefix={kept.parent}/", "-rss_limit_mb=2048", *options], once
        )
        atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in READERS:
        sys.exit(f"which reader? {', '.join(READERS)}")
    main(*sys.argv[1:])
