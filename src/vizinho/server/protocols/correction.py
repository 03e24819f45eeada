"""What the correction page and the server send each other, as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from vizinho.corpora.corrections.edits import Action, Edit, Saved
from vizinho.records import Word

MAX_TEXT = 20_000


def _writable(text: str) -> str:
    """JSON may escape half of a surrogate pair, which no file can be written with; control characters are no text."""
    if any("\ud800" <= c <= "\udfff" or (c < " " and c not in "\t\n\r") or c == "\x7f" for c in text):
        raise ValueError("half a character or a control character")
    return text


def _name(text: str) -> str:
    name = " ".join(_writable(text).split())
    if not name:
        raise ValueError("your name is missing")
    return name


_Id = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_writable)]
_Tab = Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
_Who = Annotated[str, Field(max_length=60), AfterValidator(_name)]
_Text = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(_writable)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class NextMessage(_Message):
    """Give me the next utterance."""

    tab: _Tab
    who: _Who
    order: Literal["least sure", "random"] = "least sure"


class ClaimMessage(_Message):
    """Give me this utterance, or let me keep it."""

    tab: _Tab
    who: _Who
    utterance: _Id


class LeaveMessage(_Message):
    """I am gone."""

    tab: _Tab


class EditMessage(_Message):
    """Save this."""

    id: _Tab
    # Names without meaning, so that they may stand in a log; a text may be anything that a file can hold.
    tab: _Tab
    who: _Who
    utterance: _Id
    action: Action
    text: _Text = ""
    base: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    version: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    draft: Annotated[_Text, Field(max_length=200)] = ""
    strokes: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    seconds: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False, strict=False)] = 0.0


ExportFormat = Literal["jsonl", "eaf", "textgrid", "audacity", "label-studio"]


def version_json(number: int, edit: Edit) -> dict[str, Any]:
    """One version of an utterance."""
    what = {"action": edit.action, "status": edit.status, "text": edit.text}
    return {"version": number, **what, "who": edit.who, "when": edit.when}


def saved_json(saved: Saved) -> dict[str, Any]:
    """The answer to an edit."""
    overtook = [version_json(saved.edit.base + n, edit) for n, edit in enumerate(saved.overtook, 1)]
    return {"id": saved.edit.id, "version": saved.version, "overtook": overtook}


def word_json(word: Word) -> dict[str, Any]:
    """One word under the text."""
    times = {"start": round(word.start_seconds, 3), "end": round(word.end_seconds, 3)}
    return {"word": word.text, **times, "confidence": round(word.confidence, 3)}
