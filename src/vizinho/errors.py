"""What went wrong, where, and what to do about it: the one family of errors that users see."""

from __future__ import annotations

from collections.abc import Callable


class VizinhoError(Exception):
    """An error caused by input, not by a bug; the command line prints it in one line and exits with 2.

    Args:
        what: What is wrong, with the offending value.
        where: File, line, utterance id or parameter name it concerns.
        fix: What the user can do about it.
    """

    def __init__(self, what: str, *, where: object = "", fix: str = "") -> None:
        # A library's message may have several lines; the command line prints one.
        self.what, self.where, self.fix = " ".join(what.split("\n")).strip(), str(where), fix
        super().__init__(self._message())

    def _message(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" -> {self.fix}" if self.fix else ""
        return f"{place}{self.what}{advice}"


OnProblem = Callable[[VizinhoError], None]
"""Called with the error of each bad row; returns to read on, raises to stop."""


def first_line(error: Exception) -> str:
    """A library's error in one short line; its kind where it has no message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


class AudioError(VizinhoError):
    """An audio file that cannot be read or holds no usable samples."""


class CorpusError(VizinhoError):
    """A manifest or corpus folder that is missing, malformed or empty."""


class TextError(VizinhoError):
    """A text that a normaliser or tokeniser cannot handle."""


class ModelError(VizinhoError):
    """A model folder that is missing, incomplete or of the wrong kind."""


class PlanError(VizinhoError):
    """A transfer plan that does not account for every parameter."""


class StoreError(VizinhoError):
    """A name or version that the store does not hold, or a store that cannot be written."""


class SpecError(VizinhoError):
    """A recipe or experiment file with unknown keys or impossible values."""


class InterruptedRunError(VizinhoError):
    """The user stopped the run; its state is saved."""
