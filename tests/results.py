"""Arms and results as the engine makes them, made by hand: what summaries and pages are tested with."""

from typing import Any

from vizinho.evaluation.collapse import Finding
from vizinho.experiment.results import (
    ArmResult,
    ArmScores,
    Budget,
    CurvePoint,
    DonorResult,
    Leaks,
    Place,
    Results,
    Retained,
    TrainedArm,
    WorstUtterance,
)
from vizinho.experiment.summary import summarise
from vizinho.plan.movement import LayerMovement, Movement
from vizinho.records import UtteranceErrors

WORDS = ("casa azul", "o mar", "lua cheia", "pedra", "sol e sal")


def arm(
    start: str, seed: int, rates: list[float], errors: list[int], *, speakers: int = 1, **changes: Any
) -> ArmResult:
    """An arm whose dev CER goes through `rates` every ten steps, with `errors` of ten characters in each utterance."""
    rows = [
        UtteranceErrors(
            id=f"u{i:02d}",
            speaker=f"s{i % speakers}",
            reference=WORDS[i % len(WORDS)],
            hypothesis="" if e > 8 else WORDS[(i + (e > 4)) % len(WORDS)],
            character_errors=e,
            characters=10,
            word_errors=int(e > 0),
            words=1,
        )
        for i, e in enumerate(errors)
    ]
    has_donor = start != "scratch"
    values = {
        "arm": f"{start}/{changes.get('recipe', '')}/{changes.get('minutes', 8.0):g}min/seed{seed}",
        "start": start,
        "kind": "donor" if has_donor else "scratch",
        "origin": start,
        "donor": start if has_donor else None,
        "language": "pt",
        "recipe": "default" if has_donor else "scratch",
        "source": "",
        "minutes": 8.0,
        "minutes_asked": changes.get("minutes"),
        "seed": seed,
        "steps": 10 * (len(rates) - 1),
        "audio_seconds_seen": 99.0,
        "chosen": "step 10",
        "dev_cer": min(rates),
        "set_aside": (),
        "curve": tuple(CurvePoint(10 * n, r, r, r) for n, r in enumerate(rates)),
        "test": ArmScores(
            cer=sum(errors) / (10 * len(errors)),
            wer=1.0,
            cer_ci=(0.0, 1.0),
            wer_ci=(0.0, 1.0),
            utterances=len(errors),
            signature="metric:cer+wer|norm:pt-v1",
            per_utterance=tuple(rows),
        ),
        "movement": movement(0.1 + 0.01 * seed) if has_donor else None,
        "retention": Retained(start, 0.5, 0.2, 9) if has_donor else None,
        "interpolation": tuple(Place(p, 1 - p / 2, 0.2 + p / 3) for p in (0.0, 0.5, 1.0)) if has_donor else None,
        "findings": (),
        "plan": {},
    }
    return ArmResult(**values | changes)


def update(distance: float, **changes: Any) -> TrainedArm:
    """A same-language update named "goes on", whose layers moved by `distance`."""
    made = arm("goes on", 1, [0.5], [1], kind="same-language", origin="es", movement=movement(distance), **changes)
    return TrainedArm(**{name: getattr(made, name) for name in TrainedArm.__dataclass_fields__})


def movement(distance: float) -> Movement:
    """Of a network of two blocks and a head, all of which moved by `distance`."""
    layers = tuple(LayerMovement(name, 100, distance, distance) for name in ("front", "block0", "block1", "head"))
    return Movement(400, distance, distance, distance, 0.3, layers)


def finding(kind: str, what: str = "w") -> Finding:
    """Something that looks wrong."""
    return Finding(kind, what, "a cause", "a fix")


def results(arms: list[ArmResult], updates: tuple[TrainedArm, ...] = (), **changes: Any) -> Results:
    """An experiment of these arms, with everything that results.json has."""
    summary = summarise(arms, updates)
    curve = (CurvePoint(0, None, 0.9, 1.0), CurvePoint(9, 1.0, 0.2, 0.5))
    values = {
        "name": "e",
        "created": "2026-01-01T00:00:00+00:00",
        "target": "pt",
        "spec": {},
        "environment": {"python": "3"},
        "signature": arms[0].test.signature,
        "leaks": Leaks(("", "donor es"), ("es-demo",)),
        "donors": (
            DonorResult(name="es", language="es", minutes=60.0, curve=curve, steps=9, dev_cer=0.2, set_aside=()),
        ),
        "budgets": (
            Budget(start="es", language="es", trained_here=True, minutes=60, steps=9, base="es-demo", matched=True),
            Budget(start="en", language="en", trained_here=True, steps=9, matched=False),
        ),
        "worst": (WorstUtterance("u00", "s0", 0.5, "casa azul", (), "clips/0.mp3"),),
    }
    summarised = {name: getattr(summary, name) for name in ("pooled", "comparisons", "questions", "reading")}
    return Results(arms=tuple(arms), updates=updates, **summarised | values | changes)
