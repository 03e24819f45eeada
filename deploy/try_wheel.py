"""Tries an installed vizinho away from its sources: `python deploy/try_wheel.py BIN`, the bin of its environment."""

import json
import math
import os
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

DATA = """
from vizinho.corpora.synthetic import phrase_book
from vizinho.text.families import read_atlas
read_atlas()
print(len(phrase_book("pt")))
"""


def main(bin_folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"VIZINHO_HOME": f"{place}/home"}

        def said(*command: object) -> str:
            done = subprocess.run(
                [bin_folder / str(command[0]), *map(str, command[1:])],
                cwd=place,
                env=environment,
                text=True,
                capture_output=True,
            )
            if done.returncode:
                sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
            return done.stdout.strip()

        version = said("vizinho", "--version")
        where = Path(said("python", "-c", "import vizinho; print(vizinho.__file__)"))
        if bin_folder.resolve().parent not in where.resolve().parents:
            sys.exit(f"not the installed package but {where}")
        said("vizinho", "--help")
        phrases = said("python", "-c", DATA)
        listed = json.loads(said("vizinho", "models", "list", "--json"))["models"]
        hum(Path(place) / "hum.wav")
        heard = json.loads(said("vizinho", "transcribe", "es-demo", Path(place) / "hum.wav", "--json"))
        models, text = ", ".join(m["ref"] for m in listed), heard["transcripts"][0]["text"]
        print(f"{version} in {where.parent}: {models}; {phrases} phrases; a hum was heard as {text!r}")


def hum(path: Path) -> None:
    """One second of a low tone, 16 bits at 16 kHz, by Python's own means."""
    samples = [int(9000 * math.sin(2 * math.pi * 150 * n / 16000)) for n in range(16000)]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(b"".join(s.to_bytes(2, "little", signed=True) for s in samples))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
