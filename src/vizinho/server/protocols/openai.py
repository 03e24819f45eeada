"""OpenAI's transcription interface: form fields in, answers out; pure, knows neither network nor models.

Shapes follow what the official client (openai 3.x) sends and reads.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, Field, ValidationError

from vizinho.recognition.formats import render
from vizinho.records import Segment, Transcript, Word
from vizinho.server.protocols.deepgram_wire import Seconds
from vizinho.server.security.refusals import Refusal, bad_parameter, invalid_value
from vizinho.text.language import Language

FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
MEDIA_TYPES = {"text": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}  # formats that are not JSON
Format = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]

_LISTS = (
    "timestamp_granularities", "include", "keywords", "languages", "known_speaker_names", "known_speaker_references",
)  # fmt: skip
_MOST_KNOWN = 4
"""Speakers whose voices a request may bring, as OpenAI has it."""
# Fields that act in this format alone (and `include` at the end of every stream).
_FORMAT_OF = {"include": "json", "timestamp_granularities": "verbose_json"}
# Values that ask for what happens anyway.
_MET_ANYWAY = {"temperature": ("0", "0.0"), "chunking_strategy": ("auto",)}


class Usage(BaseModel):
    """What was used: seconds of audio."""

    type: Literal["duration"] = "duration"
    seconds: int


class Logprob(BaseModel):
    """How likely a part of the text is, in nats."""

    token: str
    bytes: list[int]
    logprob: float


class Transcription(BaseModel):
    """Answer in the format json."""

    text: str
    logprobs: list[Logprob] | None = None
    usage: Usage


class TimedWord(BaseModel):
    """One word; seconds from the start."""

    word: str
    start: Seconds
    end: Seconds


class TimedSegment(BaseModel):
    """Words without a long pause between them.

    `tokens` stays empty (the models' tokens are letters), `temperature` and `no_speech_prob` are 0: nothing is sampled,
    and segments are made only of words that were heard.
    """

    id: int
    seek: int = 0
    start: Seconds
    end: Seconds
    text: str
    tokens: list[int] = []
    temperature: float = 0.0
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float = 0.0


class VerboseTranscription(BaseModel):
    """Answer in the format verbose_json."""

    task: Literal["transcribe"] = "transcribe"
    language: str
    duration: Seconds
    text: str
    words: list[TimedWord] | None = None
    segments: list[TimedSegment] | None = None
    usage: Usage


class SpokenSegment(BaseModel):
    """Words of one speaker without a long pause between them."""

    type: Literal["transcript.text.segment"] = "transcript.text.segment"
    id: str
    start: Seconds
    end: Seconds
    text: str
    speaker: str


class DiarizedTranscription(BaseModel):
    """Answer in the format diarized_json.

    Speakers have the names that came with their voices; others are A, B and so on, in the order in which they begin.
    """

    task: Literal["transcribe"] = "transcribe"
    duration: Seconds
    text: str
    segments: list[SpokenSegment]
    usage: Usage


class Model(BaseModel):
    """A model that can be named in a request."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "vizinho"
    language: str


class ModelList(BaseModel):
    """Answer of GET /v1/models."""

    object: Literal["list"] = "list"
    data: list[Model]


class ErrorBody(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIError(BaseModel):
    """Answer to a refused request."""

    error: ErrorBody


class TranscriptionFields(BaseModel):
    """Form fields of POST /v1/audio/transcriptions, without the file."""

    model: str = Field(min_length=1, max_length=200, description="NAME or NAME@VERSION; see GET /v1/models")
    language: str | None = Field(None, max_length=35, description="Must be the model's")
    response_format: Format = "json"
    stream: bool = Field(False, description="Server-sent events with the text as it is recognised")
    timestamp_granularities: list[Literal["word", "segment"]] = Field(["segment"], description="For verbose_json")
    prompt: str = Field("", max_length=10_000, description="Text whose words are likelier")
    keywords: list[str] = Field([], max_length=100, description="Words and phrases to favour")
    languages: list[str] = Field([], max_length=20, description="Possible languages; one of them must be the model's")
    include: list[Literal["logprobs"]] = Field([], description="logprobs: one for each word, for json")
    known_speaker_names: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        [], max_length=_MOST_KNOWN, description="People whose voices are known, for diarized_json"
    )
    known_speaker_references: list[str] = Field(
        [], max_length=_MOST_KNOWN, description="Their voices: data URLs of audio, one for each name"
    )

    @property
    def possible_languages(self) -> list[str]:
        """One of these is spoken; empty where the request names none."""
        return [self.language] if self.language else self.languages

    def known_voices(self) -> tuple[bytes, ...]:
        """Audio of the people who are known, in the order of their names. Raises Refusal 400."""
        names, references = self.known_speaker_names, self.known_speaker_references
        if (names or references) and self.response_format != "diarized_json":
            raise bad_parameter("known_speaker_names", "speakers are told apart in diarized_json only")
        if len(names) != len(references):
            raise bad_parameter("known_speaker_references", "give one reference for each name, and a name for each")
        if len(set(names)) != len(names):
            raise bad_parameter("known_speaker_names", "each name stands for one person")
        return tuple(map(_audio_of, references))


def _audio_of(url: str) -> bytes:
    """The bytes of a data URL (RFC 2397). Raises Refusal 400 for what is none."""
    head, _, data = url.partition(",")
    if not (head.startswith("data:") and head.endswith(";base64")):
        raise bad_parameter("known_speaker_references", "write data:audio/wav;base64,... (or another type)")
    try:
        return base64.b64decode(data, validate=True)
    except ValueError:
        raise bad_parameter("known_speaker_references", "the data are not base64") from None


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """Checked fields, audio of known speakers in the order of their names, and names of fields that changed nothing."""

    fields: TranscriptionFields
    ignored: tuple[str, ...]
    voices: tuple[bytes, ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        """Name the ignored fields, with percent signs for what a header cannot hold."""
        names = ", ".join(quote(name[:100], safe=" []") for name in self.ignored)
        return {"vizinho-ignored": names} if names else {}


def read_fields(pairs: Sequence[tuple[str, str]]) -> TranscriptionRequest:
    """Check form fields in the order they were sent; repeated ones make lists, with and without `[]` in their names.

    Raises Refusal 400 that names the first field that is wrong or asks for what cannot be done. Takes a while where
    voices come with it.
    """
    sent: dict[str, list[str]] = {}
    for name, value in pairs:
        sent.setdefault(name.removesuffix("[]"), []).append(value)
    known = TranscriptionFields.model_fields
    values = {name: value if name in _LISTS else value[-1] for name, value in sent.items() if name in known}
    try:
        fields = TranscriptionFields.model_validate(values)
    except ValidationError as error:
        raise invalid_value(error) from None
    if fields.stream and fields.response_format not in ("json", "text", "diarized_json"):
        raise bad_parameter("stream", "streams have the formats json, text and diarized_json only")
    ignored = [
        name
        for name, values_sent in sent.items()
        if name not in known and name != "file" and not set(values_sent) <= set(_MET_ANYWAY.get(name, ()))
    ]
    acting = {"include"} if fields.stream else set()
    ignored += [n for n, f in _FORMAT_OF.items() if n in sent and n not in acting and fields.response_format != f]
    return TranscriptionRequest(fields, tuple(sorted(ignored)), fields.known_voices())


def body(
    fields: TranscriptionFields, transcript: Transcript, language: str
) -> Transcription | VerboseTranscription | DiarizedTranscription:
    """The answer in one of the JSON formats."""
    usage = Usage(seconds=math.ceil(transcript.duration_seconds))
    if fields.response_format == "diarized_json":
        segments = _spoken_segments(fields, transcript)
        duration = transcript.duration_seconds
        return DiarizedTranscription(duration=duration, text=transcript.text, segments=segments, usage=usage)
    if fields.response_format != "verbose_json":
        logprobs = logprobs_of(transcript.words) if "logprobs" in fields.include else None
        return Transcription(text=transcript.text, usage=usage, logprobs=logprobs)
    wanted = fields.timestamp_granularities
    return VerboseTranscription(
        language=Language.of(language).english,
        duration=transcript.duration_seconds,
        text=transcript.text,
        words=_words(transcript) if "word" in wanted else None,
        segments=[_segment(i, s) for i, s in enumerate(transcript.segments)] if "segment" in wanted else None,
        usage=usage,
    )


def plain(format_: Format, transcript: Transcript) -> str:
    """The answer in one of the formats that are not JSON."""
    return f"{transcript.text}\n" if format_ == "text" else render([transcript], format_)


def delta_event(delta: str) -> str:
    """Server-sent event with more text."""
    return _event({"type": "transcript.text.delta", "delta": delta})


def done_events(fields: TranscriptionFields, transcript: Transcript) -> str:
    """Server-sent events that end a stream."""
    usage = Usage(seconds=math.ceil(transcript.duration_seconds)).model_dump()
    done: dict[str, Any] = {"type": "transcript.text.done", "text": transcript.text, "usage": usage}
    if "logprobs" in fields.include:
        done["logprobs"] = [p.model_dump() for p in logprobs_of(transcript.words)]
    # People are told apart when all is recognised, so that their segments come after the text.
    segments = _spoken_segments(fields, transcript) if fields.response_format == "diarized_json" else []
    return "".join(_event(s.model_dump()) for s in segments) + _event(done) + "data: [DONE]\n\n"


def error_event(refusal: Refusal) -> str:
    """Server-sent event for what goes wrong after a stream has begun; the official client raises APIError on it."""
    return _event({"type": "error", **error(refusal).model_dump()})


def error(refusal: Refusal) -> OpenAIError:
    """A refusal in OpenAI's shape."""
    kinds = {401: "authentication_error", 429: "rate_limit_error"}
    kind = kinds.get(refusal.status, "server_error" if refusal.status >= 500 else "invalid_request_error")
    return OpenAIError(
        error=ErrorBody(message=refusal.message, type=kind, param=refusal.parameter or None, code=refusal.code.lower())
    )


def logprobs_of(words: Sequence[Word]) -> list[Logprob]:
    """A log-probability for each word: the models' tokens are letters, and words are what one looks at."""
    return [
        Logprob(token=text, bytes=list(text.encode()), logprob=round(math.log(min(1.0, max(word.confidence, 1e-6))), 4))
        for number, word in enumerate(words)
        for text in [word.text if not number else f" {word.text}"]
    ]


def _event(value: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def _words(transcript: Transcript) -> list[TimedWord]:
    return [TimedWord(word=w.text, start=w.start_seconds, end=w.end_seconds) for w in transcript.words]


def _spoken_segments(fields: TranscriptionFields, transcript: Transcript) -> list[SpokenSegment]:
    return [_spoken(i, s, fields.known_speaker_names) for i, s in enumerate(transcript.segments)]


def _spoken(number: int, segment: Segment, names: Sequence[str]) -> SpokenSegment:
    speaker = segment.speaker or 1  # known people first
    return SpokenSegment(
        id=f"seg_{number:03d}",
        start=segment.start_seconds,
        end=segment.end_seconds,
        text=segment.text,
        speaker=names[speaker - 1] if speaker <= len(names) else _letters(speaker - len(names)),
    )


def _letters(number: int) -> str:
    """1 is A, 26 Z, 27 AA, as columns of a table are named."""
    name = ""
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def _segment(number: int, segment: Segment) -> TimedSegment:
    data = segment.text.encode()
    return TimedSegment(
        id=number,
        start=segment.start_seconds,
        end=segment.end_seconds,
        text=segment.text,
        # Whisper's own measures: a confidence in nats, and how repetitive a text is (above 2.4 it suspects a loop).
        avg_logprob=round(math.log(max(segment.confidence, 1e-6)), 4),
        compression_ratio=round(len(data) / len(zlib.compress(data)), 4),
    )
