"""Greedy decoding, letters, and a lexicon, for the models of the case study: weights on dev, test once, a table.

    python examples/es_to_pt/lexicon.py --store runs/es_to_pt/experiment/store --models es.all.seed1 es.all.seed2

Language models are made of wordfreq's list and of `--texts`, never of a transcript that is held out. Every step leaves
a file in `--out`, and steps whose file is there are skipped: the same command goes on after an interruption.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LIST_WORDS = 200_000
SHARED = Path(os.environ.get("VIZINHO_SHARED", "../shared"))
TRACKS = {"words": "pt.jsonl", "sentences": "pt_read.jsonl"}
PARTS = {"letters": ("letters",), "lexicon": ("words",), "lexicon and letters": ("words", "letters")}
NAMES = {"names": ("names",)}
"""A closed task: names.py knows what is talked about, not who says what."""


def vizinho(*words: object) -> str:
    command = [sys.executable, "-m", "vizinho", *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def language_models(out: Path, model: str, texts: list[Path], corpora: dict[str, Path]) -> dict[str, Path]:
    """Letters of the list; words of the list mixed with those of the sentences."""
    excluded = [part for corpus in corpora.values() for part in ("--exclude-corpus", corpus)]
    common = ["--model", model, "--list-words", LIST_WORDS, *excluded]
    made = {name: out / f"{name}.arpa" for name in ("letters", "list", "text", "words", "names")}
    names = out / "names.txt"
    if not names.is_file():
        command = [sys.executable, str(Path(__file__).with_name("names.py")), "pt"]
        names.write_text(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    steps: dict[str, list[object]] = {
        "letters": ["train", "wordfreq:pt", *common, "--unit", "char", "--order", 5],
        "list": ["train", "wordfreq:pt", *common, "--order", 1],
        "text": ["train", *texts, *common, "--order", 3],
        "words": ["mix", made["text"], made["list"], "--share", 0.5],
        "names": ["train", names, "--model", model, "--order", 2],
    }
    for name, step in steps.items():
        if not made[name].is_file():
            print(vizinho("lm", *step, "--out", made[name]), end="", flush=True)
    return made


def measure(out: Path, model: str, track: str, corpus: Path, lms: dict[str, Path], metric: str) -> Iterator[list[str]]:
    """Rows of the table: a model on a track, decoded in each way."""
    for part, names in (PARTS | (NAMES if track == "words" else {})).items():
        decoder, scores = (
            out / f"{model}.{track}.{part.replace(' ', '-')}.{kind}.json" for kind in ("decoder", "test")
        )
        if not decoder.is_file():
            given = [word for name in names for word in ("--lm", lms[name])]
            chosen = vizinho("lm", "tune", model, "--corpus", corpus, *given, "--metric", metric, "--out", decoder)
            print(f"{model}, {track}, {part}\n{chosen}", flush=True)
        if not scores.is_file():
            arguments = ["--corpus", corpus, "--split", "test", "--decoder", decoder, "--json"]
            scores.write_text(vizinho("evaluate", model, *arguments))
        found = json.loads(scores.read_text())
        if part == "letters":
            yield [model, track, "greedy", *(rate(found["greedy"], name) for name in ("cer", "wer")), ""]
        p = f"p = {found['comparison'][metric]['p']:.4f}"
        yield [model, track, part, *(rate(found, name) for name in ("cer", "wer")), p]


def rate(scores: dict[str, Any], name: str) -> str:
    low, high = scores[f"{name}_ci"]
    return f"{scores[name]:.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("runs/es_to_pt/experiment/store"))
    parser.add_argument("--models", nargs="+", default=[f"es.all.seed{seed}" for seed in (1, 2, 3)])
    parser.add_argument("--texts", type=Path, nargs="+", default=[SHARED / "text" / "sentences" / "pt_bosque.txt"])
    parser.add_argument("--tracks", nargs="+", default=list(TRACKS), choices=list(TRACKS))
    parser.add_argument("--metric", default="wer")
    parser.add_argument("--out", type=Path, default=Path("runs/es_to_pt/lexicon"))
    arguments = parser.parse_args()
    os.environ["VIZINHO_HOME"] = str(arguments.store)
    arguments.out.mkdir(parents=True, exist_ok=True)
    corpora = {track: SHARED / "speech" / TRACKS[track] for track in arguments.tracks}
    lms = language_models(arguments.out, arguments.models[0], arguments.texts, corpora)
    rows = [["model", "track", "decoding", "CER", "WER", f"against greedy, {arguments.metric.upper()}"]]
    for model in arguments.models:
        for track, corpus in corpora.items():
            rows += measure(arguments.out, model, track, corpus, lms, arguments.metric)
    rows.insert(1, ["---"] * len(rows[0]))
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    (arguments.out / "table.md").write_text(table)
    print(table, end="")


if __name__ == "__main__":
    main()
