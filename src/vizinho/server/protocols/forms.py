"""multipart/form-data in memory: the fields and the file of a body that has been read. Nothing is put on a disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart.multipart import MultipartParser, parse_options_header

from vizinho.server.security.refusals import Refusal

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FIELDS = 64
MAX_FIELD_BYTES = 65_536
LARGE_FIELDS = {"known_speaker_references": 2_700_000}
"""Ten seconds of audio in a data URL: 48 kHz, two channels of 16 bits."""


@dataclass(frozen=True, slots=True)
class Form:
    """Fields in the order they were sent, and the file; None where there is none."""

    fields: list[tuple[str, str]]
    file: bytes | None


def read_form(content_type: str, body: bytes) -> Form:
    """Read a whole body. Takes a while for large ones: call it in a thread. Raises Refusal 400."""
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise Refusal(400, "BAD_FORM", "send multipart/form-data with file and model")
    parts = _Parts()
    try:
        _, options = parse_options_header(content_type)
        parser = MultipartParser(options[b"boundary"], parts.callbacks())
        parser.write(body)
        parser.finalize()
        fields = [(part.name, _text(part.content)) for part in parts.ended if not part.is_file]
    except (ValueError, KeyError):  # the parser's own errors are ValueErrors
        raise Refusal(400, "BAD_FORM", "the form cannot be read") from None
    if not parts.complete:
        raise Refusal(400, "BAD_FORM", "the form has no end")
    files = [part.content for part in parts.ended if part.is_file and part.name == "file"]
    return Form(fields, files[0] if files else None)


@dataclass(slots=True)
class _Part:
    header_name: bytes = b""
    header_value: bytes = b""
    name: str = ""
    is_file: bool = False
    content: bytes = b""


class _Parts:
    """Collects what the parser finds. It calls with a buffer and where in it something lies."""

    def __init__(self) -> None:
        self.ended: list[_Part] = []
        self.complete = False
        self._part = _Part()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_header_begin": self._begin_header,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._end_header,
            "on_end": self._complete,
        }

    def _begin(self) -> None:
        if len(self.ended) > MAX_FIELDS:
            raise ValueError("too many parts")  # before millions of tiny ones take gigabytes
        self._part = _Part()

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        most = LARGE_FIELDS.get(part.name.removesuffix("[]"), MAX_FIELD_BYTES)
        if not part.is_file and len(part.content) + end - start > most:
            raise ValueError("too large a field")
        part.content += data[start:end]

    def _end(self) -> None:
        if not self._part.name:
            raise ValueError("a part without a name")
        self.ended.append(self._part)

    def _complete(self) -> None:
        self.complete = True

    def _begin_header(self) -> None:
        self._part.header_name = self._part.header_value = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._part.header_name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.header_value += data[start:end]

    def _end_header(self) -> None:
        if self._part.header_name.lower() == b"content-disposition":
            _, options = parse_options_header(self._part.header_value)
            self._part.name = _text(options[b"name"])
            # Some clients write names that are not ASCII as `filename*` alone, which the parser leaves out.
            self._part.is_file = b"filename" in options or b"filename*=" in self._part.header_value


def _text(data: bytes) -> str:
    """Clients write UTF-8; whatever else comes must not end in an error of the server's."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
