"""Cut a manifest of $VIZINHO_SHARED/speech/words, whose splits are empty, into train, dev and test by text.

    split_words.py LANGUAGE OUT.jsonl

Texts are put in order by a hash: 70 % train, 10 % dev, 20 % test, no text in two of them. Where a language has
one speaker, as gd, ast and eo have, test is that speaker: the figures are about words, not about voices.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from pathlib import Path


def split_of(text: str) -> str:
    """The split of a text, the same on every machine."""
    place = int(hashlib.sha256(text.casefold().encode()).hexdigest(), 16) % 10
    return "test" if place < 2 else "dev" if place == 2 else "train"


def main() -> None:
    """Write the manifest with splits and absolute places of the audio."""
    language, out = sys.argv[1], Path(sys.argv[2])
    source = Path(os.environ.get("VIZINHO_SHARED", "../shared")) / "speech" / "words" / f"{language}.jsonl"
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row |= {"split": split_of(row["text"]), "audio": str((source.parent / row["audio"]).resolve())}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    counts = Counter(row["split"] for row in rows)
    print(f"{out}: {', '.join(f'{counts[split]} {split}' for split in ('train', 'dev', 'test'))}")


if __name__ == "__main__":
    main()
