import tempfile
from pathlib import Path

import pytest

from vizinho.files import move_folder, replacing, write_json, write_text

SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def other_device(tmp_path):
    """A folder on another file system, which a rename cannot reach."""
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as place:
        yield Path(place)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def model(place: Path) -> Path:
    (place / "deep").mkdir(parents=True)
    (place / "deep" / "file").write_text("x")
    return place


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a" / "values.json"
    write_json(path, {"á": [1, None]})
    before = path.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="nan"):
        write_json(path, {"rate": float("nan")})
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert path.read_text(encoding="utf-8") == before
    assert names(path.parent) == ["values.json"]


def test_a_file_is_replaced_when_its_block_ends_without_an_error(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("one")
        assert not path.exists()
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (path.read_text(), names(path.parent)) == ("one", ["a.txt"])


def test_folders_move_whole(tmp_path):
    move_folder(model(tmp_path / "new"), tmp_path / "home" / "1")
    assert (tmp_path / "home" / "1" / "deep" / "file").read_text() == "x"
    assert (names(tmp_path), names(tmp_path / "home")) == (["home"], ["1"])


def test_folders_move_whole_between_file_systems(tmp_path, other_device):
    move_folder(model(other_device / "new"), tmp_path / "home" / "1")
    assert (tmp_path / "home" / "1" / "deep" / "file").read_text() == "x"
    assert (names(other_device), names(tmp_path / "home")) == ([], ["1"])


def test_what_is_there_is_never_replaced(tmp_path):
    there = model(tmp_path / "home" / "1")
    source = model(tmp_path / "new")
    (source / "deep" / "file").write_text("y")
    with pytest.raises(FileExistsError):
        move_folder(source, there)
    assert (there / "deep" / "file").read_text() == "x"
    assert (source / "deep" / "file").read_text() == "y"


def test_a_copy_that_fails_half_way_leaves_the_source_and_no_remains(tmp_path, other_device):
    source = model(other_device / "new")
    (source / "zz").symlink_to("nowhere")
    with pytest.raises(OSError, match="No such file"):
        move_folder(source, tmp_path / "home" / "1")
    assert (source / "deep" / "file").read_text() == "x"
    assert names(tmp_path / "home") == []
