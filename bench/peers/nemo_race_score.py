"""Scores the arms of nemo_race.py with one normaliser and one scorer, compares them in pairs, and prints the table."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vizinho.corpora.manifest import fingerprint
from vizinho.evaluation.mapsswe import mapsswe
from vizinho.evaluation.score import as_json, score, score_errors
from vizinho.evaluation.significance import compare, holm, pool
from vizinho.records import Utterance, UtteranceErrors
from vizinho.text.normalize import get_normalizer

OURS = "vizinho"
Heard = Mapping[str, Mapping[int, Mapping[str, str]]]
"""Text by arm, seed and utterance id."""
Errors = dict[str, dict[int, tuple[UtteranceErrors, ...]]]
TUTORIAL = ("enable_norms", "changed", "Thaw", "data", "trainer_of")
"""What of nemo_train.py a user writes to change languages in NeMo; choosing weights and saving are not counted."""


def report(
    test: Sequence[Utterance], heard: Heard, runs: Mapping[str, Mapping[int, Mapping[str, Any]]]
) -> dict[str, Any]:
    """Score, compare and print; returns all of it as plain values."""
    errors, scores = _scored(test, heard)
    pooled = {arm: pool(list(seeds.values())) for arm, seeds in errors.items()}
    made = {
        "scores": scores,
        "pooled": {arm: score_errors(found) for arm, found in pooled.items()},
        "comparisons": _comparisons(errors, pooled),
        "cost": {arm: {str(s): _cost(run) for s, run in seeds.items()} for arm, seeds in runs.items()},
        "dev": {
            arm: {str(s): [run["dev_cer"], run["chosen"]] for s, run in seeds.items()} for arm, seeds in runs.items()
        },
        "typed": {"nemo": {"lines of Python": tutorial_lines()}, OURS: {"commands": 1}},
    }
    _show(made)
    return made


def _scored(test: Sequence[Utterance], heard: Heard) -> tuple[Errors, dict[str, dict[str, Any]]]:
    normalize = get_normalizer(test[0].lang)
    references = {u.id: normalize(u.text) for u in test}
    data = fingerprint(test)
    errors: Errors = {}
    scores: dict[str, dict[str, Any]] = {}
    for arm, seeds in heard.items():
        found = {
            seed: score(
                references,
                {id_: normalize(text) for id_, text in texts.items()},
                normalizer=normalize.name,
                data_fingerprint=data,
            )
            for seed, texts in seeds.items()
        }
        errors[arm] = {seed: s.errors for seed, s in found.items()}
        scores[arm] = {str(seed): as_json(s, per_utterance=False) for seed, s in found.items()}
    return errors, scores


def _comparisons(errors: Errors, pooled: Mapping[str, list[UtteranceErrors]]) -> dict[str, Any]:
    """Ours against each other arm: of each seed and of all pooled; Holm's correction over the pooled ones."""
    others = [arm for arm in errors if arm != OURS]
    made: dict[str, Any] = {}
    for other in others:
        made[other] = {
            "pooled": {m: asdict(compare(pooled[OURS], pooled[other], metric=m)) for m in ("cer", "wer")},
            "seeds": {
                str(seed): {m: asdict(compare(ours, errors[other][seed], metric=m)) for m in ("cer", "wer")}
                | {"mapsswe": asdict(mapsswe(ours, errors[other][seed]))}
                for seed, ours in errors[OURS].items()
            },
        }
    for metric in ("cer", "wer"):
        corrected = holm([made[other]["pooled"][metric]["p"] for other in others])
        for other, p in zip(others, corrected, strict=True):
            made[other]["pooled"][metric]["p_holm"] = p
    return made


def _cost(run: Mapping[str, Any]) -> dict[str, Any]:
    padded = run.get("padded_seconds")
    return {
        "cpu_seconds": round(run["cpu_seconds"], 1),
        "wall_seconds": round(run["wall_seconds"], 1),
        "audio_seconds": round(padded if padded is not None else run["audio_seconds_seen"], 1),
        "audio_is": "padded" if padded is not None else "without padding",
        "fit_cpu_seconds": run.get("fit_cpu_seconds"),
    }


def tutorial_lines() -> int:
    """Lines of code, without blank ones and docstrings, of what a NeMo user writes to change languages."""
    source = (Path(__file__).parent / "nemo_train.py").read_text("utf-8")
    count = 0
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in TUTORIAL:
            for inner in ast.walk(node):
                if isinstance(inner, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(inner):
                    inner.body = inner.body[1:] or [ast.Pass()]
            count += len(ast.unparse(node).splitlines()) - ast.unparse(node).splitlines().count("")
    return count


def _show(made: Mapping[str, Any]) -> None:
    print(f"{'arm':<10} {'seed':>6} {'dev CER':>8} {'test CER':>8} {'interval':>14} {'WER':>6} {'CPU s':>6}  chosen")
    for arm, seeds in made["scores"].items():
        for seed, found in seeds.items():
            dev, chosen = made["dev"][arm][seed]
            low, high = found["cer_ci"]
            print(
                f"{arm:<10} {seed:>6} {dev:>8.3f} {found['cer']:>8.3f} {low:>6.3f} to {high:.3f} {found['wer']:>6.3f} "
                f"{made['cost'][arm][seed]['cpu_seconds']:>6.0f}  {chosen}"
            )
        found = made["pooled"][arm]
        low, high = found["cer_ci"]
        print(f"{arm:<10} {'pooled':>6} {'':>8} {found['cer']:>8.3f} {low:>6.3f} to {high:.3f} {found['wer']:>6.3f}")
    for other, found in made["comparisons"].items():
        for metric, pair in found["pooled"].items():
            low, high = pair["ci"]["low"], pair["ci"]["high"]
            print(
                f"{OURS} minus {other}, {metric.upper()}: {pair['difference']:+.3f} ({low:+.3f} to {high:+.3f}), "
                f"p = {pair['p']:.4f}, by Holm {pair['p_holm']:.4f}"
            )
        for seed, pairs in found["seeds"].items():
            pair, words = pairs["cer"], pairs["mapsswe"]
            low, high = pair["ci"]["low"], pair["ci"]["high"]
            p = "-" if words["p"] is None else f"{words['p']:.4f}"
            print(
                f"  seed {seed}: CER {pair['difference']:+.3f} ({low:+.3f} to {high:+.3f}), p = {pair['p']:.4f}; "
                f"MAPSSWE {words['mean']:+.3f} errors a segment, p = {p}"
            )
