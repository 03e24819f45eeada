"""Makes a second speaker of dev out of train, to choose recipes by: one speaker's 47 words tell few recipes apart.

    .venv/bin/python examples/es_to_pt/two_dev_speakers.py              # after run.sh; writes pt.two-dev.jsonl

Reads runs/es_to_pt/corpora/pt.clean.jsonl. The recordings of the speaker "unknown" move from train to dev (66, 1.2
minutes), and what the other speaker of train says of dev's texts is left out. Test is left out too: nothing that is
chosen with this file can have heard it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.text.normalize import get_normalizer

CORPORA = Path("runs/es_to_pt/corpora")
SPEAKER = "unknown"


def main() -> None:
    normalize = get_normalizer("pt")
    utterances = [u for u in read_manifest(CORPORA / "pt.clean.jsonl") if u.split != "test"]
    dev = [replace(u, split="dev") for u in utterances if u.split == "dev" or u.speaker == SPEAKER]
    texts = {normalize(u.text) for u in dev}
    others = [u for u in utterances if u.split == "train" and u.speaker != SPEAKER]
    train = [u for u in others if normalize(u.text) not in texts]
    write_manifest(CORPORA / "pt.two-dev.jsonl", [*train, *dev])
    for name, part in {"train": train, "dev": dev}.items():
        print(f"{name}: {len(part)} utterances, {sum(u.duration_seconds for u in part) / 60:.2f} minutes")
    print(f"{len(others) - len(train)} left out of train, whose texts are in dev")


if __name__ == "__main__":
    main()
