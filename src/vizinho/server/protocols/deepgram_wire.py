"""What Deepgram's clients read and send: the shapes of bodies and messages, without any logic."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

Seconds = Annotated[float, AfterValidator(lambda value: round(value, 3))]
Probability = Annotated[float, AfterValidator(lambda value: round(value, 4))]


class RemoteAudio(BaseModel):
    """The JSON body that names audio instead of holding it."""

    url: str = Field(max_length=2000)


class Warning_(BaseModel):  # noqa: N801 - not Python's Warning
    """A parameter that was not honoured."""

    parameter: str
    type: str
    message: str


class ModelInfo(BaseModel):
    """Which model answered."""

    name: str
    version: str
    arch: str


class Metadata(BaseModel):
    """What was transcribed by what."""

    transaction_key: str = "deprecated"
    request_id: str
    sha256: str
    created: str
    duration: Seconds
    channels: int
    models: list[str]
    model_info: dict[str, ModelInfo]
    tags: list[str] | None = None
    extra: dict[str, str] | None = None
    warnings: list[Warning_] | None = None


class WireWord(BaseModel):
    """One word; seconds from the start of the audio."""

    word: str
    start: Seconds
    end: Seconds
    confidence: Probability
    speaker: int | None = None
    punctuated_word: str | None = None


class Sentence(BaseModel):
    """A phrase between pauses."""

    text: str
    start: Seconds
    end: Seconds


class Paragraph(BaseModel):
    """Phrases between longer pauses."""

    sentences: list[Sentence]
    num_words: int
    start: Seconds
    end: Seconds


class Paragraphs(BaseModel):
    """The transcript with line breaks, and its paragraphs."""

    transcript: str
    paragraphs: list[Paragraph]


class Alternative(BaseModel):
    """What was recognised in one channel; there is never more than one alternative."""

    transcript: str
    confidence: Probability
    words: list[WireWord]
    paragraphs: Paragraphs | None = None


class SearchHit(BaseModel):
    """A place where a phrase may have been said."""

    confidence: Probability
    start: Seconds
    end: Seconds
    snippet: str


class Search(BaseModel):
    """A phrase that was searched, and where it may be."""

    query: str
    hits: list[SearchHit]


class Channel(BaseModel):
    """One channel of the audio."""

    search: list[Search] | None = None
    alternatives: list[Alternative]
    detected_language: str | None = None
    language_confidence: Probability | None = None


class Utterance(BaseModel):
    """A phrase between pauses, of one channel."""

    start: Seconds
    end: Seconds
    confidence: Probability
    channel: int
    transcript: str
    words: list[WireWord]
    speaker: int | None = None
    id: str


class Topic(BaseModel):
    """A topic and how sure the classifier is of it."""

    topic: str
    confidence_score: Probability


class TopicSegment(BaseModel):
    """A stretch of text and its topics."""

    text: str
    start_word: int
    end_word: int
    topics: list[Topic]


class Topics(BaseModel):
    """Topics by segment."""

    segments: list[TopicSegment]


class Results(BaseModel):
    """All channels, and whatever else the request wants."""

    channels: list[Channel]
    utterances: list[Utterance] | None = None
    topics: Topics | None = None


class ListenResponse(BaseModel):
    """Answer of POST /v1/listen."""

    metadata: Metadata
    results: Results


class ServedModelInfo(BaseModel):
    """A model as GET /v1/models lists it for Deepgram's clients."""

    name: str
    canonical_name: str
    architecture: str
    languages: list[str]
    version: str
    uuid: str
    batch: bool = True
    streaming: bool = True
    formatted_output: bool = True


class ServedModels(BaseModel):
    """Answer of GET /v1/models for Deepgram's clients; nothing is synthesised here."""

    stt: list[ServedModelInfo]
    tts: list[ServedModelInfo] = []


class Accepted(BaseModel):
    """Answer of POST /v1/listen with a callback."""

    request_id: str


class GrantWish(BaseModel):
    """The body of a request for a token, which may be empty."""

    ttl_seconds: float | None = None


class Grant(BaseModel):
    """Answer of POST /v1/auth/grant: a token that stands for the key until it expires."""

    access_token: str
    expires_in: int


class DeepgramError(BaseModel):
    """Answer to a refused request."""

    err_code: str
    err_msg: str
    request_id: str
