"""The corrected corpus as one file to download: the manifest, or an archive of transcripts for other programs."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

from vizinho.corpora.corrections.corrected import corrected
from vizinho.corpora.export import export_corpus
from vizinho.corpora.manifest import manifest_row
from vizinho.files import scratch_folder
from vizinho.records import Utterance
from vizinho.server.correct.desk import Desk


def download(desk: Desk, kind: str, *, rest: bool) -> tuple[bytes, str]:
    """The content and the file name; kind is "jsonl" or one of `corpus export`. Paths lead from beside the corpus.

    Raises CorpusError where there is nothing to export or a format's extra is missing.
    """
    utterances = [u for u, _ in corrected(list(desk.utterances.values()), desk.log, desk.drafts.all(), rest=rest)]
    stem = f"{desk.corpus.stem}.corrected"
    if kind == "jsonl":
        lines = (json.dumps(manifest_row(u, desk.corpus.parent), ensure_ascii=False) + "\n" for u in utterances)
        return "".join(lines).encode(), f"{stem}.jsonl"
    return _archive(desk.corpus.parent, utterances, kind), f"{stem}-{kind}.zip"


def _archive(folder: Path, utterances: Sequence[Utterance], kind: str) -> bytes:
    # Written beside the corpus: an archive that is unpacked there leads to the recordings.
    with scratch_folder(folder, "exporting") as scratch:
        exported = export_corpus(utterances, scratch, kind)
        files = [*exported.files, *([exported.rights] if exported.rights else [])]
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.writestr(
                    path.relative_to(scratch).as_posix(), _without_folders(path.read_text("utf-8"), utterances)
                )
    return content.getvalue()


def _without_folders(text: str, utterances: Sequence[Utterance]) -> str:
    """Relative paths stay; absolute ones would show the server's disk."""
    folders = {(u.place.recording if u.place else u.audio).absolute().parent for u in utterances}
    for folder in sorted(folders, key=lambda f: -len(f.as_posix())):
        # ELAN's MEDIA_URL is absolute, its RELATIVE_MEDIA_URL is enough to find the recording.
        text = text.replace(folder.as_uri(), "file://").replace(f"{folder.as_posix()}/", "")
    return text
