"""The Wyoming protocol of home assistants: a voice command as events over TCP, on this machine alone.

It has no keys, so it listens on 127.0.0.1; https://github.com/OHF-Voice/wyoming describes the events. Chunks of text
come as pauses make them final, and the whole text at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, async_read_event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.server import AsyncEventHandler, AsyncTcpServer

from vizinho.decoding.hotwords import DEFAULT_BOOST
from vizinho.errors import SpecError
from vizinho.server.admission import Service
from vizinho.server.security.limits import Limits
from vizinho.server.security.refusals import Refusal, bad_parameter, overloaded, too_large
from vizinho.server.workers.messages import OpenStream, RawFormat, StreamReport
from vizinho.server.workers.pool import StreamHandle
from vizinho.version import __version__

CLIENT = "wyoming"  # whose streams these are, since nobody says who they are
_HERE = "127.0.0.1"
_BYTES_A_SAMPLE = 2


@asynccontextmanager
async def listening(service: Service) -> AsyncIterator[None]:
    """Listen on the service's port. Raises SpecError where that is taken."""
    server, commands = AsyncTcpServer(_HERE, service.wyoming or 0), set[_Command]()
    try:
        await server.start(partial(_Command, service, commands))
    except OSError as error:
        raise SpecError(f"cannot listen ({error.strerror})", where=f"--wyoming {service.wyoming}") from error
    try:
        yield
    finally:
        await server.stop()


class _Bounded:
    """A client's bytes as the library reads events: what follows an event's line is neither large nor late."""

    def __init__(self, reader: asyncio.StreamReader, limits: Limits) -> None:
        self._limits, self._reader = limits, reader
        self.readline = reader.readline  # raises ValueError for one of more than 64 kB

    async def readexactly(self, size: int) -> bytes:
        """Bytes of a part. Raises Refusal 413 and TimeoutError."""
        if size > self._limits.max_message_bytes:
            raise too_large(f"an event may have {self._limits.max_message_bytes} bytes")
        async with asyncio.timeout(self._limits.body_idle_seconds):
            return await self._reader.readexactly(size)


class _Command(AsyncEventHandler):
    """One connection: commands come one after another."""

    def __init__(
        self,
        service: Service,
        commands: set[_Command],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """`commands` are all connections that are open."""
        super().__init__(reader, writer)
        self._service, self._commands = service, commands
        self._wishes = Transcribe()
        self._handle: StreamHandle | None = None
        self._texts: list[str] = []
        self._language = ""
        self._refused = False  # the rest of a refused command is read and thrown away

    async def run(self) -> None:
        """Answer events until one side ends the connection; one that cannot be read, or does not come, ends it too."""
        try:
            if len(self._commands) >= self._service.limits.max_waiting_connections:
                raise overloaded("too many connections", 2)
            self._commands.add(self)
            while (event := await self._next_event()) is not None:
                await self.handle_event(event)
        except Refusal as refusal:
            self._service.metrics.refusals.labels(code=refusal.code).inc()
            with suppress(OSError):
                await self.write_event(Error(refusal.message, refusal.code).event())
        except OSError:
            pass  # the client is gone
        finally:
            self._commands.discard(self)
            await self.disconnect()
            self.writer.close()

    async def _next_event(self) -> Event | None:
        """None at the end. Raises Refusal."""
        limits = self._service.limits
        seconds = limits.idle_session_seconds if self._handle is None else limits.silent_stream_seconds
        try:
            async with asyncio.timeout(seconds):
                event = await async_read_event(_Bounded(self.reader, limits))  # type: ignore[arg-type]
        except TimeoutError:
            raise Refusal(408, "SILENT", "no event came in time") from None
        except (AttributeError, KeyError, TypeError, RecursionError):
            event = None
        except asyncio.IncompleteReadError:
            return None
        if event is None and not self.reader.at_eof():  # the library drops what is no JSON
            raise Refusal(400, "BAD_MESSAGE", "an event is a line of JSON with a type")
        return event

    async def handle_event(self, event: Event) -> bool:
        """Answer one event; a refusal ends the command, not the connection."""
        try:
            await self._handle_one(event)
        except Refusal as refusal:
            self._service.metrics.refusals.labels(code=refusal.code).inc()
            self._drop()
            self._refused = True
            await self.write_event(Error(refusal.message, refusal.code).event())
        except (AttributeError, KeyError, TypeError, ValueError):  # of events that lack what they should have
            self._drop()
            await self.write_event(Error(f"{event.type[:100]} cannot be read", "BAD_MESSAGE").event())
        return True

    async def disconnect(self) -> None:
        """The client is gone."""
        self._drop()

    async def _handle_one(self, event: Event) -> None:
        if Describe.is_type(event.type):
            await self.write_event(_info(self._service).event())
        elif Ping.is_type(event.type):
            await self.write_event(Pong(Ping.from_event(event).text).event())
        elif Transcribe.is_type(event.type):
            self._wishes = Transcribe.from_event(event)
        elif AudioStart.is_type(event.type):
            self._drop()
            self._refused = False
            await self._begin(AudioStart.from_event(event))
        elif self._refused:
            return
        elif AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            # Some clients send no start: every chunk says what it is.
            if self._handle is None:
                await self._begin(AudioStart(chunk.rate, chunk.width, chunk.channels))
            assert self._handle is not None
            await self._tell(await self._handle.order("audio", chunk.audio))
        elif AudioStop.is_type(event.type) and self._handle is not None:
            await self._tell(await self._handle.order("close"))
            self._drop()
            await self.write_event(Transcript(" ".join(self._texts), language=self._language).event())
            await self.write_event(TranscriptStop().event())

    async def _begin(self, audio: AudioStart) -> None:
        if not all(isinstance(number, int) for number in (audio.rate, audio.channels)):
            raise bad_parameter("audio-start", "rate and channels are whole numbers")
        if audio.width != _BYTES_A_SAMPLE:
            raise bad_parameter("width", "samples have 16 bits")
        service, wishes = self._service, self._wishes
        model = service.catalog.choose(wishes.name, wishes.language)
        service.admission.stream(CLIENT)
        service.metrics.streams.inc()
        opening = OpenStream(
            0,
            model,
            RawFormat("linear16", audio.rate, audio.channels),
            favoured=tuple((name, DEFAULT_BOOST) for name in wishes.transcript_names or ()),
            hint=" ".join(wishes.transcript_terms or ()),
            max_seconds=service.limits.max_stream_seconds,
        )
        try:
            self._handle, used = await service.pool.open_stream(opening)
        except BaseException:  # CancelledError too: the place must not stay taken
            self._give_back()
            raise
        self._texts, self._language = [], used.language
        await self.write_event(TranscriptStart(language=used.language).event())

    async def _tell(self, report: StreamReport) -> None:
        for event in report.events:
            if event.kind == "final" and event.words:
                text = " ".join(word.text for word in event.words)
                await self.write_event(TranscriptChunk(f" {text}" if self._texts else text).event())
                self._texts.append(text)

    def _drop(self) -> None:
        if self._handle is not None:
            self._handle.drop()
            self._handle = None
            self._give_back()

    def _give_back(self) -> None:
        self._service.metrics.streams.dec()
        self._service.admission.streams.give_back(CLIENT)


def _info(service: Service) -> Info:
    """What can be asked for: the names of GET /v1/models."""
    nobody = Attribution("", "")
    models = [
        AsrModel(name, nobody, True, f"{served.ref}, {served.language}", str(served.version), [served.language])
        for name, served in service.catalog.listed()
    ]
    what = "speech to text from a neighbour's recogniser"
    program = AsrProgram("vizinho", nobody, True, what, __version__, models, supports_transcript_streaming=True)
    return Info(asr=[program])
