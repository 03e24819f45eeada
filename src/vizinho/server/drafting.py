"""Drafts the utterances of a desk in the background, with the model that is current, so that the page works at once."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from tokenizers import Tokenizer

from vizinho.corpora.corrections.drafts import stamp_of
from vizinho.errors import SpecError, TextError, VizinhoError
from vizinho.recognition.cache import key_of
from vizinho.recognition.whisper_export import is_converted, is_whisper
from vizinho.records import Utterance
from vizinho.server.admission import Service
from vizinho.server.catalog import Catalog
from vizinho.server.correct.desk import Desk, shuffled
from vizinho.server.security.refusals import Refusal
from vizinho.server.served import ServedModel
from vizinho.store.card import read_card
from vizinho.text.language import same_language
from vizinho.text.normalize import Normalizer

_CLIENT = "drafts"
"""Drafts wait in turn with the recordings of clients."""
_LOOK_SECONDS = 3.0
"""After which a new current version, a new recording or an edit is noticed."""
_RETRY_SECONDS = 30.0

log = logging.getLogger("vizinho.server")


def drafting_model(catalog: Catalog, desk: Desk) -> ServedModel:
    """The model that drafts: the first that speaks the corpus's language, else the first that was named.

    Raises SpecError where none speaks it and none was named.
    """
    models = catalog.current()
    speaking = [m for m in models if same_language(m.language, desk.lang)]
    if not speaking and not catalog.named:
        languages = ", ".join(sorted({m.language for m in models if m.language}))
        fix = f"name the model that drafts: vizinho serve MODEL --correct {desk.name}"
        raise SpecError(f"no model speaks {desk.lang} (served: {languages})", where=desk.corpus, fix=fix)
    return (speaking or models)[0]


async def draft_all(service: Service, desk: Desk) -> None:
    """Draft what is not drafted by the current model yet, again whenever that changes; write the corrected corpus."""
    while True:
        try:
            model = drafting_model(service.catalog, desk)
            await _draft_with(service, desk, model)
            await asyncio.to_thread(desk.write)
            await asyncio.sleep(_LOOK_SECONDS)
        except (VizinhoError, OSError) as error:
            log.error("drafts: %s", error)
            await asyncio.sleep(_RETRY_SECONDS)
        except Refusal as refusal:
            log.error("drafts: %s", refusal.message)
            await asyncio.sleep(_RETRY_SECONDS)


async def _draft_with(service: Service, desk: Desk, model: ServedModel) -> None:
    # By weights, not by name: a store that was deleted and filled again reuses names.
    key = await asyncio.to_thread(key_of, model.folder)
    if desk.drafts_by != model.ref:
        normalizer, letters = await asyncio.to_thread(writes, model.folder)
        await asyncio.to_thread(desk.draft_with, model.ref, normalizer, letters)
    # In a thread: the files of a large corpus take a second to look at.
    for utterance, stamp in await asyncio.to_thread(_pending, desk, key):
        # The server ends when its workers have nothing left to do.
        if service.admission.draining:
            return
        await _draft(service, desk, model, key, utterance, stamp)


def _pending(desk: Desk, key: str) -> list[tuple[Utterance, str]]:
    """Open utterances without a draft of these weights, and their recordings' stamps."""
    desk.look_for_audio()
    pending = []
    # Shuffled, so that a random order does not begin with the beginning of the corpus while drafts are made.
    for utterance in sorted(desk.utterances.values(), key=lambda u: shuffled(desk.token, u.id)):
        stamp = stamp_of(utterance.audio)
        if not stamp or desk.log.status(utterance.id) != "open" or desk.refused(utterance.id, stamp):
            continue
        if desk.drafts.has(utterance.id, stamp, key):
            desk.use_draft(utterance.id, stamp, key)
        else:
            pending.append((utterance, stamp))
    return pending


async def _draft(service: Service, desk: Desk, model: ServedModel, key: str, utterance: Utterance, stamp: str) -> None:
    """One draft, unless there is one or somebody has written the text. Raises Refusal where the model cannot work."""
    from vizinho.server.workers.messages import FileJob

    if desk.log.status(utterance.id) != "open":
        return
    limits = service.limits
    try:
        audio = await asyncio.to_thread(utterance.audio.read_bytes)
        job = FileJob(0, audio, model, max_seconds=limits.max_audio_seconds, max_channels=limits.max_channels)
        done = await service.pool.transcribe(_CLIENT, job)
    except OSError as error:
        desk.note_problem(utterance.id, f"cannot be read ({error.strerror})", stamp)
        return
    except Refusal as refusal:
        # These concern the recording; all others the server or the model, and pass.
        if refusal.code not in ("BAD_AUDIO", "TOO_LARGE", "WORKER_DIED", "TOO_SLOW"):
            raise
        desk.note_problem(utterance.id, refusal.message, stamp)
        return
    await asyncio.to_thread(desk.add_draft, utterance.id, stamp, key, done.model.ref, done.transcripts[0])


def writes(folder: Path) -> tuple[Normalizer | None, set[str] | None]:
    """A model's normaliser, and the letters that it has tokens for; None for a network that can write any."""
    card = read_card(folder)
    try:
        normalizer = card.text_normalizer() if card is not None else None
    except TextError:
        normalizer = None
    if is_whisper(folder) or is_converted(folder):
        return normalizer, None
    # Read without the model: torch would stay in the server's memory.
    try:
        tokens = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    except Exception:  # its loader raises plain Exception; models of other projects have other files
        return normalizer, None
    return normalizer, set("".join(t for t in tokens if not (t[:1] == "<" and t[-1:] == ">"))) - set("▁|")
