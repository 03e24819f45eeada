"""Greedy decoding, letters, and a lexicon, for the models of the case study: weights on dev, test once, a table.

    python examples/es_to_pt/lexicon.py --store runs/es_to_pt/experiment/store --models es.all.seed1 es.all.seed2

Also the donor with text alone (`transfer --text`): frequent words, and the names.

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
Row = dict[str, Any]


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


def measure(out: Path, model: str, track: str, corpus: Path, lms: dict[str, Path], metric: str) -> Iterator[Row]:
    """Rows of the table: a model on a track, decoded in each way."""
    for part, names in (PARTS | (NAMES if track == "words" else {})).items():
        stem = f"{model}.{track}.{part.replace(' ', '-')}"
        decoder = out / f"{stem}.decoder.json"
        if not decoder.is_file():
            given = [word for name in names for word in ("--lm", lms[name])]
            chosen = vizinho("lm", "tune", model, "--corpus", corpus, *given, "--metric", metric, "--out", decoder)
            print(f"{model}, {track}, {part}\n{chosen}", flush=True)
        scores = evaluated(out / f"{stem}.test.json", model, corpus, "--decoder", decoder)
        if part == "letters":
            yield row(model, track, "greedy", scores["greedy"])
        yield row(model, track, part, scores)


def text_only(out: Path, donor: Path, texts: dict[str, list[object]], corpora: dict[str, Path]) -> Iterator[Row]:
    """Rows of the donor that has never met the target's speech: untuned, since there is nothing to tune on."""
    os.environ["VIZINHO_HOME"] = str(out / "text_only")
    for name, sources in texts.items():
        model = f"pt-{name}"
        if not (out / "text_only" / "models" / model).is_dir():
            given = [word for source in sources for word in ("--text", source)]
            vizinho("transfer", donor, "--from", "es", "--to", "pt", *given, "--name", model, "--quiet")
        for track, corpus in corpora.items():
            if name == "names" and track != "words":
                continue
            scores = evaluated(out / f"text.{name}.{track}.test.json", model, corpus)
            yield row("no target speech", track, "greedy", scores["greedy"])
            yield row("no target speech", track, f"text: {name}", scores)


def evaluated(path: Path, model: str, corpus: Path, *options: object) -> dict[str, Any]:
    """Scores on the test set, which is decoded once."""
    if not path.is_file():
        path.write_text(vizinho("evaluate", model, "--corpus", corpus, "--split", "test", *options, "--json"))
    scores: dict[str, Any] = json.loads(path.read_text())
    return scores


def row(model: str, track: str, decoding: str, scores: dict[str, Any]) -> Row:
    compared = scores.get("comparison") or {}
    rates = {name: [round(value, 4) for value in (scores[name], *scores[f"{name}_ci"])] for name in ("cer", "wer")}
    p = {f"{name}_p": round(compared[name]["p"], 4) for name in ("cer", "wer") if name in compared}
    return {"model": model, "track": track, "decoding": decoding, **rates, **p}


def table(rows: list[Row]) -> Iterator[str]:
    yield "| model | track | decoding | CER | WER | p against greedy: CER, WER |\n|---|---|---|---|---|---|\n"
    for r in rows:
        rates = ["{:.3f} [{:.3f}, {:.3f}]".format(*r[name]) for name in ("cer", "wer")]
        p = ", ".join(f"{r[name]:.4f}" for name in ("cer_p", "wer_p") if name in r)
        yield f"| {' | '.join([r['model'], r['track'], r['decoding'], *rates, p])} |\n"


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
    rows = [
        r
        for model in arguments.models
        for track, corpus in corpora.items()
        for r in measure(arguments.out, model, track, corpus, lms, arguments.metric)
    ]
    donors = arguments.store / "models" / "donor_es"
    if donors.is_dir():
        newest = donors / (donors / "current").read_text().strip()
        texts: dict[str, list[object]] = {"words": ["wordfreq:pt"], "names": [arguments.out / "names.txt"]}
        rows += text_only(arguments.out, newest, texts, corpora)
    (arguments.out / "results.json").write_text(json.dumps(rows, indent=1) + "\n")
    print("".join(table(rows)), end="")


if __name__ == "__main__":
    main()
