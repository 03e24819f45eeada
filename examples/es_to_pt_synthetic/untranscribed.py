"""Parts a corpus into what has transcripts and what a model will have to label itself.

.venv/bin/python examples/es_to_pt_synthetic/untranscribed.py runs/practice/pt200/pt.jsonl 10 60 --out FOLDER

Of 60 minutes of train 10 go into `transcribed.jsonl` with dev and test, the rest into `untranscribed.jsonl`. The 10 are
those that `--minutes 10 --seed 1` takes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vizinho.corpora.manifest import read_manifest, select, write_manifest

SEED = 1

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("transcribed", type=float, help="minutes that keep their texts")
    parser.add_argument("all", type=float, help="minutes in all")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    everything = read_manifest(options.corpus)
    held_out = [u for u in everything if u.split != "train"]
    known, whole = (select(everything, split="train", minutes=m, seed=SEED) for m in (options.transcribed, options.all))
    ids = {u.id for u in known}
    options.out.mkdir(parents=True, exist_ok=True)
    write_manifest(options.out / "transcribed.jsonl", [*known, *held_out])
    write_manifest(options.out / "untranscribed.jsonl", [u for u in whole if u.id not in ids])
