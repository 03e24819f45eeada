"""Reads exports of Label Studio (JSON and JSON-MIN): transcribed regions of recordings."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from vizinho.corpora.documents import Document, Media, Span, Tier
from vizinho.corpora.encodings import read_text
from vizinho.corpora.readers.media import PICTURES, SOUND
from vizinho.errors import CorpusError, OnProblem

_NOBODY = ("speech", "voice", "segment", "utterance", "transcription", "noise", "music", "silence")
"""Labels of regions that name no person."""


def is_label_studio(path: Path) -> bool:
    """Whether a JSON file is a list of tasks, and not rows line by line."""
    with path.open("rb") as file:
        return file.read(100).lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"[")


def parse_label_studio(path: Path, encoding: str, on_problem: OnProblem) -> Iterator[Document]:
    """A document for each task, with a tier for each control that texts were typed into.

    Of several annotations of a task the last counts that was not cancelled, and predictions where there is none. The
    label of a region is its speaker. A task without a recording or with impossible values is reported.
    """
    try:
        tasks = json.loads(read_text(path, encoding))
    except ValueError as error:
        raise CorpusError(f"not JSON ({error})", where=path, fix="export the project again") from error
    if not isinstance(tasks, list):
        raise CorpusError("not a list of tasks", where=path, fix="export the project as JSON")
    for position, task in enumerate(tasks, start=1):
        try:
            yield _document(path, task, position)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            what = f"not a task with a recording and regions ({type(error).__name__}: {error})"
            on_problem(CorpusError(what, where=f"{path}: task {position}", fix="export the project as JSON"))


def _document(path: Path, task: Mapping[str, Any], position: int) -> Document:
    audio = _audio(task.get("data", task))
    if "data" in task:
        done = [a for a in task.get("annotations", []) if not a.get("was_cancelled")] or task.get("predictions", [])
        rows = list(_rows(done[-1]["result"] if done else []))
    else:
        rows = list(_plain_rows(task))
    several = any(row["channel"] for row in rows)  # every region has channel 0 where the channels were not split
    tiers: dict[str, list[Span]] = {}
    for row in rows:
        span = Span(
            float(row["start"]),
            float(row["end"]),
            " ".join(row["text"].split()),
            speaker=row["speaker"],
            channel=int(row["channel"]) if several else None,
            confidence=row["score"],
            to_the_end=row["end"] == math.inf,
        )
        tiers.setdefault(row["control"], []).append(span)
    part = f"task-{task.get('id', position)}"
    return Document(path, tuple(Tier(name, tuple(spans)) for name, spans in tiers.items()), (Media(audio),), part)


def _audio(data: Mapping[str, Any]) -> str:
    """The value that names a recording: one with its suffix, else one under a usual key."""
    names = [v for v in data.values() if isinstance(v, str)]
    suffixed = [n for n in names if PurePosixPath(n.partition("?d=")[2] or n).suffix.lower() in SOUND + PICTURES]
    return (suffixed or [data[key] for key in ("audio", "url", "sound") if isinstance(data.get(key), str)])[0]


def _rows(result: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Texts with the place and the labels of their regions."""
    labels: dict[str, str] = {}
    places: dict[str, Mapping[str, Any]] = {}
    # A region's label and its text are two items with one id, and the text need not have times of its own.
    for item in result:
        if "start" in item["value"] and "id" in item:
            places.setdefault(item["id"], item["value"])
        for key, values in item["value"].items():
            if key.endswith("labels") and values and values[0].casefold() not in _NOBODY:
                labels[item["id"]] = values[0]
    for item in result:
        value = places.get(item.get("id", ""), {}) | item["value"]
        if "text" in value:
            texts = [value["text"]] if isinstance(value["text"], str) else value["text"]
            yield {
                "control": item["from_name"],
                "text": " ".join(texts),
                "start": value.get("start", 0.0),
                "end": value.get("end", item.get("original_length", math.inf)),
                "channel": value.get("channel") or 0,
                "speaker": labels.get(item["id"], ""),
                "score": item.get("score"),
            }


def _plain_rows(task: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Those of JSON-MIN, where regions and texts are lists side by side."""
    lists = {key: value for key, value in task.items() if isinstance(value, list)}
    regions = next((v for v in lists.values() if v and isinstance(v[0], dict) and "start" in v[0]), None)
    whole: list[dict[str, Any]] = [{"start": 0.0, "end": math.inf}]
    for key in (k for k, v in task.items() if v is not regions):
        texts = [task[key]] if isinstance(task[key], str) else lists.get(key, [])
        places = regions if regions is not None else whole
        usable = len(texts) == len(places) and all(isinstance(text, str) for text in texts)
        if usable and texts != [_audio(task)]:
            for region, text in zip(places, texts, strict=True):
                speaker = (region.get("labels") or [""])[0]
                place = {"start": region["start"], "end": region["end"], "channel": region.get("channel") or 0}
                yield {"control": key, "text": text, "speaker": speaker, "score": None} | place
