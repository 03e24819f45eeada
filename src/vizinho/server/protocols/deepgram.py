"""Deepgram's pre-recorded interface: parameters in, response out; pure, knows neither network nor models.

Shapes follow what the official client (deepgram-sdk 7.17) sends and reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from vizinho.decoding.hotwords import DEFAULT_BOOST
from vizinho.recognition.segments import mean_confidence, text_of
from vizinho.recognition.speakers import speakers_possible
from vizinho.recognition.written import Change, written_words
from vizinho.records import Transcript, Word
from vizinho.server.protocols import deepgram_wire as wire
from vizinho.server.protocols.phrases import UTTERANCE_PAUSE_SECONDS, Phrase, paragraphs, phrases
from vizinho.server.protocols.rewriting import EMAIL, REDACTED, hits, masked, read_replacements, redacted, replaced
from vizinho.server.security.refusals import Refusal, bad_parameter
from vizinho.server.served import ServedModel
from vizinho.text.digits import has_numbers
from vizinho.text.emails import knows_emails

if TYPE_CHECKING:
    from vizinho.text_models.punctuation import Punctuation

RAW_ENCODINGS = ("linear16", "mulaw", "alaw")
# What is asked for by these cannot be made, and an answer without it could be taken for one with it. Of recordings some
# can, and are declared below.
REFUSED = {
    "callback", "custom_intent", "custom_topic", "detect_entities", "diarize", "diarize_model",
    "intents", "redact", "search", "sentiment", "summarize", "translate",
}  # fmt: skip
# What is left out without harm; the response's metadata.warnings says so.
IGNORED = {
    "dictation": "spoken marks stay words",
    "language_hint": "use detect_language",
    "measurements": "units stay words",
    "mip_opt_out": "no audio is kept in any case",
    "no_delay": "there is no delay to leave out",
    "version": "give NAME@VERSION as the model",
}
# Parameters whose wish is met anyway: with any value (None), or with this one.
MET_ANYWAY = {
    "mip_opt_out": None, "no_delay": None, "version": "latest", "filler_words": "true",
    "custom_topic_mode": None, "custom_intent_mode": None,
}  # fmt: skip
MOST_INTENSIFIED = 10.0  # beyond it a keyword would be heard everywhere
_OFF = ("", "false", "none")


def _flag(value: Any) -> Any:
    """`?punctuate` and `?punctuate=` mean true, as they do at Deepgram."""
    return True if value == "" else value


Flag = Annotated[bool, BeforeValidator(_flag)]


def changing(replacements: Sequence[str], profane: frozenset[str] | None, *, mask: bool) -> Change:
    """Phrases replaced, then profane words masked. Raises Refusal 400 where there is no list of profane words."""
    if mask and profane is None:
        raise bad_parameter("profanity_filter", "this server has no list of words (--profanity); leave it out")
    rules, to_mask = read_replacements(replacements), profane if mask and profane else frozenset()
    return lambda words: masked(replaced(words, rules), to_mask)


class CommonQuery(BaseModel):
    """Parameters that recordings and streams share. What is not declared ends in `model_extra`."""

    model_config = ConfigDict(extra="allow")

    model: str | None = Field(None, description="NAME or NAME@VERSION; see GET /v1/models", max_length=200)
    language: str | None = Field(None, description="Language code; chooses a model where none is named", max_length=35)
    punctuate: Flag = Field(False, description="Marks and capitals, by a tagger of text or by the pauses alone")
    numerals: Flag = Field(False, description="Numbers, percentages, money and ordinals in digits")
    smart_format: Flag = Field(False, description="Does what punctuate and numerals do")
    multichannel: Flag = Field(False, description="Transcribe each channel by itself")
    tag: list[str] = Field([], description="Comes back in metadata.tags")
    extra: list[str] = Field([], description="KEY:VALUE; comes back in metadata.extra")
    keywords: list[str] = Field([], description="WORD or WORD:INTENSIFIER, to be favoured", max_length=100)
    keyterm: list[str] = Field([], description="Words or phrases to be favoured", max_length=100)
    replace: list[str] = Field([], description="FIND:REPLACE; without REPLACE the words are left out", max_length=100)
    profanity_filter: Flag = Field(False, description="Asterisks in the words of the operator's list")
    diarize: Flag = Field(False, description="Tell apart who speaks; needs the extra `speakers`")
    diarize_model: str | None = Field(None, description="Any: does what diarize does", max_length=100)

    def change(self, profane: frozenset[str] | None) -> Change:
        """What the request does to words. Raises Refusal 400 where there is no list of profane words."""
        return changing(self.replace, profane, mask=self.profanity_filter)

    @property
    def favoured(self) -> tuple[tuple[str, float], ...]:
        """Words and phrases to favour, each with the nats it is worth. Raises Refusal 400 for a wrong intensifier."""
        pairs = [keyword.rpartition(":") if ":" in keyword else (keyword, "", "1") for keyword in self.keywords]
        pairs += [(term, "", "1") for term in self.keyterm]  # phrases, in which a colon is a colon
        try:
            intensities = [(phrase, float(intensifier)) for phrase, _, intensifier in pairs]
        except ValueError as error:
            raise bad_parameter("keywords", "write WORD or WORD:INTENSIFIER, a number") from error
        # Written this way round, "nan" is refused too.
        if not all(0 < intensity <= MOST_INTENSIFIED for _, intensity in intensities):
            raise bad_parameter("keywords", f"an intensifier is more than 0 and at most {MOST_INTENSIFIED:g}")
        return tuple((phrase, DEFAULT_BOOST * intensity) for phrase, intensity in intensities)

    @property
    def speakers(self) -> bool:
        """Whether people are to be told apart."""
        return self.diarize or not _off(self.diarize_model or "")

    @property
    def extras(self) -> dict[str, str] | None:
        """`extra` as metadata has it."""
        return dict(pair.partition(":")[::2] for pair in self.extra) or None

    @property
    def in_digits(self) -> bool:
        """Whether numbers are wanted in digits."""
        return self.numerals or self.smart_format

    @property
    def written(self) -> bool:
        """Whether capitals and full stops are wanted."""
        return self.punctuate or self.smart_format


class ListenQuery(CommonQuery):
    """Parameters of POST /v1/listen."""

    utterances: Flag = Field(False, description="Also list the phrases between pauses")
    utt_split: float = Field(
        UTTERANCE_PAUSE_SECONDS, ge=0.1, le=60, description="Pause that ends an utterance, seconds"
    )
    callback: str | None = Field(None, description="Address that the answer is sent to", max_length=2000)
    callback_method: Literal["POST", "PUT", "post", "put"] = "POST"
    search: list[str] = Field([], description="Phrases to find, by their letters", max_length=25)
    redact: list[str] = Field(
        [], description="pci, ssn, numbers or email_address: [KIND_1] in their place", max_length=10
    )
    paragraphs: Flag = Field(False, description="Also list sentences and paragraphs, both by pauses")
    detect_language: list[str] = Field(
        [], description="true: between all models' languages; codes: between these only", max_length=50
    )
    topics: Flag = Field(False, description="Topics of the text; needs a classifier")
    encoding: str | None = Field(None, description="linear16, mulaw or alaw: the body is raw samples", max_length=20)
    sample_rate: int | None = Field(None, ge=4000, le=192_000, description="Of raw samples, Hz")
    channels: int | None = Field(None, ge=1, le=8, description="Of raw samples")

    @property
    def redacts(self) -> frozenset[str]:
        """Kinds to redact. Raises Refusal 400 for what cannot be redacted: it must not stay in silence."""
        names = {"email": EMAIL, "aggressive_numbers": "numbers"}
        kinds = {names.get(value.lower(), value.lower()) for value in self.redact} - set(_OFF)
        unknown = sorted(kinds - set(REDACTED))
        if unknown:
            raise bad_parameter("redact", f"this server redacts {', '.join(REDACTED)} only, not {', '.join(unknown)}")
        return frozenset(kinds)

    @property
    def detects(self) -> bool:
        """Whether the language is to be detected."""
        return any(value.lower() not in _OFF for value in self.detect_language)

    @property
    def among(self) -> tuple[str, ...]:
        """Languages to detect between; empty for all."""
        return tuple(v for v in self.detect_language if v.lower() not in ("true", *_OFF))


@dataclass(frozen=True, slots=True)
class ListenResult:
    """Everything that a response tells of."""

    request_id: str
    audio: bytes
    model: ServedModel
    channels: Sequence[Transcript]
    detected: tuple[str, float] | None = None  # a language chosen by listening, and its share of the evidence
    topics: Sequence[tuple[str, float]] | None = None
    warnings: Sequence[wire.Warning_] = ()
    profane: frozenset[str] | None = None  # words that profanity_filter masks; None where there is no list
    punctuation: Punctuation | None = None  # a tagger of the model's language; pauses alone without it


@dataclass(frozen=True, slots=True)
class _Written:
    """A channel's words, and the same words with marks and capitals where a tagger gave them."""

    words: tuple[Word, ...]
    marked: tuple[Word, ...] | None


def check_encoding(encoding: str, sample_rate: int | None) -> int:
    """The rate of raw samples. Raises Refusal 400 for an encoding that is none, or needs a rate and has none."""
    if encoding not in RAW_ENCODINGS:
        known = ", ".join(RAW_ENCODINGS)
        raise bad_parameter("encoding", f"use one of {known}, or leave it out for audio in a container")
    if sample_rate is None:
        raise bad_parameter("sample_rate", f"{encoding} needs it")
    return sample_rate


def check_extras(extras: Mapping[str, Any]) -> tuple[wire.Warning_, ...]:
    """What to warn of among undeclared parameters. Raises Refusal 400 for what must not be left out in silence."""
    wishes = {name: value for name, value in extras.items() if not _off(value)}
    refused = sorted(wishes.keys() & REFUSED)
    if refused:
        raise bad_parameter(refused[0], f"this server cannot do: {', '.join(refused)}; leave it out")
    warnings = []
    for name, value in wishes.items():
        fine = MET_ANYWAY.get(name, "")
        if fine is None or fine == value:
            continue
        message = IGNORED.get(name)
        kind = "ignored" if message else "unknown_parameter"
        text = message or "not known here; it changed nothing"
        warnings.append(wire.Warning_(parameter=name[:100], type=kind, message=text))
    return tuple(warnings)


def response(query: ListenQuery, result: ListenResult, now: datetime | None = None) -> wire.ListenResponse:
    """The answer in Deepgram's shape. Hours of audio have many words and a long hash: call it in a thread."""
    pause = query.utt_split if query.utterances else UTTERANCE_PAUSE_SECONDS
    channels = [_written(query, t, result) for t in result.channels]
    grouped = [phrases(c.words, punctuate=query.written, pause_seconds=pause, marked=c.marked) for c in channels]
    pairs = zip(channels, grouped, strict=True)
    utterances = [_utterance(i, n, p, query.written) for i, groups in enumerate(grouped) for n, p in enumerate(groups)]
    return wire.ListenResponse(
        metadata=_metadata(query, result, now or datetime.now(UTC)),
        results=wire.Results(
            channels=[_channel(query, written, groups, result) for written, groups in pairs],
            utterances=sorted(utterances, key=lambda u: (u.start, u.channel)) if query.utterances else None,
            topics=_topics(channels, result.topics) if result.topics is not None else None,
        ),
    )


def check_speakers(query: CommonQuery) -> None:
    """Raise Refusal 400 where people are to be told apart and the weights for it are not installed."""
    if query.speakers and not speakers_possible():
        raise bad_parameter("diarize", "this server has no voices to compare (pip install 'vizinho[speakers]')")


def check_redaction(query: ListenQuery, language: str) -> None:
    """Raise Refusal 400 where the numbers or addresses of a language cannot be found."""
    if query.redacts - {EMAIL} and not has_numbers(language):
        raise bad_parameter("redact", f"the number words of {language!r} are not known")
    if EMAIL in query.redacts and not knows_emails(language):
        raise bad_parameter("redact", f"the words for the signs of e-mail addresses are not known in {language!r}")


def _written(query: ListenQuery, transcript: Transcript, result: ListenResult) -> _Written:
    """Words as the request wants them: what is redacted is gone before anything else but marks is made of it."""
    language = result.model.language
    check_redaction(query, language)  # of a language that was detected only now
    change = query.change(result.profane)

    def redact_and_change(words: Sequence[Word]) -> tuple[Word, ...]:
        return change(redacted(words, query.redacts, language) if query.redacts else words)

    tagger = result.punctuation if query.written or query.paragraphs else None
    numerals = language if query.in_digits else ""
    words, marked = written_words(transcript.words, tagger, numerals, redact_and_change)
    return _Written(words, marked if tagger is not None else None)


def error(refusal: Refusal, request_id: str) -> wire.DeepgramError:
    """A refusal in Deepgram's shape."""
    message = f"{refusal.parameter}: {refusal.message}" if refusal.parameter else refusal.message
    return wire.DeepgramError(err_code=refusal.code, err_msg=message, request_id=request_id)


def alternative(words: Sequence[Word], texts: Sequence[str] | None = None) -> wire.Alternative:
    """Words and their mean confidence; `texts` are the words with capitals and full stops, where those are wanted."""
    return wire.Alternative(
        transcript=" ".join(texts or [word.text for word in words]),
        confidence=mean_confidence(words),
        words=_wire_words(words, texts),
    )


def model_info(model: ServedModel) -> wire.ModelInfo:
    """A model as answers name it."""
    return wire.ModelInfo(name=model.name, version=str(model.version), arch=model.architecture)


def _wire_words(words: Sequence[Word], texts: Sequence[str] | None) -> list[wire.WireWord]:
    return [
        wire.WireWord(
            word=word.text,
            start=word.start_seconds,
            end=word.end_seconds,
            confidence=word.confidence,
            speaker=_number(word.speaker),
            punctuated_word=texts[i] if texts else None,
        )
        for i, word in enumerate(words)
    ]


def _number(speaker: int | None) -> int | None:
    """A speaker as Deepgram counts them, from 0."""
    return None if speaker is None else speaker - 1


def _channel(query: ListenQuery, written: _Written, groups: Sequence[Phrase], result: ListenResult) -> wire.Channel:
    texts = [text for phrase in groups for text in phrase.written] if query.written else None
    best = alternative(written.words, texts)
    if query.paragraphs:
        best.paragraphs = _paragraphs(written)
    language, confidence = result.detected or (None, None)
    searches = [wire.Search(query=phrase, hits=_hits(written.words, phrase)) for phrase in query.search]
    return wire.Channel(
        search=searches or None, alternatives=[best], detected_language=language, language_confidence=confidence
    )


def _hits(words: Sequence[Word], phrase: str) -> list[wire.SearchHit]:
    return [
        wire.SearchHit(confidence=h.confidence, start=h.start_seconds, end=h.end_seconds, snippet=h.snippet)
        for h in hits(words, phrase)
    ]


def _paragraphs(written: _Written) -> wire.Paragraphs:
    """Sentences are always written with capitals and full stops: without them they would not be sentences."""
    listed = []
    for group in paragraphs(phrases(written.words, punctuate=True, marked=written.marked)):
        sentences = [wire.Sentence(text=p.text, start=p.start_seconds, end=p.end_seconds) for p in group]
        count, start, end = sum(len(p.words) for p in group), sentences[0].start, sentences[-1].end
        listed.append(wire.Paragraph(sentences=sentences, num_words=count, start=start, end=end))
    text = "\n\n".join(" ".join(sentence.text for sentence in paragraph.sentences) for paragraph in listed)
    return wire.Paragraphs(transcript=text, paragraphs=listed)


def _utterance(channel: int, number: int, phrase: Phrase, written: bool) -> wire.Utterance:
    return wire.Utterance(
        start=phrase.start_seconds,
        end=phrase.end_seconds,
        confidence=phrase.confidence,
        channel=channel,
        transcript=phrase.text,
        words=_wire_words(phrase.words, phrase.written if written else None),
        speaker=_number(phrase.speaker),
        id=f"{channel}-{number}",
    )


def _metadata(query: ListenQuery, result: ListenResult, now: datetime) -> wire.Metadata:
    warnings = list(result.warnings)
    if query.in_digits and not has_numbers(result.model.language):
        text = f"numbers stay words: those of {result.model.language!r} are not known"
        parameter = "numerals" if query.numerals else "smart_format"
        warnings.append(wire.Warning_(parameter=parameter, type="partial", message=text))
    return wire.Metadata(
        request_id=result.request_id,
        sha256=hashlib.sha256(result.audio).hexdigest(),
        created=timestamp(now),
        duration=max((t.duration_seconds for t in result.channels), default=0.0),
        channels=len(result.channels),
        models=[result.model.ref],
        model_info={result.model.ref: model_info(result.model)},
        tags=query.tag or None,
        extra=query.extras,
        warnings=warnings or None,
    )


def _topics(channels: Sequence[_Written], shares: Sequence[tuple[str, float]]) -> wire.Topics:
    """One segment for the whole text, as the answer has it: the classifier reads it as a whole."""
    count = sum(len(c.words) for c in channels)
    if not count:
        return wire.Topics(segments=[])
    text = " ".join(text_of(c.words) for c in channels)
    topics = [wire.Topic(topic=topic, confidence_score=share) for topic, share in shares]
    return wire.Topics(segments=[wire.TopicSegment(text=text, start_word=0, end_word=count - 1, topics=topics)])


def timestamp(now: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, as Deepgram writes it."""
    return now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _off(value: Any) -> bool:
    """Whether a parameter is switched off; repeated ones are a list."""
    values = value if isinstance(value, list) else [value]
    return all(str(v).lower() in _OFF for v in values)
