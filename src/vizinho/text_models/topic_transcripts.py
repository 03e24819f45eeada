"""Texts to be understood: plain, or the JSON that `vizinho transcribe --json` prints."""

from __future__ import annotations

import json

from vizinho.errors import TextError


def read_transcripts(content: str, name: str) -> list[tuple[str, str]]:
    """(id, text) of each transcript; plain text is one transcript called `name`.

    Raises TextError for JSON of another form.
    """
    if not content.lstrip().startswith("{"):
        return [(name, content)]
    try:
        values = json.loads(content)
        return [(str(t["id"]), str(t["text"])) for t in values["transcripts"]]
    except ValueError:  # a text that happens to begin with a brace
        return [(name, content)]
    except (KeyError, TypeError) as error:
        raise TextError(
            "JSON, but without transcripts of id and text",
            where=name,
            fix="give what `vizinho transcribe --json` prints",
        ) from error
