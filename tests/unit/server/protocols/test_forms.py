import random
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.server.protocols import openai
from vizinho.server.protocols.forms import MAX_FIELD_BYTES, MAX_FIELDS, read_form
from vizinho.server.security.refusals import Refusal

KIND = "multipart/form-data; boundary=x"


def part(name: bytes, content: bytes, filename: bytes | None = None) -> bytes:
    tail = b"" if filename is None else b'; filename="' + filename + b'"'
    return b'--x\r\nContent-Disposition: form-data; name="' + name + b'"' + tail + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--x--\r\n"


def refused(kind: str, body: bytes) -> Refusal:
    with pytest.raises(Refusal) as error:
        read_form(kind, body)
    assert error.value.status == 400
    return error.value


def test_fields_keep_their_order_and_the_file_its_bytes():
    audio = random.Random(1).randbytes(3_000_000) + b"\r\n--y\r\n"
    body = form(part(b"model", b"es"), part(b"file", audio, b"a.wav"), part(b"tag[]", "ñ".encode()))
    read = read_form(KIND, body)
    assert read.fields == [("model", "es"), ("tag[]", "ñ")] and read.file == audio


def test_a_large_file_is_read_where_nothing_can_be_written(monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, full)
    assert read_form(KIND, form(part(b"file", bytes(5_000_000), b"a"))).file == bytes(5_000_000)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("", form(part(b"model", b"es"))),
        ("text/plain", form(part(b"model", b"es"))),
        ("multipart/form-data", form(part(b"model", b"es"))),
        ("multipart/form-data; boundary=", form(part(b"model", b"es"))),
        ("multipart/form-data; boundary=é", form(part(b"model", b"es"))),
        ("multipart/form-data; boundary=y", form(part(b"model", b"es"))),
        (KIND, b""),
        (KIND, b"--x\r\n\r\nno name\r\n--x--\r\n"),
        (KIND, form(*[part(b"a", b"b")] * (MAX_FIELDS + 2))),
        (KIND, form(part(b"a", bytes(MAX_FIELD_BYTES + 1)))),
    ],
)
def test_what_is_no_form_or_too_large_a_one_is_refused(kind, body):
    assert refused(kind, body).code == "BAD_FORM"


@pytest.mark.parametrize(
    "name", [b"\xff\xfe", "ñ€\U0001f600".encode(), b"a\x00b", b"a\\b", b"a%0d%0aSet-Cookie: b", b" "]
)
def test_odd_names_of_fields_end_in_a_header_that_can_be_sent(name):
    read = read_form(KIND, form(part(b"model", b"es"), part(name, b"value")))
    headers = openai.read_fields(read.fields).headers
    assert headers["vizinho-ignored"].isascii() and headers["vizinho-ignored"].isprintable()


@given(st.binary(max_size=300))
def test_no_body_is_anything_but_read_or_refused(body):
    try:
        read_form(KIND, b"--x\r\n" + body)
    except Refusal as refusal:
        assert refusal.status == 400


def test_voices_of_known_speakers_may_be_large_and_nothing_else():
    voice = b"data:audio/wav;base64," + b"A" * 1_000_000
    assert read_form(KIND, form(part(b"known_speaker_references[]", voice))).fields[0][1] == voice.decode()
    assert refused(KIND, form(part(b"known_speaker_names[]", voice))).code == "BAD_FORM"
    assert refused(KIND, form(part(b"known_speaker_references[]", 3 * voice))).code == "BAD_FORM"


def test_a_file_whose_name_is_extended_only_is_a_file():
    """RFC 5987, as some clients write names that are not ASCII."""
    body = part(b"file", b"audio").replace(b'name="file"', b"name=\"file\"; filename*=utf-8''%e2%82%ac.wav")
    assert read_form(KIND, form(body)).file == b"audio"
