"""The results in words: every question answered by name, and better or worse said only where a test shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vizinho.experiment.adjustments import MEASURES
from vizinho.experiment.comparisons import SIGNIFICANT
from vizinho.experiment.lines import Result
from vizinho.experiment.values import SCRATCH, UPDATE

ASKED = {
    "final_rates": "How good is each start at the end, on test?",
    "steps_to_target": "How many steps does it take to be as good as scratch at its best?",
    "data_efficiency": "How much target speech does scratch need to match it?",
    "adjustments": "How many weights had to be adjusted, and how far?",
    "retention": "What is left of the donor's language?",
}
_FAMILIES = {
    "starts": "",
    "recipes": "Recipes: ",
    "synthetic": "With synthetic target speech: ",
    "controls": "Controls: ",
    "unmatched": "Unmatched budgets, not a fair comparison of languages: ",
}


def answers(rows: Mapping[str, Any], comparisons: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """{"asked", "answer", "rows"} of each question, by its name."""
    said = {
        "final_rates": _final(rows["final_rates"], comparisons),
        "steps_to_target": _steps(rows["steps_to_target"]),
        "data_efficiency": _data(rows["data_efficiency"]),
        "adjustments": _adjustments(rows["adjustments"]),
        "retention": _retention(rows["retention"]),
    }
    return {name: {"asked": ASKED[name], "answer": said[name], "rows": rows[name]} for name in ASKED}


def reading(questions: Mapping[str, Mapping[str, Any]], arms: Sequence[Result]) -> str:
    """All answers one after another, and what looks wrong with single arms."""
    wrong = [f"{arm['arm']} ({', '.join(f['kind'] for f in arm['findings'])})" for arm in arms if arm["findings"]]
    parts = [q["answer"] for q in questions.values() if q["answer"]]
    if wrong:
        parts.append(f"Signs of collapse in {_list(wrong)}: see the arms.")
    return " ".join(parts)


def _final(pooled: Sequence[Mapping[str, Any]], comparisons: Sequence[Mapping[str, Any]]) -> str:
    rates = {(p["line"], p["minutes"]): p["cer"] for p in pooled}
    sentences = []
    for family, opening in _FAMILIES.items():
        ours = [c for c in comparisons if c["family"] == family and c["metric"] == "cer"]
        found = [_compared(c, rates) for c in ours]
        if found:
            sentences.append(opening + " ".join(found))
    notes = dict.fromkeys(c["by_speaker"]["note"] for c in comparisons if c["by_speaker"]["note"])
    sentences += [f"Tested by utterance ({note})." for note in notes]
    return " ".join(sentences)


def _compared(c: Mapping[str, Any], rates: Mapping[tuple[str, float], float]) -> str:
    at = f"at {c['minutes']:g} minutes"
    first, second = rates[c["a"], c["minutes"]], rates.get((c["b"], c["minutes"]))
    against = first - c["difference"] if second is None else second
    figures = f"CER {first:.3f} against {against:.3f}, corrected p = {c['p_holm']:.2g}"
    if c["better"] is None:
        return f"No difference shown between {c['a']} and {c['b']} {at} ({figures})."
    worse = c["b"] if c["better"] == c["a"] else c["a"]
    if c["relative"] is None:
        return f"{c['better']} is better than {worse} {at} ({figures})."
    share = -c["relative"] if c["better"] == c["a"] else 1 - 1 / (1 + c["relative"])
    return f"{c['better']} is better than {worse} by {share:.0%} {at} ({figures})."


def _steps(rows: Sequence[Mapping[str, Any]]) -> str:
    found = []
    for row in rows:
        if row["line"] == SCRATCH or not row["by_seed"]:
            continue
        at, of = f"{row['line']} at {row['minutes']:g} minutes", len(row["by_seed"])
        never = [s for s in row["by_seed"] if s["scratch_steps"] is None]
        back = (
            f"scratch does not match it within its {row['budget_steps']} steps"
            if len(never) == of
            else f"scratch comes to match it in {of - len(never)} of {of} seeds"
        )
        if not row["reached"]:
            found.append(f"{at} does not reach scratch's best on dev in {row['budget_steps']} steps.")
        elif row["ratio"] is None:
            found.append(f"{at} is as good as scratch's best on dev before any training; {back}.")
        else:
            found.append(
                f"{at} reaches scratch's best on dev in {row['reached']} of {of} seeds, "
                f"{row['ratio']:.1f} times as fast as scratch; {back}."
            )
    return " ".join(found)


def _data(rows: Sequence[Mapping[str, Any]]) -> str:
    found = []
    for row in rows:
        words = {"equal": "about ", "more": "more than ", "less": "less than "}[row["bound"]]
        found.append(
            f"To match {row['line']} at {row['minutes']:g} minutes scratch needs {words}{row['scratch_minutes']:.3g} "
            f"minutes ({words}{row['ratio']:.2g} times as many)."
        )
    return " ".join(found)


def _adjustments(found: Mapping[str, Any]) -> str:
    sentences = []
    pairs = dict.fromkeys((t["a"], t["b"], t["minutes"]) for t in found["tests"])
    for a, b, minutes in pairs:
        tests = [t for t in found["tests"] if (t["a"], t["b"], t["minutes"]) == (a, b, minutes)]
        sentences.append(_adjusted(a, b, minutes, tests))
    for row in found["rows"]:
        if row["kind"] == UPDATE:
            sentences.append(
                f"Going on with the donor's own language ({row['line']}) moves the encoder by "
                f"{row['encoder_distance']['mean']:.3f}, which is what training costs without a new language."
            )
    return " ".join(sentences)


def _adjusted(a: str, b: str, minutes: float, tests: Sequence[Mapping[str, Any]]) -> str:
    at = f"at {minutes:g} minutes"
    if any(t["p_holm"] is None for t in tests):
        seeds = f"{tests[0]['seeds']} {'seed' if tests[0]['seeds'] == 1 else 'seeds'}"
        return f"Whether {a} or {b} needs fewer and smaller adjustments {at} cannot be tested with {seeds}."
    said = []
    for test in tests:
        word = MEASURES[test["measure"]]
        if test["p_holm"] >= SIGNIFICANT:
            said.append(f"no difference shown in how {'many' if word == 'fewer' else 'large'} they are")
        else:
            said.append(f"{word} adjustments with {a if test['difference'] < 0 else b}")
    figures = ", ".join(f"p = {t['p_holm']:.2g}" for t in tests)
    unfair = "" if tests[0]["matched"] else " (unmatched budgets)"
    return f"{a} against {b} {at}{unfair}: {' and '.join(said)} ({figures}, {tests[0]['seeds']} seeds)."


def _retention(rows: Sequence[Mapping[str, Any]]) -> str:
    return " ".join(
        f"After {row['line']} at {row['minutes']:g} minutes the CER of {row['lang']} is {row['cer']['mean']:.3f} "
        f"(the start: {row['donor_cer']:.3f})."
        for row in rows
        if row["cer"] is not None
    )


def _list(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
