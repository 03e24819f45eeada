"""What an experiment measured, as frozen values. JSON is read into them and written from them here, and only here.

The fields of every class are the keys of arm.json and results.json (docs/formats.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from vizinho.errors import SpecError
from vizinho.evaluation.collapse import Finding
from vizinho.evaluation.significance import pool
from vizinho.experiment.spec import DEFAULT, SCRATCH
from vizinho.files import write_json
from vizinho.plan.movement import Movement
from vizinho.records import UtteranceErrors

Ends = tuple[float, float]
"""The two ends of a 95 % interval."""
Row = TypeVar("Row")
Rate = TypeVar("Rate")


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One evaluation on dev during training. Step 0 is before any update."""

    step: int
    train_loss: float | None
    dev_cer: float | None
    dev_wer: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmScores:
    """What one arm scored on a test set."""

    cer: float
    wer: float
    cer_ci: Ends
    wer_ci: Ends
    utterances: int
    signature: str
    per_speaker: Mapping[str, Mapping[str, int | float | None]] = field(default_factory=dict)
    """CER, WER and utterances of each speaker."""
    worst: tuple[UtteranceErrors, ...] = ()
    per_utterance: tuple[UtteranceErrors, ...]


@dataclass(frozen=True, slots=True)
class Retained:
    """CER on the donor language's held-out utterances: of the start (`donor_cer`) and after the transfer."""

    lang: str
    cer: float
    donor_cer: float
    utterances: int


@dataclass(frozen=True, slots=True)
class Place(Generic[Rate]):
    """CER of both languages at one place between the start's weights (0) and the trained ones (1)."""

    place: float
    cer: Rate
    donor_cer: Rate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedArm:
    """How the training of one arm went, before any test. Same-language updates are never tested."""

    arm: str  # name of the arm
    start: str
    kind: str  # "scratch", "donor", "synthetic" or the kind of a control
    origin: str  # what a control or a synthetic stage was made from; the start itself for others
    donor: str | None
    language: str
    recipe: str
    source: str  # file or paper that the recipe comes from
    minutes: float  # target speech, each recording counted once
    practice_minutes: float = 0.0  # synthetic and respelt speech; the oldest files do not have it
    minutes_asked: float | None  # None: all there is
    seed: int
    steps: int
    audio_seconds_seen: float
    chosen: str  # "step N", "average of N" evaluated weights, or "last" without a dev set
    dev_cer: float | None  # of the chosen weights
    set_aside: tuple[tuple[str, str], ...]  # (Utterance id, reason) of what was skipped
    curve: tuple[CurvePoint, ...]
    movement: Movement | None  # None for an arm without a donor, and for one that was not trained
    plan: Mapping[str, int] | None  # rows of the transfer plan per action
    findings: tuple[Finding, ...]

    @property
    def amount(self) -> float:
        """Minutes asked for; 0 stands for all there is."""
        return self.minutes_asked or 0.0

    @property
    def line(self) -> str:
        """Name of the arm's line: the start, and the recipe where the file names recipes."""
        return self.start if self.recipe in (DEFAULT, SCRATCH) else f"{self.start}, {self.recipe}"

    @property
    def is_main(self) -> bool:
        """Whether a summary names it: a donor or a synthetic stage, not a control."""
        return self.kind in ("donor", "synthetic")

    @property
    def is_scratch(self) -> bool:
        """Whether this is what everything is measured against: scratch by its own recipe."""
        return self.start == self.recipe == SCRATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult(TrainedArm):
    """One arm, trained and tested."""

    test: ArmScores
    retention: Retained | None
    interpolation: tuple[Place[float], ...] | None
    matched: bool = True  # whether its start had the same budget as the other donors


AnyArm = TypeVar("AnyArm", bound=TrainedArm)


@dataclass(frozen=True, slots=True)
class Line(Generic[AnyArm]):
    """Arms that differ by seed alone; at least one."""

    arms: tuple[AnyArm, ...]

    @property
    def first(self) -> AnyArm:
        """The arm of the first seed, for what all seeds have in common."""
        return self.arms[0]

    @property
    def name(self) -> str:
        """The start, and the recipe where the file names recipes."""
        return self.first.line


ArmLine = Line[ArmResult]


def pooled_errors(line: ArmLine) -> list[UtteranceErrors]:
    """Test errors of all seeds of a line, added up per utterance."""
    return pool([arm.test.per_utterance for arm in line.arms])


def lines_of(arms: Sequence[AnyArm]) -> list[Line[AnyArm]]:
    """Lines by amount of speech, and in the order of the arms within an amount."""
    groups: dict[tuple[float, str], list[AnyArm]] = {}
    for arm in arms:
        groups.setdefault((arm.amount, arm.line), []).append(arm)
    ordered = sorted(groups.items(), key=lambda item: item[0][0])
    return [Line(tuple(group)) for _, group in ordered]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """The seeds of one line together: rates over all their outputs, intervals by resampling utterances."""

    line: str
    start: str
    recipe: str
    kind: str
    matched: bool
    source: str
    donor: str | None
    minutes: float
    steps: int
    seeds: int
    cer: float
    cer_ci: Ends
    wer: float
    wer_ci: Ends
    cer_by_seed: tuple[float, ...]
    dev_cer_by_seed: tuple[float | None, ...]
    steps_to_scratch_best: tuple[int | None, ...]
    """None for a seed that never reached it; seeds in which scratch learnt nothing are left out."""
    findings: int  # seeds in which something looked wrong


@dataclass(frozen=True, slots=True)
class BySpeaker:
    """A comparison with speakers as the units, or why there is none."""

    speakers: int
    p: float | None
    ci: Ends | None
    decides: bool
    note: str


@dataclass(frozen=True, slots=True)
class Mapsswe:
    """NIST's test of matched sentence segments."""

    segments: int
    z: float | None
    p: float | None


@dataclass(frozen=True, slots=True)
class SeedComparison:
    """Two lines compared in one seed; MAPSSWE belongs to words and to single outputs, so it stands here."""

    seed: int
    difference: float
    p: float
    mapsswe: Annotated[Mapsswe | None, Field(exclude_if=lambda value: value is None)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineComparison:
    """Line `a` against line `b` in one metric; differences are a - b, so a negative one favours `a`."""

    family: str  # of tests that are corrected together: "starts", "recipes", "synthetic", "controls", "unmatched"
    a: str
    b: str
    metric: Literal["cer", "wer"]
    minutes: float
    difference: float
    ci: Ends
    relative: float | None  # the difference as a share of b's rate
    relative_ci: Ends | None
    cohens_d: float | None  # None where all utterances differ alike
    p: float  # of the paired bootstrap by utterance
    p_randomisation: float
    test: str  # the test by utterance, in words
    by_speaker: BySpeaker
    p_decisive: float
    decided_by: Literal["speaker", "utterance"]
    by_seed: tuple[SeedComparison, ...]
    p_holm: float  # `p_decisive` after Holm's correction over the family
    family_size: int
    better: str | None  # the better line; None where no difference is shown

    @property
    def decisive_test(self) -> str:
        """The test that decided, in words."""
        return self.test.replace("by utterance", f"by {self.decided_by}")

    @property
    def decisive_ci(self) -> Ends:
        """Interval of the difference, over the units that decided."""
        return self.by_speaker.ci if self.decided_by == "speaker" and self.by_speaker.ci is not None else self.ci

    def of(self, *lines: str) -> bool:
        """Whether both sides are among the lines named."""
        return self.a in lines and self.b in lines


@dataclass(frozen=True, slots=True)
class SeedSteps:
    """Steps of one seed until it is as good on dev as scratch of its seed ever was (`steps`), and the other way round.

    `ratio` is scratch's own steps to its best over the arm's. All are None where scratch learnt nothing.
    """

    seed: int
    steps: int | None = None
    scratch_own_steps: int | None = None
    scratch_steps: int | None = None
    ratio: float | None = None


@dataclass(frozen=True, slots=True)
class StepsToTarget:
    """`reached`: seeds that reached scratch's best; `ratio`: geometric mean of those that did after step 0."""

    line: str
    minutes: float
    budget_steps: int  # steps that each seed was trained
    by_seed: tuple[SeedSteps, ...]
    reached: int
    ratio: float | None


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Minutes of target speech that scratch needs to match a line, and their ratio to the line's own."""

    line: str
    minutes: float
    cer: float
    scratch_minutes: float
    bound: Literal["equal", "more", "less"]
    """"more" ("less"): scratch at its largest (smallest) amount is still worse (already as good)."""
    ratio: float
    ci: tuple[float | None, float | None]  # of the minutes; an end at None lies beyond scratch's amounts


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation over seeds; the deviation of one seed is 0."""

    mean: float
    deviation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """How many weights of a line moved from the plan's start, and how far."""

    line: str
    kind: str
    minutes: float
    amount: float
    seeds: int
    encoder_moved_share: Spread
    encoder_distance: Spread
    moved_share: Spread
    relative_distance: Spread
    batch_norm_drift: Spread
    layers: Mapping[str, Spread]  # relative distance of each layer


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentTest:
    """Paired t-test over seeds between two donors in one measure; p is None where it cannot be tested."""

    a: str
    b: str
    minutes: float
    measure: Literal["encoder_moved_share", "encoder_distance"]
    matched: bool
    difference: float | None  # mean of a - b over the seeds that both have
    seeds: int
    p: float | None
    p_holm: float | None


@dataclass(frozen=True, slots=True)
class Retention:
    """What is left of the donor's language, and the rates of both languages on the way between the weights."""

    line: str
    minutes: float
    lang: str | None
    utterances: int | None
    donor_cer: float | None
    cer: Spread | None
    way: tuple[Place[Spread], ...]  # from the start's weights to the trained ones


@dataclass(frozen=True, slots=True)
class Answer:
    """Sentences of an answer and what they are about; "" for the question itself."""

    about: str
    says: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the experiment and its answer in words."""

    asked: str
    answer: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class RowsQuestion(Question, Generic[Row]):
    """A question with a row for each line."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class AdjustmentsQuestion(Question):
    """The question of adjustments, with its tests."""

    rows: tuple[Adjusted, ...]
    tests: tuple[AdjustmentTest, ...]


@dataclass(frozen=True, slots=True)
class Questions:
    """The five questions, by name. The rows of the final rates are `pooled` of the results."""

    final_rates: Question
    steps_to_target: RowsQuestion[StepsToTarget]
    data_efficiency: RowsQuestion[Efficiency]
    adjustments: AdjustmentsQuestion
    retention: RowsQuestion[Retention]

    def in_order(self) -> tuple[Question, ...]:
        """All of them, as they are read."""
        return self.final_rates, self.steps_to_target, self.data_efficiency, self.adjustments, self.retention


@dataclass(frozen=True, slots=True, kw_only=True)
class DonorResult:
    """How the training of a donor went. `identity` changes with its data, its options and its start."""

    minutes: float
    curve: tuple[CurvePoint, ...]
    steps: int
    dev_cer: float | None
    set_aside: tuple[tuple[str, str], ...]
    identity: str = ""  # 16 digits; older files do not have it
    name: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a start that has a donor cost before the arms, and whether it is matched with the first of its kind."""

    start: str
    language: str | None
    trained_here: bool
    minutes: float | None = None
    steps: int | None = None
    base: str | None = None  # what the donor itself started from
    matched: bool


@dataclass(frozen=True, slots=True)
class Leaks:
    """Whose corpora were checked for the test set ("" are the target's), and models of the store that could not be."""

    checked: tuple[str, ...]
    unchecked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LineHypothesis:
    """What the first seed of a line made of an utterance."""

    line: str
    minutes: float
    hypothesis: str


@dataclass(frozen=True, slots=True)
class WorstUtterance:
    """An utterance with a high CER over all arms; `clip` is its audio, relative to the folder of the results."""

    id: str
    speaker: str
    cer: float
    reference: str
    heard: tuple[LineHypothesis, ...]
    clip: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What the arms show: pooled rates, comparisons, the questions answered, and all of it in words."""

    pooled: tuple[Pooled, ...]
    comparisons: tuple[LineComparison, ...]
    questions: Questions
    reading: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All of results.json."""

    format: Literal[2] = 2  # other formats are refused
    name: str
    created: str  # UTC, ISO 8601
    target: str
    spec: Mapping[str, Any]  # the experiment's file as read
    environment: Mapping[str, str | int]
    signature: str  # of the test scores
    leaks: Leaks
    donors: tuple[DonorResult, ...]
    budgets: tuple[Budget, ...]
    arms: tuple[ArmResult, ...]
    updates: tuple[TrainedArm, ...]
    pooled: tuple[Pooled, ...]
    comparisons: tuple[LineComparison, ...]
    questions: Questions
    reading: str
    worst: tuple[WorstUtterance, ...]


Value = TypeVar("Value")


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of one of the values above, to make another of them that has more."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def as_json(value: Any, **options: Any) -> Any:
    """One of the values above as plain JSON values; `options` are those of pydantic's `dump_python` (`exclude`)."""
    return TypeAdapter(type(value)).dump_python(value, mode="json", **options)


def write_value(path: Path, value: Any, **options: Any) -> None:
    """Write one of the values above as JSON, atomically."""
    write_json(path, as_json(value, **options))


def read_value(kind: type[Value], path: Path) -> Value:
    """Read a file that `write_value` wrote, of this version or an older one. Keys that are not known are ignored.

    Raises SpecError naming the file, and the key that is missing or holds something else.
    """
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise SpecError("no such file", where=path, fix="run `vizinho experiment` first") from error
    except OSError as error:
        raise SpecError(f"cannot be read ({error.strerror})", where=path, fix="give a results.json") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise SpecError(
            f"not what an experiment writes ({place}: {first['msg']})",
            where=path,
            fix="run `vizinho experiment` again: arms that are finished are not trained again",
        ) from error


RARE_LETTERS = "letters never emitted"
"""The kind of finding that a good arm may have too."""


def suspects(arms: Sequence[ArmResult]) -> dict[str, tuple[Finding, ...]]:
    """What looks wrong, by the arm's name.

    The arms of the line with the lowest CER at an amount of speech are not suspect for a letter that they never write:
    such a letter is rare, and no other arm does better without it.
    """
    lines = lines_of(arms)
    best = {
        line.first.amount: line.name
        for line in sorted(lines, key=lambda line: -sum(arm.test.cer for arm in line.arms) / len(line.arms))
    }
    wrong = {
        arm.arm: tuple(f for f in arm.findings if f.kind != RARE_LETTERS or best[arm.amount] != arm.line)
        for arm in arms
    }
    return {name: findings for name, findings in wrong.items() if findings}
