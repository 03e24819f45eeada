"""Both tests of the case study apart: words by one speaker, sentences by seven people, from an experiment's arms.

python examples/people/tracks.py runs/people/experiment [--json results.json]

Sentences are resampled by speaker, words by utterance (one speaker: nothing is said about others). Pairs of starts are
tested at each amount of speech; Holm's correction runs over the pairs of a track.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from vizinho.evaluation.significance import bootstrap_sums, compare, holm, percentiles, speaker_sums
from vizinho.experiment.results import ArmResult, lines_of, pooled_errors, read_value
from vizinho.experiment.spec import UNTRAINED
from vizinho.records import UtteranceErrors

TRACKS = {"words": "pt_gcompris_br-", "sentences": ""}
"""Track by the beginning of its utterances' ids; the last takes the rest."""
RESAMPLES = 10_000


def track_of(error: UtteranceErrors) -> str:
    return next(track for track, begin in TRACKS.items() if error.id.startswith(begin))


def rates(errors: Sequence[UtteranceErrors], *, by_speaker: bool) -> dict[str, Any]:
    """CER and WER with 95 % intervals."""
    ordered = sorted(errors, key=lambda error: error.id)
    counts = np.array([[e.character_errors, e.characters, e.word_errors, e.words] for e in ordered], dtype=np.float64)
    units = speaker_sums(ordered, counts) if by_speaker else counts
    drawn = bootstrap_sums(units, np.random.default_rng(1), RESAMPLES)
    low, high = percentiles(drawn[:, [0, 2]] / drawn[:, [1, 3]])
    total = counts.sum(axis=0)
    cer, wer = total[0] / total[1], total[2] / total[3]
    return {"cer": cer, "cer_ci": [low[0], high[0]], "wer": wer, "wer_ci": [low[1], high[1]]}


def shown(rate: float, ends: Sequence[float]) -> str:
    return f"{rate:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]"


def main(options: argparse.Namespace) -> None:
    arms = [
        read_value(ArmResult, path) for path in sorted((options.folder / "arms").glob("*.json")) if path.stat().st_size
    ]
    lines = lines_of(arms)
    results: dict[str, Any] = {"rates": [], "pairs": []}
    for track in TRACKS:
        by_speaker = track == "sentences"
        chosen = {
            (line.first.minutes_asked, line.name): [e for e in pooled_errors(line) if track_of(e) == track]
            for line in lines
        }
        print(f"\n{track}\n\n| minutes | start | seeds | CER | WER |\n|---|---|---|---|---|")
        for line in lines:
            key = line.first.minutes_asked, line.name
            row = rates(chosen[key], by_speaker=by_speaker)
            results["rates"].append({"track": track, "minutes": key[0], "line": key[1], "seeds": len(line.arms)} | row)
            cells = (f"{key[0] or 0:g}", line.name, str(len(line.arms)), shown(row["cer"], row["cer_ci"]))
            print(f"| {' | '.join((*cells, shown(row['wer'], row['wer_ci'])))} |")
        pairs = [
            (a, b, compare(chosen[a], chosen[b], cluster=by_speaker))
            for a, b in combinations(chosen, 2)
            if a[0] == b[0] and UNTRAINED not in a[1] + b[1]
        ]
        corrected = holm([comparison.p for _a, _b, comparison in pairs])
        print("\n| minutes | pair | difference in CER | relative | p (Holm) |\n|---|---|---|---|---|")
        for (a, b, comparison), p in zip(pairs, corrected, strict=True):
            ends = [comparison.ci.low, comparison.ci.high]
            pair = {"track": track, "minutes": a[0], "a": a[1], "b": b[1], "difference": comparison.difference}
            results["pairs"].append(
                pair | {"ci": ends, "relative": comparison.relative, "p": comparison.p, "p_holm": p}
            )
            cells = (f"{a[0] or 0:g}", f"{a[1]} against {b[1]}", shown(comparison.difference, ends))
            print(f"| {' | '.join((*cells, f'{comparison.relative or 0:+.0%}', f'{p:.4f}'))} |")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1, default=float) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the experiment; its finished arms are read")
    parser.add_argument("--json", type=Path, help="file for the same figures")
    main(parser.parse_args())
