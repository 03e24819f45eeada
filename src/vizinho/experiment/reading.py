"""The results in words: every question answered by name, and better or worse said only where a test shows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from vizinho.experiment.adjustments import MEASURES
from vizinho.experiment.comparisons import SIGNIFICANT
from vizinho.experiment.results import Result
from vizinho.experiment.spec import UPDATE

ASKED = {
    "final_rates": "How good is each start at the end, on test?",
    "steps_to_target": "How many steps does it take to be as good as scratch at its best?",
    "data_efficiency": "How much target speech does scratch need to match it?",
    "adjustments": "How many weights had to be adjusted, and how far?",
    "retention": "What is left of the donor's language?",
}
_FAMILIES = {
    "starts": "",
    "recipes": "Recipes",
    "synthetic": "With synthetic target speech",
    "controls": "Controls",
    "unmatched": "Unmatched budgets, not a fair comparison of languages",
}
Said = list[dict[str, Any]]
"""[{"about", "says"}]: sentences by what they are about, "" for the question itself."""


def answers(
    rows: Mapping[str, Any], comparisons: Sequence[Mapping[str, Any]], named: Collection[str]
) -> dict[str, dict[str, Any]]:
    """{"asked", "answer", "rows"} of each question, by its name; adjustments have "tests" too.

    The answers speak of the lines `named`; rows have all of them.
    """

    def main(name: str) -> list[Mapping[str, Any]]:
        return [row for row in rows[name] if row["line"] in named]

    said = {
        "final_rates": _final(rows["final_rates"], comparisons),
        "steps_to_target": _about("", _steps(main("steps_to_target"))),
        "data_efficiency": _about("", _data(main("data_efficiency"))),
        "adjustments": _about("", _adjustments(rows["adjustments"], named)),
        "retention": _about("", _retention(main("retention"))),
    }
    made = {name: {"asked": ASKED[name], "answer": said[name], "rows": rows[name]} for name in ASKED}
    return made | {"adjustments": made["adjustments"] | rows["adjustments"]}


def reading(questions: Mapping[str, Mapping[str, Any]], arms: Sequence[Result]) -> str:
    """All answers in lines of text, and what looks wrong with single arms."""
    parts = []
    for question in questions.values():
        for part in question["answer"]:
            parts.append((f"{part['about']}: " if part["about"] else "") + " ".join(part["says"]))
    kinds: dict[str, list[str]] = {}
    for arm in arms:
        for kind in dict.fromkeys(finding["kind"] for finding in arm["findings"]):
            kinds.setdefault(kind, []).append(arm["arm"])
    for kind, names in kinds.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        parts.append(f"Looks wrong ({kind}): {', '.join(names[:3])}{more}.")
    return "\n".join(parts)


def _about(what: str, says: Sequence[str]) -> Said:
    return [{"about": what, "says": list(says)}] if says else []


def _final(pooled: Sequence[Mapping[str, Any]], comparisons: Sequence[Mapping[str, Any]]) -> Said:
    """The starts one by one; of the other families those pairs in which one side is better, the rest counted."""
    rates = {(p["line"], p["minutes"]): p["cer"] for p in pooled}
    parts: Said = []
    for family, title in _FAMILIES.items():
        ours = [c for c in comparisons if c["family"] == family and c["metric"] == "cer"]
        shown = [c for c in ours if family == "starts" or c["better"] is not None]
        said = [_compared(c, rates) for c in shown]
        if len(shown) < len(ours):
            said.append(f"No difference shown in {len(ours) - len(shown)} of {len(ours)} pairs.")
        parts += _about(title, said)
    notes = dict.fromkeys(c["by_speaker"]["note"] for c in comparisons if c["by_speaker"]["note"])
    return parts + _about("Tested by utterance", [f"{note}." for note in notes])


def _compared(c: Mapping[str, Any], rates: Mapping[tuple[str, float], float]) -> str:
    at = f"at {c['minutes']:g} minutes"
    names = [c["a"], c["b"]]
    cers = [rates[c["a"], c["minutes"]], rates[c["a"], c["minutes"]] - c["difference"]]
    if c["better"] == c["b"]:
        names, cers = names[::-1], cers[::-1]
    figures = f"CER {cers[0]:.3f} against {cers[1]:.3f}, corrected p = {c['p_holm']:.2g}"
    if c["better"] is None:
        return f"No difference shown between {names[0]} and {names[1]} {at} ({figures})."
    return f"{names[0]} is better than {names[1]} by {1 - cers[0] / cers[1]:.0%} {at} ({figures})."


def _steps(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    found, nothing = [], dict[str, None]()
    for row in rows:
        of = len(row["by_seed"])
        if not of:
            continue
        at, budget = f"{row['line']} at {row['minutes']:g} minutes", row["budget_steps"]
        if all(s["scratch_own_steps"] is None for s in row["by_seed"]):
            lost = f"At {row['minutes']:g} minutes scratch learns nothing in {budget} steps that could be reached."
            nothing[lost] = None
            continue
        matched = sum(s["scratch_steps"] is not None for s in row["by_seed"])
        back = f"scratch comes to match it in {matched} of {of} seeds" if matched else "scratch never matches it"
        if not row["reached"]:
            found.append(f"{at} does not reach scratch's best on dev in {budget} steps.")
        elif row["ratio"] is None:
            found.append(f"{at} is as good as scratch's best on dev before any training; {back} in {budget} steps.")
        else:
            found.append(
                f"{at} reaches scratch's best on dev in {row['reached']} of {of} seeds, {row['ratio']:.1f} times as "
                f"fast as scratch; {back} in {budget} steps."
            )
    return found + list(nothing)


def _data(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    for row in rows:
        words = {"equal": "about", "more": "more than", "less": "at most"}[row["bound"]]
        times = "" if row["bound"] == "more" and row["ratio"] < 1.05 else f" ({words} {row['ratio']:.2g} times as many)"
        found.append(
            f"To match {row['line']} at {row['minutes']:g} minutes (CER {row['cer']:.3f}) scratch needs {words} "
            f"{row['scratch_minutes']:.3g} minutes{times}."
        )
    return found


def _adjustments(found: Mapping[str, Any], named: Collection[str]) -> list[str]:
    sentences = []
    pairs = dict.fromkeys((t["a"], t["b"], t["minutes"]) for t in found["tests"] if t["a"] in named and t["b"] in named)
    for a, b, minutes in pairs:
        tests = [t for t in found["tests"] if (t["a"], t["b"], t["minutes"]) == (a, b, minutes)]
        sentences.append(_adjusted(a, b, minutes, tests))
    for row in found["rows"]:
        if row["kind"] == UPDATE:
            sentences.append(
                f"Going on with the donor's own language ({row['line']}, {row['minutes']:g} minutes) moves the encoder "
                f"by {row['encoder_distance']['mean']:.3f}, which is what training costs without a new language."
            )
    return sentences


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


def _retention(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"After {row['line']} at {row['minutes']:g} minutes the CER of {row['lang']} is {row['cer']['mean']:.3f} "
        f"(the start: {row['donor_cer']:.3f})."
        for row in rows
        if row["cer"] is not None
    ]
