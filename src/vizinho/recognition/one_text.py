"""What networks with a decoder refuse where they decode greedily."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Never

from vizinho.audio.io import Waveform
from vizinho.errors import SpecError

if TYPE_CHECKING:
    from vizinho.decoding.nbest import Choose


class OneText:
    """The part of a `WordsEngine` that writes one text for each piece: no hotwords, nothing to choose from."""

    engine_name: str
    """In messages."""
    way_out: str
    """What to do instead."""

    def expecting(self, hotwords: Sequence[str]) -> Never:
        """See WordsEngine."""
        raise SpecError(
            f"{len(hotwords)} hotwords, which {self.engine_name} does not read", where="hotword", fix=self.way_out
        )

    def choosing(self, choose: Choose, count: int) -> Never:
        """See WordsEngine."""
        raise self._has_one_text()

    def candidates(self, waveforms: Sequence[Waveform], count: int) -> Never:
        """See WordsEngine."""
        raise self._has_one_text()

    def _has_one_text(self) -> SpecError:
        what = f"{self.engine_name} writes one text, and a language model has nothing to choose from"
        return SpecError(what, where="language model", fix=self.way_out)
