"""A simulated annotator on the correction queue: is least sure first worth it, and how many key strokes do drafts save?

    VIZINHO_SHARED=../shared taskset -c 0 python examples/correct/annotator.py --out runs/correct [--whisper FOLDER]

A pool of read Portuguese without texts, es-demo as the model that is served. The annotator takes utterances from the
queue of `vizinho serve --correct` (its queue and its log, without the page), knows the right text, and saves it. After
2, 4 and 8 corrected minutes the next version is trained from the last one. Two arms: the queue's order, and a random
one. Every step is in OUT and is not done again; results.json has the figures.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from strokes import corrected, typed

import vizinho
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.evaluation.score import count_errors
from vizinho.files import write_json
from vizinho.ledger import Ledger
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Utterance
from vizinho.server.correct.desk import Desk, EditRequest, beside
from vizinho.store.store import Store
from vizinho.text.normalize import get_normalizer
from vizinho.training.options import TrainingOptions

ARMS = ("least sure", "random")
MINUTES = (2.0, 4.0, 8.0)
POOL_MINUTES, HELD_OUT_MINUTES = 20.0, 5.0
RECIPE = TrainingOptions(
    steps=60, batch_seconds=16.0, learning_rate=1e-3, warmup_share=0.1, evaluate_every=60, checkpoint_every=60,
    workers=0, threads=1,
)  # fmt: skip
NORMALIZE = get_normalizer("pt")


def first_minutes(utterances: Iterable[Utterance], minutes: float) -> list[Utterance]:
    chosen, seconds = [], 0.0
    for utterance in utterances:
        if seconds >= minutes * 60:
            break
        chosen.append(utterance)
        seconds += utterance.duration_seconds
    return chosen


def material(shared: Path) -> dict[str, list[Utterance]]:
    """Pool, held-out sentences of the pool's speakers, the track's dev and test, with normalised texts."""
    rows = [replace(u, text=NORMALIZE(u.text)) for u in read_manifest(shared / "speech" / "pt_read.jsonl")]
    train = sorted((u for u in rows if u.split == "train"), key=lambda u: u.id)
    random.Random(0).shuffle(train)
    held_out = first_minutes(train, HELD_OUT_MINUTES)
    pool = first_minutes(train[len(held_out) :], POOL_MINUTES)
    by_split = {split: [u for u in rows if u.split == split] for split in ("dev", "test")}
    return {"pool": pool, "held_out": held_out, **by_split}


class Annotator:
    """One arm with one seed: a corpus of its own in a folder of its own."""

    def __init__(self, folder: Path, arm: str, seed: int, data: dict[str, list[Utterance]], store: Store) -> None:
        self.folder, self.arm, self.seed, self.data, self.store = folder, arm, seed, data, store
        self.truth = {u.id: u.text for u in data["pool"]}
        folder.mkdir(parents=True, exist_ok=True)
        self.corpus, self.dev = folder / "pool.jsonl", folder / "dev.jsonl"
        write_manifest(self.corpus, [replace(u, text="") for u in data["pool"]])
        write_manifest(self.dev, data["dev"])
        self.desk = Desk(self.corpus)
        self.order = sorted(self.truth)
        random.Random(seed).shuffle(self.order)

    @property
    def corrected_seconds(self) -> float:
        return sum(u.duration_seconds for u in self.desk.utterances.values() if self.desk.log.status(u.id) == "done")

    def correct_until(self, minutes: float, model: str) -> None:
        """Drafts by the model, then corrections up to so many minutes in all."""
        recognizer = vizinho.load(model, store=self.store)
        if self.arm == "least sure":
            self.draft(recognizer, model, [u for u in self.order if self.desk.log.status(u) == "open"])
        waiting = [u for u in self.order if self.desk.log.status(u) == "open"]
        while self.corrected_seconds < minutes * 60:
            if self.arm == "random":
                self.draft(recognizer, model, waiting[:1])
                shown = self.desk.claim(waiting.pop(0), "annotator", "simulated")
            else:
                shown = self.desk.next("annotator", "simulated")
            id_ = shown.utterance.id
            text, draft = self.truth[id_], NORMALIZE(shown.text)
            kind = "accept" if draft == text else "edit"
            keys = corrected(draft, text)
            self.desk.save(
                EditRequest(f"edit-{id_}", id_, kind, "simulated", "annotator", text=text, draft=model, strokes=keys)
            )
        self.desk.write()

    def draft(self, recognizer: Recognizer, model: str, ids: Sequence[str]) -> None:
        ids = [i for i in ids if not self.desk.drafts.has(i, "", model)]
        transcripts = recognizer.transcribe_corpus([self.desk.utterances[i] for i in ids])
        for id_, transcript in transcripts.items():
            self.desk.add_draft(id_, "", model, model, transcript)

    def train(self, model: str, minutes: float) -> str:
        name = f"{self.arm.replace(' ', '-')}-{self.seed}"
        version = MINUTES.index(minutes) + 1
        if self.store.find(f"{name}@{version}") is None:
            corpora = [beside(self.corpus, "corrected"), self.dev]
            vizinho.transfer(model, to="pt", corpus=corpora, name=name, recipe=RECIPE, seed=self.seed, store=self.store)
        return f"{name}@{version}"

    def keys(self) -> dict[str, list[int]]:
        edits = self.desk.log.edits()
        return {"corrected": [e.strokes for e in edits], "typed": [typed(e.text) for e in edits]}


def errors(model: str, utterances: Sequence[Utterance], store: Store) -> dict[str, tuple[int, int]]:
    """Character errors and characters by utterance."""
    texts = vizinho.load(model, store=store).transcribe_corpus(utterances)
    counted = count_errors({u.id: u.text for u in utterances}, {i: NORMALIZE(t.text) for i, t in texts.items()})
    return {e.id: (e.character_errors, e.characters) for e in counted}


def measured(model: str, data: dict[str, list[Utterance]], store: Store) -> dict[str, dict[str, tuple[int, int]]]:
    return {kind: errors(model, data[kind], store) for kind in ("held_out", "test")}


def run(out: Path, shared: Path, seeds: Sequence[int], whisper: Path | None) -> None:
    data, store, ledger = material(shared), Store(out / "home"), Ledger(out / "steps.jsonl")
    steps = {(s["arm"], s["seed"], s["minutes"]): s for s in ledger.lines}

    def step(arm: str, seed: int, minutes: float, values: dict) -> None:
        steps[arm, seed, minutes] = row = {"arm": arm, "seed": seed, "minutes": minutes, **values}
        ledger.add(row)
        print(arm, seed, minutes, flush=True)

    if ("start", 0, 0.0) not in steps:
        step("start", 0, 0.0, measured("es-demo@2", data, store))
    for seed in seeds:
        for arm in ARMS:
            annotator = Annotator(out / f"{arm.replace(' ', '-')}-{seed}", arm, seed, data, store)
            model = "es-demo@2"
            for minutes in MINUTES:
                if (arm, seed, minutes) not in steps:
                    annotator.correct_until(minutes, model)
                    trained = annotator.train(model, minutes)
                    step(arm, seed, minutes, measured(trained, data, store) | {"keys": annotator.keys()})
                model = f"{arm.replace(' ', '-')}-{seed}@{MINUTES.index(minutes) + 1}"
    if whisper is not None and ("whisper", 0, 0.0) not in steps:
        recognizer = Recognizer.load(whisper, language="pt")
        utterances = [*data["held_out"], *data["test"]]
        texts = {i: NORMALIZE(t.text) for i, t in recognizer.transcribe_corpus(utterances).items()}
        counted = count_errors({u.id: u.text for u in utterances}, texts)
        keys = {
            "corrected": [corrected(texts[u.id], u.text) for u in utterances],
            "typed": [typed(u.text) for u in utterances],
        }
        step("whisper", 0, 0.0, {"all": {e.id: (e.character_errors, e.characters) for e in counted}, "keys": keys})
    write_json(out / "results.json", summary(steps, seeds, data))


def summary(steps: dict, seeds: Sequence[int], data: dict[str, list[Utterance]]) -> dict:
    """Rates with 95 % intervals (bootstrap over utterances, the mean over seeds within each)."""
    minutes = {kind: round(sum(u.duration_seconds for u in data[kind]) / 60, 1) for kind in data}
    table: dict = {"seeds": list(seeds), "minutes": minutes, "recipe": {"steps": RECIPE.steps, "donor": "es-demo@2"}}
    table["start"] = {kind: rate([steps["start", 0, 0.0][kind]]) for kind in ("held_out", "test")}
    for amount in MINUTES:
        rows = {arm: [steps[arm, seed, amount] for seed in seeds if (arm, seed, amount) in steps] for arm in ARMS}
        if not all(rows.values()):
            continue
        of: dict = {}
        for arm in ARMS:
            of[arm] = {kind: rate([r[kind] for r in rows[arm]]) for kind in ("held_out", "test")}
            of[arm]["by_seed"] = [rate([r["held_out"]])["cer"] for r in rows[arm]]
            of[arm]["keys"] = saved([r["keys"] for r in rows[arm]])
        of["difference"] = {
            kind: difference([r[kind] for r in rows[ARMS[0]]], [r[kind] for r in rows[ARMS[1]]])
            for kind in ("held_out", "test")
        }
        table[f"{amount:g} minutes"] = of
    if ("whisper", 0, 0.0) in steps:
        table["whisper"] = _whisper(steps["whisper", 0, 0.0], data)
    return table


def _whisper(row: dict, data: dict[str, list[Utterance]]) -> dict:
    """By set: many held-out texts were machine transcripts before they were repaired, those of test were not."""
    of, start = {}, 0
    for kind in ("held_out", "test"):
        ids, end = [u.id for u in data[kind]], start + len(data[kind])
        keys = {name: numbers[start:end] for name, numbers in row["keys"].items()}
        of[kind] = {"cer": rate([{i: row["all"][i] for i in ids}]), "keys": saved([keys])}
        start = end
    return of


def _means(tables: Sequence[dict[str, tuple[int, int]]]) -> np.ndarray:
    """(utterances, 2): errors, a mean over seeds, and characters."""
    return np.array([[np.mean([t[i][0] for t in tables]), tables[0][i][1]] for i in sorted(tables[0])])


def _draws(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, count, (2000, count))


def rate(tables: Sequence[dict[str, tuple[int, int]]]) -> dict:
    counts = _means(tables)
    drawn = counts[_draws(len(counts))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975))
    return {
        "cer": round(float(counts[:, 0].sum() / counts[:, 1].sum()), 4),
        "ci": [round(float(low), 4), round(float(high), 4)],
    }


def difference(one: Sequence[dict], other: Sequence[dict]) -> dict:
    """Paired by utterance, seeds drawn too: what another annotator and another training would find."""
    random_seeds = np.random.default_rng(1)
    a, b = (np.array([[t[i][0] for i in sorted(t)] for t in tables], float) for tables in (one, other))
    characters = np.array([one[0][i][1] for i in sorted(one[0])], float)
    drawn = []
    for picks in _draws(characters.size):
        rows = random_seeds.integers(0, len(a), len(a))
        drawn.append((a[rows][:, picks].mean(0).sum() - b[rows][:, picks].mean(0).sum()) / characters[picks].sum())
    low, high = np.quantile(drawn, (0.025, 0.975))
    value = (a.mean(0).sum() - b.mean(0).sum()) / characters.sum()
    return {"cer": round(float(value), 4), "ci": [round(float(low), 4), round(float(high), 4)]}


def saved(keys: Sequence[dict[str, list[int]]]) -> dict:
    """Share of the keys that typing takes which correcting does not; accepted: texts that were right at once."""
    spent, all_typed = (np.array([n for k in keys for n in k[kind]], float) for kind in ("corrected", "typed"))
    picks = _draws(spent.size)
    low, high = np.quantile(1 - spent[picks].sum(1) / all_typed[picks].sum(1), (0.025, 0.975))
    value = 1 - spent.sum() / all_typed.sum()
    return {
        "saved": round(float(value), 4), "ci": [round(float(low), 4), round(float(high), 4)],
        "accepted": round(float((spent == 1).mean()), 4), "utterances": int(spent.size),
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--whisper", type=Path, help="folder of Whisper base, for the key strokes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    run(arguments.out, Path(os.environ.get("VIZINHO_SHARED", "../shared")), arguments.seeds, arguments.whisper)
