"""The wheel: all of the package's files and nothing else, and it works where there are no sources."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import vizinho

pytestmark = pytest.mark.pipeline
ROOT = Path(__file__).parents[2]


def run(*command: object) -> str:
    done = subprocess.run([*map(str, command)], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    pytest.importorskip("hatchling", reason="the environment was not made by `make install`")
    place = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", place, ROOT)
    return next(place.glob("*.whl"))


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    sources = ROOT / "src"
    ours = {
        path.relative_to(sources).as_posix()
        for path in sources.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path)
    }
    assert wheel.name.startswith(f"vizinho-{vizinho.__version__}-")
    about = f"vizinho-{vizinho.__version__}.dist-info"
    about = {f"{about}/{n}" for n in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    assert set(zipfile.ZipFile(wheel).namelist()) == ours | about


def test_the_wheel_works_in_an_empty_environment(wheel, tmp_path):
    """The package comes from the wheel alone; its dependencies are lent by this environment without its own vizinho."""
    home = tmp_path / "env"
    venv.create(home, with_pip=False, symlinks=True)
    place = next(home.glob("lib/python*/site-packages"))
    run(sys.executable, "-m", "pip", "--python", home, "install", "--no-deps", "--no-index", wheel)
    # A line of a .pth file is a folder to look in; .pth files inside that folder (our editable install) do not count.
    (place / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    said = run(sys.executable, ROOT / "deploy" / "try_wheel.py", home / "bin")
    assert f"vizinho {vizinho.__version__} in {place.resolve()}" in said.replace(str(place), str(place.resolve()))
    assert "en-demo@2, es-demo@2" in said
