"""A network that aligns: a model of the target as it is, or what the transfer plan makes of a neighbour's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vizinho.audio.blocks import mono, read_blocks
from vizinho.decoding.alignment import Tokens
from vizinho.errors import ModelError, SpecError
from vizinho.job.data import Dataset
from vizinho.job.job import Job
from vizinho.job.start import from_donor, sound_similarity
from vizinho.model.fast import make_fast
from vizinho.model.frontends import is_whole_whisper
from vizinho.model.networks import Checkpoint, is_transducer
from vizinho.progress import Advance, silent
from vizinho.recognition.align import Columns, Frames, observe
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Utterance
from vizinho.text.normalize import Normalizer
from vizinho.text.tokens import PIECE_SPACE


@dataclass(frozen=True, slots=True)
class Aligner:
    """A network with the target's letters, and how texts are written for it."""

    checkpoint: Checkpoint
    normalizer: Normalizer
    columns: Columns

    @classmethod
    def untrained(cls, job: Job, texts: Sequence[str], normalizer: Normalizer) -> Aligner:
        """What the transfer plan makes of a donor for normalised texts of another language.

        Raises SpecError for a donor with a decoder, ModelError for one without letters.
        """
        assert job.donor is not None
        rows = tuple(Utterance(str(n), Path(), t, job.language, "", 0.0, "train") for n, t in enumerate(texts))
        start = from_donor(job, Dataset(rows, (), False, "", normalizer, ()), sound_similarity)
        rows_of_plan = start.plan.rows if start.plan else ()
        fresh = frozenset(row.token for row in rows_of_plan if row.token is not None and row.action == "fresh")
        return cls.of(start.checkpoint, normalizer, job.donor, fresh)

    @classmethod
    def of(
        cls, checkpoint: Checkpoint, normalizer: Normalizer, where: Path, fresh: frozenset[str] = frozenset()
    ) -> Aligner:
        """A network as it is; `fresh` tokens have random rows and do not count. Raises as `untrained` does."""
        if is_whole_whisper(checkpoint.model) or is_transducer(checkpoint.model):
            what = "a network with a decoder gives no log-probabilities to align with"
            raise SpecError(what, where=where, fix="choose a CTC model, or transfer with --head ctc first")
        inventory, blank = checkpoint.inventory, int(checkpoint.tokenizer.pad_token_id)
        named = list(zip(inventory.tokens, inventory.roles, strict=True))
        # Rows that start at random would take part in every frame's best token.
        usable = [
            row
            for row, (token, role) in enumerate(named)
            if token not in fresh and (role in ("space", "letter") or row == blank)
        ]
        if blank not in usable or len(usable) < 3:
            fix = "choose a recogniser as the model; an encoder alone has to be trained first"
            raise ModelError("the model has no letters of its own", where=where, fix=fix)
        spaces = [
            column
            for column, (token, role) in enumerate(named[row] for row in usable)
            if role == "space" or token.startswith(PIECE_SPACE)
        ]
        checkpoint.model.eval()
        make_fast(checkpoint.model)
        return cls(checkpoint, normalizer, Columns(np.array(usable), usable.index(blank), frozenset(spaces)))

    def frames(self, recording: Path, progress: Advance = silent) -> Frames:
        """What the network makes of a recording of any length. Raises AudioError."""
        return observe(Recognizer.of(self.checkpoint), map(mono, read_blocks(recording)), self.columns, progress)

    def tokens(self, text: str) -> Tokens:
        """Columns of a normalised text, without letters that have no row."""
        rows = self.checkpoint.tokenizer(text, add_special_tokens=False)["input_ids"]
        column_of = {int(row): column for column, row in enumerate(self.columns.rows)}
        return np.array([column_of[row] for row in rows if row in column_of], np.int64)

    def lacking(self, texts: Sequence[str]) -> Counter[str]:
        """Letters of normalised texts that no row stands for."""
        tokens = self.checkpoint.inventory.tokens
        known = set("".join(tokens[row] for row in self.columns.rows))
        return Counter(letter for text in texts for letter in text if letter != " " and letter not in known)
