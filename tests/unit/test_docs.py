"""The documents say what the software does."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_commands_page_is_what_help_prints():
    spec = importlib.util.spec_from_file_location("make_cli_page", ROOT / "docs" / "make_cli_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.page() == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8"), "run `make docs`"


def test_the_page_of_the_api_is_what_the_docstrings_say():
    spec = importlib.util.spec_from_file_location("make_api_page", ROOT / "docs" / "make_api_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.page() == (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), "run `make docs`"


def test_every_command_in_the_documents_exists():
    from docs_commands import known_commands

    known = known_commands()
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for match in re.finditer(
            r"^\$? ?(?:\.venv/bin/)?vizinho ((?:[a-z]+ ?){1,2})", document.read_text(encoding="utf-8"), re.MULTILINE
        ):
            words = match.group(1).split()
            assert tuple(words[:1]) in known or tuple(words[:2]) in known, f"{document.name}: vizinho {match.group(1)}"


def loaded(code: str) -> set[str]:
    """Packages of others that a program has loaded at its end."""
    code += "; import sys; print(*{m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names))"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True)
    return set(done.stdout.decode().split()) - {"__main__", "_distutils_hack", "vizinho"}


def test_help_and_the_package_load_nothing_heavy():
    assert loaded("import vizinho") == set()
    assert loaded("import vizinho.cli.main") <= {"typer", "click", "shellingham", "annotated_doc", "typing_extensions"}


def test_links_between_documents_lead_somewhere():
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_no_machine_paths_in_what_is_tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        return
    pattern = re.compile(r"(^|[\s\"'(])/(home|root|tmp|work|opt)/\w")
    for name in listed.stdout.split():
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".json", ".sh", ".lock") and path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                assert not pattern.search(line) or name == "tests/unit/test_docs.py", f"{name}: {line[:120]}"


def test_the_table_of_clients_is_as_the_run_writes_it():
    text = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    inside = text.partition("<!-- clients: written by tests/clients/run.py -->\n")[2].partition("<!-- end of clients")[
        0
    ]
    header, line, *rows = inside.splitlines()
    assert (header, line) == ("| client | example | result |", "|---|---|---|")
    clients = {
        cells[0].partition(" ")[0] for row in rows for cells in [row.strip("| ").split(" | ")] if len(cells) == 3
    }
    assert len(rows) == inside.count("\n") - 2 and all(row.count("|") == 4 for row in rows)
    assert clients >= {"deepgram-sdk", "@deepgram/sdk", "openai", "livekit-agents", "pipecat-ai"}
    results = {row.strip("| ").rpartition(" | ")[2].partition(":")[0] for row in rows}
    assert results <= {"runs", "fails", "other text"}
