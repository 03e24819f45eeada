"""What finished arms show: pooled rates, comparisons, and every question answered by name, in numbers and in words.

Better or worse is said only where a test shows it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vizinho.evaluation.score import score_errors
from vizinho.experiment.adjustments import MEASURES, adjusted, adjustment_tests, retention
from vizinho.experiment.comparisons import SIGNIFICANT, compare_lines
from vizinho.experiment.efficiency import data_efficiency, steps_to_target
from vizinho.experiment.results import (
    Adjusted,
    AdjustmentsQuestion,
    AdjustmentTest,
    Answer,
    ArmLine,
    ArmResult,
    Efficiency,
    LineComparison,
    Pooled,
    Question,
    Questions,
    Retention,
    RowsQuestion,
    StepsToTarget,
    Summary,
    TrainedArm,
    lines_of,
    pooled_errors,
    suspects,
)
from vizinho.experiment.spec import UPDATE

_FAMILIES = {
    "starts": "",
    "recipes": "Recipes",
    "synthetic": "With synthetic target speech",
    "controls": "Controls",
    "unmatched": "Unmatched budgets, not a fair comparison of languages",
}
MOST_SENTENCES = 10
"""Of an answer, in the text that the command prints."""
_NAMED = 3
"""Arms that a sentence names."""


def summarise(arms: Sequence[ArmResult], updates: Sequence[TrainedArm] = ()) -> Summary:
    """What the arms show. `updates` are same-language updates, which only the question of adjustments looks at.

    Rows have all lines; the answers name each start by its first recipe. Arms of different amounts of target speech are
    never compared with each other, except to find how much of it scratch needs.
    """
    lines = lines_of(arms)
    first: dict[str, str] = {}  # the line of each start's first recipe, at its smallest amount of speech
    for line in lines:
        first.setdefault(line.first.start, line.name)
    named = {line.name for line in lines if line.first.is_main and first[line.first.start] == line.name}
    steps, efficiency, retained = steps_to_target(lines), data_efficiency(lines), retention(lines)
    moved, tests = [*adjusted(lines), *adjusted(lines_of(updates))], adjustment_tests(lines)
    pooled = [_pooled(line, row) for line, row in zip(lines, steps, strict=True)]
    comparisons = compare_lines(lines)
    questions = Questions(
        final_rates=Question("How good is each start at the end, on test?", _final(pooled, comparisons)),
        steps_to_target=RowsQuestion(
            "How many steps does it take to be as good as scratch at its best?",
            _about("", _steps([row for row in steps if row.line in named])),
            tuple(steps),
        ),
        data_efficiency=RowsQuestion(
            "How much target speech does scratch need to match it?",
            _about("", [_needs(row) for row in efficiency if row.line in named]),
            tuple(efficiency),
        ),
        adjustments=AdjustmentsQuestion(
            "How many weights had to be adjusted, and how far?",
            _about("", _adjustments(moved, tests, named)),
            tuple(moved),
            tuple(tests),
        ),
        retention=RowsQuestion(
            "What is left of the donor's language?",
            _about("", _retention([row for row in retained if row.line in named])),
            tuple(retained),
        ),
    )
    return Summary(tuple(pooled), tuple(comparisons), questions, _reading(questions, arms))


def _shortened(sentences: Sequence[str]) -> str:
    """The first sentences, and how many more there are: a dozen starts have 66 pairs."""
    left = len(sentences) - MOST_SENTENCES
    # One sentence more takes no more room than to say so.
    if left <= 1:
        return " ".join(sentences)
    return f"{' '.join(sentences[:MOST_SENTENCES])} (and {left} sentences more: `vizinho report` shows them)"


def _pooled(line: ArmLine, steps: StepsToTarget) -> Pooled:
    """Seeds of one line together: rates over all their outputs, intervals by resampling utterances."""
    rates = score_errors(pooled_errors(line))
    return Pooled(
        line=line.name,
        start=line.first.start,
        recipe=line.first.recipe,
        kind=line.first.kind,
        matched=line.first.matched,
        source=line.first.source,
        donor=line.first.donor,
        minutes=line.first.minutes,
        steps=line.first.steps,
        seeds=len(line.arms),
        cer=rates["cer"],
        cer_ci=tuple(rates["cer_ci"]),
        wer=rates["wer"],
        wer_ci=tuple(rates["wer_ci"]),
        cer_by_seed=tuple(arm.test.cer for arm in line.arms),
        dev_cer_by_seed=tuple(arm.dev_cer for arm in line.arms),
        # Seeds in which scratch learnt nothing have no best to be reached, which is not the same as never reaching it.
        steps_to_scratch_best=tuple(s.steps for s in steps.by_seed if s.scratch_own_steps is not None),
        findings=sum(bool(arm.findings) for arm in line.arms),
    )


def _reading(questions: Questions, arms: Sequence[ArmResult]) -> str:
    """The answers in lines of text, long ones shortened, and what looks wrong with single arms."""
    answers = [answer for question in questions.in_order() for answer in question.answer]
    lines = [(f"{answer.about}: " if answer.about else "") + _shortened(answer.says) for answer in answers]
    by_kind: dict[str, list[str]] = {}
    for arm, findings in suspects(arms).items():
        for kind in dict.fromkeys(finding.kind for finding in findings):
            by_kind.setdefault(kind, []).append(arm)
    for kind, names in by_kind.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(f"Looks wrong ({kind}): {', '.join(names[:_NAMED])}{more}.")
    return "\n".join(lines)


def _about(topic: str, sentences: Sequence[str]) -> tuple[Answer, ...]:
    return (Answer(topic, tuple(sentences)),) if sentences else ()


def _final(pooled: Sequence[Pooled], comparisons: Sequence[LineComparison]) -> tuple[Answer, ...]:
    """The starts one by one; of the other families those pairs in which one side is better, the rest counted."""
    rates = {(row.line, row.minutes): row.cer for row in pooled}
    answers: tuple[Answer, ...] = ()
    for family, title in _FAMILIES.items():
        members = [c for c in comparisons if c.family == family and c.metric == "cer"]
        shown = [c for c in members if family == "starts" or c.better is not None]
        sentences = [_compared(c, rates[c.a, c.minutes]) for c in shown]
        if len(shown) < len(members):
            sentences.append(f"No difference shown in {len(members) - len(shown)} of {len(members)} pairs.")
        answers += _about(title, sentences)
    notes = dict.fromkeys(c.by_speaker.note for c in comparisons if c.by_speaker.note)
    return answers + _about("Tested by utterance", [f"{note}." for note in notes])


def _compared(c: LineComparison, cer_of_a: float) -> str:
    sides = [(c.a, cer_of_a), (c.b, cer_of_a - c.difference)]  # the difference is a - b
    if c.better == c.b:
        sides.reverse()
    (first, low), (second, high) = sides
    at, figures = f"at {c.minutes:g} minutes", f"CER {low:.3f} against {high:.3f}, corrected p = {c.p_holm:.2g}"
    if c.better is None:
        return f"No difference shown between {first} and {second} {at} ({figures})."
    return f"{first} is better than {second} by {1 - low / high:.0%} {at} ({figures})."


def _steps(rows: Sequence[StepsToTarget]) -> list[str]:
    sentences, nothing = [], dict[str, None]()
    for row in rows:
        seeds = len(row.by_seed)
        if not seeds:
            continue
        at, budget = f"{row.line} at {row.minutes:g} minutes", row.budget_steps
        if all(s.scratch_own_steps is None for s in row.by_seed):
            # Once an amount of speech, however many lines have nothing to reach there.
            nothing[f"At {row.minutes:g} minutes scratch learns nothing in {budget} steps that could be reached."] = (
                None
            )
            continue
        matched = sum(s.scratch_steps is not None for s in row.by_seed)
        back = f"scratch comes to match it in {matched} of {seeds} seeds" if matched else "scratch never matches it"
        if not row.reached:
            sentences.append(f"{at} does not reach scratch's best on dev in {budget} steps.")
        elif row.ratio is None:
            sentences.append(f"{at} is as good as scratch's best on dev before any training; {back} in {budget} steps.")
        else:
            sentences.append(
                f"{at} reaches scratch's best on dev in {row.reached} of {seeds} seeds, {row.ratio:.1f} times as fast "
                f"as scratch; {back} in {budget} steps."
            )
    return sentences + list(nothing)


def _needs(row: Efficiency) -> str:
    words = {"equal": "about", "more": "more than", "less": "at most"}[row.bound]
    times = "" if row.bound == "more" and row.ratio < 1.05 else f" ({words} {row.ratio:.2g} times as many)"
    return (
        f"To match {row.line} at {row.minutes:g} minutes (CER {row.cer:.3f}) scratch needs {words} "
        f"{row.scratch_minutes:.3g} minutes{times}."
    )


def _adjustments(rows: Sequence[Adjusted], tests: Sequence[AdjustmentTest], named: Collection[str]) -> list[str]:
    pairs: dict[tuple[str, str, float], list[AdjustmentTest]] = {}
    for test in tests:
        if test.a in named and test.b in named:
            pairs.setdefault((test.a, test.b, test.minutes), []).append(test)
    return [_adjusted(members) for members in pairs.values()] + [
        f"Going on with the donor's own language ({row.line}, {row.minutes:g} minutes) moves the encoder by "
        f"{row.encoder_distance.mean:.3f}, which is what training costs without a new language."
        for row in rows
        if row.kind == UPDATE
    ]


def _adjusted(tests: Sequence[AdjustmentTest]) -> str:
    """One pair of donors, a test for each measure."""
    first = tests[0]
    a, b, at = first.a, first.b, f"at {first.minutes:g} minutes"
    corrected = [test.p_holm for test in tests if test.p_holm is not None]
    if len(corrected) < len(tests):
        seeds = f"{first.seeds} {'seed' if first.seeds == 1 else 'seeds'}"
        return f"Whether {a} or {b} needs fewer and smaller adjustments {at} cannot be tested with {seeds}."
    parts = []
    for test, p in zip(tests, corrected, strict=True):
        word = MEASURES[test.measure]
        if p >= SIGNIFICANT or test.difference is None:
            parts.append(f"no difference shown in how {'many weights' if word == 'fewer' else 'far they'} move")
        else:
            parts.append(f"{word} adjustments with {a if test.difference < 0 else b}")
    figures = ", ".join(f"p = {p:.2g}" for p in corrected)
    unfair = "" if first.matched else " (unmatched budgets)"
    return f"{a} against {b} {at}{unfair}: {' and '.join(parts)} ({figures}, {first.seeds} seeds)."


def _retention(rows: Sequence[Retention]) -> list[str]:
    return [
        f"After {row.line} at {row.minutes:g} minutes the CER of {row.lang} is {row.cer.mean:.3f} "
        f"(the start: {row.donor_cer:.3f})."
        for row in rows
        if row.cer is not None
    ]
