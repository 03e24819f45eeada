"""CER against the share of transcripts that are hidden: without them, with rounds of labels, and with all of them.

The speech is synthetic: the tone language of the tests, in which every letter is a tone, and micro networks. The donor
knows six of its eight letters. Every training has the same steps.

.venv/bin/python examples/untranscribed/hidden.py --out examples/untranscribed/results.json       # 1 core, some 8 min
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from vizinho.audio.augment import NO_AUGMENT
from vizinho.cli.emit import markdown
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.evaluation.significance import compare
from vizinho.job.promote import measure
from vizinho.job.rounds import RoundOptions, self_train
from vizinho.job.run import Reporting, train, transfer
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Utterance, UtteranceErrors
from vizinho.store.store import Store
from vizinho.training.options import TrainingOptions

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from tones import tone_corpus

TRAIN, DEV, TEST = 80, 16, 60
SHARES = (0.1, 0.5, 0.9)
RECIPE = TrainingOptions(
    steps=80, batch_seconds=8, learning_rate=3e-3, evaluate_every=20, checkpoint_every=80, workers=0, augment=NO_AUGMENT
)
QUIET = Reporting(quiet=True)


def scored(ref: str, test: Sequence[Utterance]) -> list[UtteranceErrors]:
    return list(measure(Recognizer.load(Store().resolve(ref)), test).errors)


def one_seed(seed: int, folder: Path) -> dict[tuple[float, str], list[UtteranceErrors]]:
    """Errors on test by share hidden and way."""
    rows = read_manifest(tone_corpus(folder / "pt", count=TRAIN + DEV + TEST, seed=100 + seed))
    test, dev, speech = rows[:TEST], rows[TEST : TEST + DEV], rows[TEST + DEV :]
    dev = [replace(u, split="dev") for u in dev]
    recipe = replace(RECIPE, seed=seed)
    write_manifest(folder / "all.jsonl", [*dev, *speech])
    whole = transfer("es", to="pt", corpus=folder / "all.jsonl", name="all", recipe=recipe, reporting=QUIET)
    assert whole.ref is not None
    results = {(0.0, "all transcribed"): scored(whole.ref, test)}
    for share in SHARES:
        hidden = round(share * TRAIN)
        known, rest = folder / f"known{share}.jsonl", folder / f"hidden{share}.jsonl"
        write_manifest(known, [*dev, *speech[hidden:]])
        write_manifest(rest, [replace(u, text="") for u in speech[:hidden]])
        report = self_train(
            "es", to="pt", corpus=known, untranscribed=rest, name=f"pt{round(100 * share)}",
            rounds=RoundOptions(2), recipe=recipe, reporting=QUIET,
        )  # fmt: skip
        results[share, "without the rest"] = scored(report.rounds[0].model, test)
        results[share, "with labels"] = scored(report.model, test)
        print(seed, share, [(r.labels, round(r.dev_cer, 3)) for r in report.rounds], report.stopped, flush=True)
    return results


def pooled(parts: Sequence[list[UtteranceErrors]]) -> list[UtteranceErrors]:
    """Utterances of all seeds, under ids of their own."""
    return [replace(u, id=f"{number}/{u.id}") for number, part in enumerate(parts) for u in part]


def rate(errors: Sequence[UtteranceErrors]) -> float:
    return sum(u.character_errors for u in errors) / sum(u.characters for u in errors)


def table(
    seeds: Sequence[Mapping[tuple[float, str], list[UtteranceErrors]]], shares: Sequence[float]
) -> tuple[list[dict[str, Any]], list[float]]:
    """Print and return a line for each share that was hidden, and the CER with all transcripts, of each seed."""
    lines = []
    for share in shares:
        ways = [[seed[share, way] for seed in seeds] for way in ("without the rest", "with labels")]
        difference = compare(pooled(ways[1]), pooled(ways[0]))
        lines.append(
            {
                "hidden": share,
                **{way: [round(rate(e), 4) for e in of] for way, of in zip(("without", "labels"), ways, strict=True)},
                "difference": round(difference.difference, 4),
                "low": round(difference.ci.low, 4),
                "high": round(difference.ci.high, 4),
                "p": round(difference.p, 4),
            }
        )
    every = [round(rate(seed[0.0, "all transcribed"]), 4) for seed in seeds]
    print(markdown(list(lines[0]), [[str(value) for value in line.values()] for line in lines]))
    print(f"all transcribed: {every}")
    return lines, every


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seeds = []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            os.environ["VIZINHO_HOME"] = str(folder / "home")
            donor = tone_corpus(folder / "es", count=24, lang="es", letters="abcdef", seed=seed)
            learning = replace(
                RECIPE, steps=300, learning_rate=5e-3, evaluate_every=300, checkpoint_every=300, seed=seed
            )
            train(lang="es", corpus=donor, preset="micro", recipe=learning, reporting=QUIET)
            seeds.append(one_seed(seed, folder))
    lines, every = table(seeds, SHARES)
    if arguments.out:
        values = {"seeds": arguments.seeds, "test_utterances": TEST, "all_transcribed": every, "rows": lines}
        arguments.out.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
