"""Versions trained here against a peer's fine-tuning, on one test set, as both are served.

    against_peer.py MANIFEST --lang pt --ours FOLDER FOLDER FOLDER --peer FOLDER [FOLDER] [--out results.json]
    ... --peer-decoders FILE [FILE]

The second way gives each peer a file of `vizinho lm tune`, and ours decode with what they have in their folders.

Prints CER with its interval for each folder, and ours against the peer (negative: fewer errors): errors of several
seeds are summed by utterance, and a paired bootstrap gives interval and p. Folders are models of the store, or Hugging
Face folders of Whisper.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from vizinho.corpora.manifest import read_manifest, select
from vizinho.evaluation.significance import compare, pool
from vizinho.job.promote import scored
from vizinho.recognition.recognizer import Recognizer
from vizinho.text.normalize import get_normalizer
from vizinho.text_models.search import own_search, read_search


def main() -> None:
    """Score every folder and compare the two sides."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--lang", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--ours", type=Path, nargs="+", required=True)
    parser.add_argument("--peer", type=Path, nargs="+", required=True)
    parser.add_argument("--peer-decoders", type=Path, nargs="+")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    normalize = get_normalizer(args.lang)
    utterances = select(read_manifest(args.manifest), split=args.split)
    sides: dict[str, list] = {"ours": [], "peer": []}
    rows = []
    for side in sides:
        folders = getattr(args, side)
        files = args.peer_decoders if side == "peer" and args.peer_decoders else [None] * len(folders)
        for folder, file in zip(folders, files, strict=True):
            search = read_search(file) if file else own_search(folder) if args.peer_decoders else None
            recognizer = Recognizer.load(folder, language=args.lang, search=search)
            transcripts = recognizer.transcribe_corpus(utterances)
            scores = scored({id_: t.text for id_, t in transcripts.items()}, utterances, normalize)
            sides[side].append(scores.errors)
            interval = [round(scores.cer_ci.low, 4), round(scores.cer_ci.high, 4)]
            rows.append({"side": side, "cer": round(scores.cer, 4), "cer_ci": interval, "wer": round(scores.wer, 4)})
            print(f"{side:5} {folder.name:28} CER {scores.cer:.3f} {interval}  WER {scores.wer:.3f}", flush=True)
    comparison = compare(pool(sides["ours"]), pool(sides["peer"]))
    print(comparison)
    if args.out is not None:
        facts = {"manifest": args.manifest.name, "split": args.split, "utterances": len(utterances), "models": rows}
        args.out.write_text(json.dumps(facts | {"ours_to_peer": asdict(comparison)}, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
