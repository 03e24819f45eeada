"""Arms as the engine writes them, made by hand: what summaries and pages are tested with."""

from typing import Any

WORDS = ("casa azul", "o mar", "lua cheia", "pedra", "sol e sal")


def arm(start: str, seed: int, rates: list[float], errors: list[int], **changes: Any) -> dict[str, Any]:
    """An arm whose dev CER goes through `rates` every ten steps, with `errors` of ten characters in each utterance."""
    rows = [
        {
            "id": f"u{i:02d}",
            "speaker": f"s{i % changes.get('speakers', 1)}",
            "reference": WORDS[i % len(WORDS)],
            "hypothesis": "" if e > 8 else WORDS[(i + (e > 4)) % len(WORDS)],
            "character_errors": e,
            "characters": 10,
            "word_errors": int(e > 0),
            "words": 1,
        }
        for i, e in enumerate(errors)
    ]
    has_donor = start != "scratch"
    made = {
        "arm": f"{start}/{changes.get('recipe', '')}/{changes.get('minutes', 8.0):g}min/seed{seed}",
        "start": start,
        "kind": "donor" if has_donor else "scratch",
        "origin": start,
        "donor": start if has_donor else None,
        "language": "pt",
        "recipe": "default" if has_donor else "scratch",
        "source": "",
        "matched": True,
        "minutes": 8.0,
        "minutes_asked": changes.get("minutes"),
        "seed": seed,
        "steps": 10 * (len(rates) - 1),
        "audio_seconds_seen": 99.0,
        "chosen": "step 10",
        "dev_cer": min(rates),
        "set_aside": [],
        "curve": [{"step": 10 * n, "train_loss": r, "dev_cer": r, "dev_wer": r} for n, r in enumerate(rates)],
        "test": {
            "cer": sum(errors) / (10 * len(errors)),
            "wer": 1.0,
            "cer_ci": [0.0, 1.0],
            "signature": "metric:cer+wer|norm:pt-v1",
            "per_utterance": rows,
        },
        "movement": movement(0.1 + 0.01 * seed) if has_donor else None,
        "retention": {"lang": start, "cer": 0.5, "donor_cer": 0.2, "utterances": 9} if has_donor else None,
        "interpolation": [{"place": p, "cer": 1 - p / 2, "donor_cer": 0.2 + p / 3} for p in (0.0, 0.5, 1.0)]
        if has_donor
        else None,
        "findings": [],
        "plan": {},
    }
    return made | {k: v for k, v in changes.items() if k != "speakers"}


def movement(distance: float) -> dict[str, Any]:
    """Of a network of two blocks and a head, all of which moved by `distance`."""
    layers = [
        {"layer": name, "weights": 100, "moved_share": distance, "relative_distance": distance}
        for name in ("front", "block0", "block1", "head")
    ]
    return {
        "weights": 400,
        "moved_share": distance,
        "relative_distance": distance,
        "encoder_distance": distance,
        "batch_norm_drift": 0.3,
        "layers": layers,
    }
