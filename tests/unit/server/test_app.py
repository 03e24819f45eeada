import json

import pytest

from vizinho.server.app import create_app
from vizinho.server.run import ServeOptions, make_service
from vizinho.server.security.keys import Keys


@pytest.fixture(scope="module")
def description():
    return json.loads(json.dumps(create_app(make_service(ServeOptions(no_auth=True), Keys(()))).openapi()))


def references(value):
    """Every $ref below a value."""
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from references(inner)


def test_every_reference_of_the_description_leads_somewhere(description):
    targets = set(references(description))
    assert len(targets) > 5
    for target in targets:
        value = description
        assert target.startswith("#/")
        for key in target[2:].split("/"):
            value = value[key]


def test_no_body_is_read_without_a_limit():
    """FastAPI's own bodies have none, and are read and parsed before the key is looked at."""
    pending = [*create_app(make_service(ServeOptions(no_auth=True), Keys(()))).routes]
    paths = set()
    while pending:
        route = pending.pop()
        pending += getattr(route, "routes", []) or getattr(getattr(route, "original_router", None), "routes", [])
        paths.add(getattr(route, "path", ""))
        assert getattr(route, "body_field", None) is None, route.path
    assert {"/v1/listen", "/v1/auth/grant", "/v1/audio/transcriptions"} <= paths


def test_every_answer_to_a_transcription_is_described(description):
    content = description["paths"]["/v1/audio/transcriptions"]["post"]["responses"]["200"]["content"]
    names = [ref.rpartition("/")[2] for ref in references(content["application/json"])]
    assert names == ["Transcription", "VerboseTranscription", "DiarizedTranscription"]
    assert {"text/plain", "text/vtt", "application/x-subrip", "text/event-stream"} < content.keys()
