"""The committed .nemo archive, taken apart and packed anew."""

import io
import tarfile
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures" / "nemo"
ARCHIVE = FIXTURES / "hybrid.nemo"
"""A hybrid FastConformer that NeMo 3.0.0 trained for 20 steps on tones and saved (bench/peers/nemo_reference.py)."""


def members(path: Path = ARCHIVE) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {m.name.removeprefix("./"): archive.extractfile(m).read() for m in archive if m.isfile()}


def pack(path: Path, content: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path
