"""Reads Transcriber files (.trs): turns of speakers, cut at synchronisation points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vizinho.corpora.documents import Document, Media, Span, Tier
from vizinho.corpora.encodings import Element, read_xml
from vizinho.errors import CorpusError, OnProblem


def parse_transcriber(path: Path, encoding: str, on_problem: OnProblem) -> Document:
    """The turns of one file; events and comments are written in square brackets. Bad times are reported."""
    root = read_xml(path, on_problem, encoding)
    transcript = next(root.all("Trans"), None)
    if transcript is None:
        raise CorpusError("no transcript here", where=path, fix="is it a Transcriber file?")
    names = {speaker.get("id"): speaker.get("name") for speaker in transcript.all("Speaker")}
    spans: list[Span] = []
    for turn in transcript.all("Turn"):
        try:
            spans += _turn(turn, names)
        except ValueError as error:
            what = f"a time that is no number ({error})"
            on_problem(CorpusError(what, where=f"{path}:{turn.line}", fix="correct it in Transcriber"))
    audio = transcript.get("audio_filename")
    return Document(path, (Tier("turns", tuple(spans)),), (Media(audio, transcript.line),) if audio else ())


def _turn(turn: Element, names: dict[str, str]) -> Iterator[Span]:
    """A span from each Sync to the next one, the last to the end of the turn."""
    ids = turn.get("speaker").split()  # several where people speak at once; Who tells them apart, but not when
    speaker = names.get(ids[0], ids[0]) if ids else ""
    start, line, text = float(turn.get("startTime")), turn.line, turn.text
    for child in turn.children:
        if child.tag == "Sync":
            time = float(child.get("time"))
            if time > start or text.strip():
                yield Span(start, time, " ".join(text.split()), line, speaker, mixed=len(ids) > 1)
            start, line, text = time, child.line, ""
        elif child.tag in ("Event", "Comment"):
            text += f" [{child.get('desc')}]"
        text += f" {child.tail}"
    yield Span(start, float(turn.get("endTime")), " ".join(text.split()), line, speaker, mixed=len(ids) > 1)
