"""What is looked at before torch opens a file of pickled tensors."""

from __future__ import annotations

import os
import zipfile
from typing import IO

from vizinho.errors import ModelError


def check_stored(file: IO[bytes], where: object) -> None:
    """Raises ModelError for a file that unpacks to more than it is.

    `torch.save` writes a zip of parts stored as they are; packed or overlapping ones could hold any number of bytes.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if not zipfile.is_zipfile(file):
        return  # torch's form before 2020, or nothing that it can read
    with zipfile.ZipFile(file) as parts:
        held = sum(part.file_size for part in parts.infolist())
    if held > size:
        raise ModelError(f"a file of {size} bytes that unpacks to {held}", where=where, fix="save it with torch.save")
