"""What a corpus costs before its first batch, and to go on in the middle of an epoch: a manifest in memory and shards.

    python bench/corpus_scale.py --hours 1 10 100 1000

Utterances of 5 s with texts, ids and speakers of their own; their audio is one hour of Opus files that every hour of
the corpus names again (the same files in the manifest, hard links of one tar in the shards), so that 1,000 hours cost
little disk. Each row comes from a process of its own. Times are of the CPU, since machines are busy; memory is the
peak of the whole process, libraries included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from surroundings import describe

SECONDS, PER_HOUR, VOICES = 5.0, 720, 24
READ_ONLY = "read only"
WORDS = ["casa", "livro", "senhora", "opinião", "pão", "água", "vento", "manhã", "noite", "caminho", "irmão"]


def make_recordings(folder: Path) -> list[Path]:
    """A few recordings of noise that swells and falls, as Opus."""
    from vizinho.audio.io import SAMPLE_RATE, save_audio

    paths = []
    for number in range(VOICES):
        rng = np.random.default_rng(number)
        samples = rng.standard_normal(int(SECONDS * SAMPLE_RATE)) * np.abs(
            np.sin(np.arange(SECONDS * SAMPLE_RATE) / 3e3)
        )
        paths.append(folder / "audio" / f"{number:02d}.opus")
        save_audio(paths[-1], (0.1 * samples).astype(np.float32))
    return paths


def utterances(hours: int, paths: list[Path]) -> Iterator[Any]:
    from vizinho.records import Utterance

    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(WORDS, 8)) for _ in range(997)]
    for number in range(hours * PER_HOUR):
        speaker, text = f"speaker-{number % (50 * hours)}", texts[number % 997]
        yield Utterance(f"utt-{number:09d}", paths[number % VOICES], text, "pt", speaker, SECONDS, "train")


def make_corpora(folder: Path, hours: int) -> None:
    """`pt.jsonl`, `dev.jsonl` and `shards/` of so many hours."""
    from vizinho.corpora.manifest import write_lines, write_manifest

    paths = make_recordings(folder)
    dev = [replace(u, id=f"dev-{u.id}", split="dev") for u in utterances(1, paths)][:8]
    write_manifest(folder / "dev.jsonl", dev)
    write_lines(folder / "pt.jsonl", (line(u, audio=f"audio/{u.audio.name}") for u in utterances(hours, paths)))
    make_shards(folder / "shards", hours, paths)


def line(u: Any, **place: Any) -> str:
    values = {"id": u.id, "text": u.text, "speaker": u.speaker, "duration": SECONDS}
    return json.dumps(values | ({"lang": "pt", "split": "train"} if "audio" in place else {}) | place)


def make_shards(folder: Path, hours: int, paths: list[Path]) -> None:
    """One hour as a tar; the others are links to it, with rows of their own."""
    from vizinho.corpora.shards.index import Shard, ShardIndex, write_index
    from vizinho.corpora.shards.tars import Clip, write_tar
    from vizinho.files import sha256
    from vizinho.text.normalize import get_normalizer

    first, shards = folder / "train-000000.tar", []
    folder.mkdir()
    everything = utterances(hours, paths)
    normalizer, letters = get_normalizer("pt"), Counter("".join(WORDS))
    for hour in range(hours):
        ours = [next(everything) for _ in range(PER_HOUR)]
        tar = folder / f"train-{hour:06d}.tar"
        if hour == 0:
            clips = (Clip(u.id, u.text, u.speaker, SECONDS, ".opus", u.audio.read_bytes()) for u in ours)
            places = write_tar(tar, enumerate(clips))
            digest, size = sha256(first), first.stat().st_size
        else:
            os.link(first, tar)
        lines = [line(u, offset=place.offset, size=place.size) for u, place in zip(ours, places, strict=True)]
        path = folder / f"train-{hour:06d}.jsonl"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        shards.append(Shard(tar.name, path.name, len(lines), SECONDS * len(lines), size, digest, sha256(path)))
    write_index(ShardIndex(folder, "pt", "train", tuple(shards), 50 * hours, normalizer.name, dict(letters), {}))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def read_only(folder: Path) -> dict[str, float]:
    """A lower bound of a manifest's cost: it is read, and its batches are planned; nothing is checked or encoded."""
    from vizinho.corpora.batches import BatchPlan
    from vizinho.corpora.manifest import read_manifest

    begun, clock = cpu_seconds(), time.perf_counter()
    kept = read_manifest(folder / "pt.jsonl")
    BatchPlan([u.duration_seconds for u in kept], 60, 1)(0)
    return {"start_cpu_s": cpu_seconds() - begun, "start_s": time.perf_counter() - clock, "peak_mb": peak_mb()}


def measure(folder: Path, side: str) -> dict[str, float]:
    """In a process of its own: from nothing to the first batch, then to a batch in the middle of the epoch."""
    import torch

    from vizinho.corpora.batches import BatchData, ListedSource
    from vizinho.job.job import Job
    from vizinho.job.start import make_ready
    from vizinho.training.options import TrainingOptions

    torch.set_num_threads(1)
    options = TrainingOptions(batch_seconds=60, workers=0)

    def start(given: tuple[Path, ...]) -> BatchData:
        ready = make_ready(Job("pt", given, preset="micro", options=options))
        examples = ready.prepared.examples
        sharded = side == "shards"
        source = examples.source(60, 1, folder / "places.jsonl") if sharded else ListedSource(examples, 60, 1)
        return BatchData(source, ready.checkpoint.front, options.augment, 1)

    def corpora(folder: Path) -> tuple[Path, ...]:
        return folder / ("shards" if side == "shards" else "pt.jsonl"), folder / "dev.jsonl"

    start(corpora(folder.parent / "warm"))[0]  # what is loaded when it is first used is not the corpus's
    begun, clock = cpu_seconds(), time.perf_counter()
    data = start(corpora(folder))
    data[0]
    found = {"start_cpu_s": cpu_seconds() - begun, "start_s": time.perf_counter() - clock}
    middle = int(int(folder.name) * PER_HOUR * SECONDS / 60 / 2)  # of the epoch
    begun = cpu_seconds()
    data[middle]
    found["middle_cpu_s"] = cpu_seconds() - begun
    found["peak_mb"] = peak_mb()
    if side == "shards":  # and again, as a run does that was killed there: with the places noted on the way
        begun = cpu_seconds()
        start(corpora(folder))[middle]
        found["again_cpu_s"] = cpu_seconds() - begun
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--whole-up-to", type=int, default=10**9, help="hours beyond which a manifest is only read")
    parser.add_argument("--folder", type=Path, help="where the corpora are made; a temporary folder if left out")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        folder, side = Path(chosen.child[0]), chosen.child[1]
        print(json.dumps(read_only(folder) if side == READ_ONLY else measure(folder, side)))
        return
    print(describe())
    with tempfile.TemporaryDirectory(dir=chosen.folder) as place:
        make_corpora_in(Path(place) / "warm", 1)
        rows: dict[str, list[dict[str, float]]] = {"manifest": [], "shards": []}
        titles = ("start, CPU s", "wall s", "peak MiB", "middle, CPU s", "again, CPU s")
        print(f"{'hours':>6} {'side':<9}" + "".join(f"{title:>15}" for title in titles))
        for hours in chosen.hours:
            folder = Path(place) / str(hours)
            make_corpora_in(folder, hours)
            for side, found in rows.items():
                name = READ_ONLY if side == "manifest" and hours > chosen.whole_up_to else side
                command = [sys.executable, __file__, "--child", str(folder), name]
                made = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                found.append(json.loads(made.splitlines()[-1]))
                show(hours, name, found[-1])
        compare(chosen.hours, rows)


def compare(hours: list[int], rows: dict[str, list[dict[str, float]]]) -> None:
    for key, name, unit in (("start_cpu_s", "start-up", "s of CPU"), ("peak_mb", "peak memory", "MiB")):
        grown = {}
        for side, found in rows.items():
            first, last = found[0][key], found[-1][key]
            grown[side] = f"{side} {first:.1f} to {last:.1f} {unit} (x{last / first:.2f})"
        over = rows["manifest"][-1][key] / rows["shards"][-1][key]
        print(f"{name} from {hours[0]} to {hours[-1]} hours: {', '.join(grown.values())}; manifest/shards {over:.1f}")


def make_corpora_in(folder: Path, hours: int) -> None:
    folder.mkdir()
    make_corpora(folder, hours)


def show(hours: int, side: str, found: dict[str, float]) -> None:
    keys = ("start_cpu_s", "start_s", "peak_mb", "middle_cpu_s", "again_cpu_s")
    values = (f"{found[key]:>15.2f}" if key in found else f"{'-':>15}" for key in keys)
    print(f"{hours:>6} {side:<9}" + "".join(values), flush=True)


if __name__ == "__main__":
    main()
