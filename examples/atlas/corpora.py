"""Corpora and experiments of the atlas: the same minutes of real words for every donor, and for every target.

python examples/atlas/corpora.py --checked runs/people/corpora --out runs/atlas

Country names stay out, since they are near-cognates everywhere. A target's test has words that its train has not; where
a language has one speaker, this speaker is in both, so scores say how a start helps with new words, not new people.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "people"))
from prepare import Row, drawn, minutes_of, rows_of, write  # rows without country names, drawn by minutes

DONORS = ("es", "fr", "ca", "ro", "en", "de", "ru", "be", "bg", "el", "gd")
TARGETS = ("pt", "ca", "ro", "da", "be", "bg", "el", "gd")
DONOR_MINUTES = 9.0
TARGET_MINUTES = {"train": 2.5, "dev": 0.5, "test": 1.2}
SPEC = """\
name = "atlas-{target}"
target = "{target}"
corpora = ["{corpus}"]
starts = [{starts}]
seeds = [1, 2]
preset = "tiny"
untrained = true
one_speaker = true
drop_test_texts = true

[training]
steps = 100
batch_seconds = 16.0
learning_rate = 1e-3
warmup_share = 0.1
evaluate_every = 50
checkpoint_every = 100
workers = 0
"""


def parted(rows: list[Row]) -> list[Row]:
    """Train, dev and test of a target that share no text; texts go to the parts at random."""
    texts = sorted({row["text"] for row in rows})
    random.Random(2).shuffle(texts)
    spoken = {text: [row for row in rows if row["text"] == text] for text in texts}
    parts: dict[str, list[Row]] = {part: [] for part in ("test", "dev", "train")}
    for text in texts:
        part = next((p for p in parts if minutes_of(parts[p]) < TARGET_MINUTES[p]), None)
        if part is not None:
            parts[part] += [row | {"split": part} for row in spoken[text]]
    return [row for part in parts.values() for row in part]


def portuguese(checked: Path) -> list[Row]:
    """The words track with its own parts, of which nothing is ever moved; train is cut to the atlas's minutes."""
    manifest = checked / "pt.clean.jsonl"
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    rows = [row | {"audio": str((checked / row["audio"]).resolve())} for row in rows]
    train = drawn([row for row in rows if row["split"] == "train"], TARGET_MINUTES["train"])
    return train + [row for row in rows if row["split"] != "train"]


def main(options: argparse.Namespace) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    for donor in DONORS:
        rows = drawn(rows_of(donor, options.checked), DONOR_MINUTES)
        # The last twentieth is dev; donors are never tested.
        edge = len(rows) - len(rows) // 20
        write(options.out / f"donor.{donor}.jsonl", rows[:edge] + [row | {"split": "dev"} for row in rows[edge:]])
    for target in TARGETS:
        corpus = options.out / f"target.{target}.jsonl"
        own = target == "pt"
        write(corpus, portuguese(options.checked) if own else parted(rows_of(target, options.checked)))
        starts = ", ".join(f'"atlas-{donor}"' for donor in DONORS if donor != target)
        text = SPEC.format(target=target, corpus=corpus.as_posix(), starts=f'{starts}, "scratch"')
        (options.out / f"{target}.toml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checked", type=Path, required=True, help="folder of the clean manifests")
    parser.add_argument("--out", type=Path, required=True)
    main(parser.parse_args())
