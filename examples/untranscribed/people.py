"""CER against the share of transcripts that are hidden, on real read Portuguese.

Speech, dev and test are cut from `speech/pt_read.jsonl` beside the project: three people read sentences and
instructions; of each, a part is dev and a part is test, with texts that are not in train. "Other people" are the test
split of the manifest. Every training has the same steps. A share that is done is not trained again (`--work`).

    VIZINHO_SHARED=../shared .venv/bin/python examples/untranscribed/people.py --work runs/untranscribed \\
        --donor whisper-base --steps 200 --out examples/untranscribed/people.json
    ... --smoke          # a minute: that everything runs, no result
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hidden import QUIET, scored, table

from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.job.rounds import RoundOptions, self_train
from vizinho.job.run import transfer
from vizinho.records import Utterance, UtteranceErrors
from vizinho.text.normalize import get_normalizer

SPEECH = Path(os.environ.get("VIZINHO_SHARED", "../shared")) / "speech"
READERS = ("hts-br", "Enrico", "IFILP")
SHARES = (0.1, 0.5, 0.9)
HELD_OUT = 20
"""Utterances of each person in dev, and as many in test."""
Errors = dict[tuple[float, str], list[UtteranceErrors]]


def chosen(minutes: float, held_out: int) -> dict[str, list[Utterance]]:
    """Utterances of train, dev and test, and of other people's test; one of each text, people by turns up to the
    minutes."""
    utterances, normalize = read_manifest(SPEECH / "pt_read.jsonl"), get_normalizer("pt")
    by_text = {normalize(u.text): u for u in utterances if u.split == "train" and u.speaker.startswith(READERS)}
    by_person: dict[str, list[Utterance]] = defaultdict(list)
    for number in np.random.default_rng(1).permutation(len(by_text)):
        utterance = list(by_text.values())[number]
        by_person[utterance.speaker].append(utterance)
    parts: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    for mine in by_person.values():
        parts["dev"] += [replace(u, split="dev") for u in mine[:held_out]]
        parts["test"] += [replace(u, split="test") for u in mine[held_out : 2 * held_out]]
        spent = 0.0
        for utterance in mine[2 * held_out :]:
            if spent >= minutes * 60 / len(by_person):
                break
            parts["train"].append(utterance)
            spent += utterance.duration_seconds
    order = np.random.default_rng(2).permutation(len(parts["train"]))
    parts["train"] = [parts["train"][n] for n in order]
    return parts | {"other people": [u for u in utterances if u.split == "test"]}


def share_hidden(
    share: float, seed: int, parts: dict[str, list[Utterance]], work: Path, options: dict[str, Any]
) -> dict[str, str]:
    """Models by way for a share of train without transcripts; what is done is in a file."""
    place = work / f"{share:g}-{seed}.json"
    if place.is_file():
        return dict(json.loads(place.read_text(encoding="utf-8")))
    known, rest = work / f"known-{share:g}.jsonl", work / f"hidden-{share:g}.jsonl"
    hidden = round(share * len(parts["train"]))
    write_manifest(known, [*parts["dev"], *parts["train"][hidden:]])
    donor, rounds = options.pop("donor"), options.pop("rounds")
    options |= {"to": "pt", "corpus": known, "seed": seed, "reporting": QUIET, "name": f"pt-{share:g}-{seed}"}
    if hidden:
        write_manifest(rest, [replace(u, text="") for u in parts["train"][:hidden]])
        report = self_train(donor, untranscribed=rest, rounds=RoundOptions(rounds), **options)
        models = {"without the rest": report.rounds[0].model, "with labels": report.model}
        print(
            share, seed, [(r.labels, r.skipped, round(r.dev_cer, 3)) for r in report.rounds], report.stopped, flush=True
        )
    else:
        outcome = transfer(donor, **options)
        assert outcome.ref is not None
        models = {"all transcribed": outcome.ref}
    place.write_text(json.dumps(models), encoding="utf-8")
    return models


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--donor", default="es-demo", help="NAME@VERSION of the store in --work, or a folder")
    parser.add_argument("--from", dest="donor_language", help="the donor's language where its card does not say it")
    parser.add_argument("--minutes", type=float, default=24.0, help="of train, from three people alike")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--shares", type=float, nargs="+", default=list(SHARES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--work", type=Path, required=True, help="models and what is done")
    parser.add_argument("--smoke", action="store_true", help="two minutes of speech, four steps, one seed, one share")
    parser.add_argument("--out", type=Path)
    typed = parser.parse_args(arguments)
    if typed.smoke:
        typed.minutes, typed.steps, typed.seeds, typed.shares, typed.rounds = 2.0, 4, [1], [0.5], 1
    torch.set_num_threads(1)
    work = typed.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    os.environ["VIZINHO_HOME"] = str(work / "home")
    parts = chosen(typed.minutes, 3 if typed.smoke else HELD_OUT)
    tests = {"the same people": parts["test"], "other people": parts["other people"]}
    seeds: dict[str, list[Errors]] = {name: [] for name in tests}
    for seed in typed.seeds:
        errors: dict[str, Errors] = {name: {} for name in tests}
        for share in (0.0, *typed.shares):
            options = {"donor": typed.donor, "donor_language": typed.donor_language, "steps": typed.steps}
            models = share_hidden(share, seed, parts, work, options | {"rounds": typed.rounds})
            for way, model in models.items():
                for name, test in tests.items():
                    errors[name][share, way] = scored(model, test)
        for name in tests:
            seeds[name].append(errors[name])
    values: dict[str, Any] = {key: getattr(typed, key) for key in ("donor", "minutes", "steps", "rounds", "seeds")}
    for name, test in tests.items():
        print(f"\n{name}, {len(test)} utterances")
        rows, every = table(seeds[name], typed.shares)
        values[name] = {"utterances": len(test), "rows": rows, "all_transcribed": every}
    if typed.out:
        typed.out.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
