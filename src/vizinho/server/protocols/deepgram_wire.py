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
    arch: str = "ctc"


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


class Channel(BaseModel):
    """One channel of the audio."""

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


class DeepgramError(BaseModel):
    """Answer to a refused request."""

    err_code: str
    err_msg: str
    request_id: str
