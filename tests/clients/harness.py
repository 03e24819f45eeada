"""Runs a script's examples one by one and prints what came of each: a JSON object a line. Needs nothing but Python."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT_SECONDS = 60.0


@dataclass(frozen=True)
class Place:
    """Where the server is, and what there is to send."""

    host: str
    key: str
    files: str
    """Address below which the recordings are served, and answers are taken."""
    folder: Path
    wyoming: int
    """Port of the home assistants' protocol."""

    @property
    def http(self) -> str:
        return f"http://{self.host}"

    @property
    def ws(self) -> str:
        return f"ws://{self.host}"

    def audio(self, name: str = "speech.wav") -> bytes:
        return (self.folder / name).read_bytes()

    def pieces(self, name: str = "speech.wav", size: int = 3200) -> Iterator[bytes]:
        data = self.audio(name)
        return (data[start : start + size] for start in range(0, len(data), size))

    def called_back(self, name: str) -> Any:
        """What the server sent to files/NAME."""
        until = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < until:
            with urllib.request.urlopen(f"{self.files}/received/{name}") as answer:
                if body := answer.read():
                    return json.loads(body)
            time.sleep(0.1)
        raise TimeoutError(f"nothing came to {name}")


def place() -> Place:
    """As run.py says."""
    values = json.loads(os.environ["VIZINHO_EXAMPLES"])
    return Place(values["host"], values["key"], values["files"], Path(values["folder"]), int(values["wyoming"]))


_EXAMPLES: list[tuple[str, Callable[[], Any]]] = []


def example(name: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Mark a function: it returns the text that was recognised, or None where there is none, and raises otherwise."""

    def mark(function: Callable[[], Any]) -> Callable[[], Any]:
        _EXAMPLES.append((name, function))
        return function

    return mark


def run() -> None:
    """Run all examples, or those whose names contain the argument."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    for name, function in _EXAMPLES:
        if wanted in name:
            print(json.dumps({"example": name, **_outcome(function)}, ensure_ascii=False), flush=True)
    os._exit(0)  # threads and sessions that clients leave open have nothing more to say


def _outcome(function: Callable[[], Any]) -> dict[str, Any]:
    try:
        if inspect.iscoroutinefunction(function):
            return {"text": asyncio.run(asyncio.wait_for(function(), LIMIT_SECONDS))}
        return {"text": function()}
    except BaseException as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}
