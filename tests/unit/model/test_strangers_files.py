"""Files of strangers: damaged or hostile ones end in one clear error, run nothing and write nothing."""

import io
import json
import pickle
import tarfile
from pathlib import Path

import donor_zoo
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from nemo_archive import ARCHIVE, members, pack

from vizinho.errors import ModelError, VizinhoError
from vizinho.model.checkpoint import load_donor


class Bomb:
    """Pickles to a call that would leave a file behind."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.write_text, (self.target, "ran"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return donor_zoo.RECOGNISERS["wav2vec2 layer"](tmp_path_factory.mktemp("zoo") / "model")


def copied(folder: Path, target: Path, **changes: bytes) -> Path:
    target.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        (target / path.name).write_bytes(changes.get(path.name.replace(".", "_"), path.read_bytes()))
    return target


def test_a_pickle_that_runs_code_is_refused(folder, tmp_path):
    hostile = copied(folder, tmp_path / "model")
    (hostile / "model.safetensors").unlink()
    with (hostile / "pytorch_model.bin").open("wb") as file:
        pickle.dump({"lm_head.weight": Bomb(tmp_path / "ran")}, file)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_donor(hostile)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_of_tensors_alone_is_read(folder, tmp_path):
    from safetensors.torch import load_file

    pickled = copied(folder, tmp_path / "model")
    torch.save(load_file(folder / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    ours, theirs = load_donor(pickled).weights(), load_donor(folder).weights()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_code_beside_the_weights_is_not_run(folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil", "AutoModelForCTC": "evil.Evil"}}
    hostile = copied(folder, tmp_path / "model", config_json=json.dumps(config).encode())
    (hostile / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelError):
        load_donor(hostile)
    assert not (tmp_path / "ran").exists()


def test_an_archive_reaches_no_file_outside_itself(tmp_path):
    hostile = tmp_path / "inside" / "hostile.nemo"
    hostile.parent.mkdir()
    with tarfile.open(ARCHIVE) as source, tarfile.open(hostile, "w") as archive:
        for member in source:
            if member.isfile():
                archive.addfile(member, source.extractfile(member))
        for name in ("../escaped", str(tmp_path / "absolute")):
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"ran"))
    before = sorted(tmp_path.rglob("*"))
    load_donor(hostile)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_in_an_archive_is_not_followed(tmp_path):
    secret = tmp_path / "model_config.yaml"
    secret.write_text(yaml.safe_dump({"target": "x.EncDecCTCModel"}))
    with tarfile.open(tmp_path / "linked.nemo", "w") as archive:
        link = tarfile.TarInfo("model_config.yaml")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(link)
    with pytest.raises(ModelError, match=r"the archive lacks model_config\.yaml"):
        load_donor(tmp_path / "linked.nemo")


def test_weights_of_an_archive_that_run_code_are_refused(tmp_path):
    with tarfile.open(ARCHIVE) as source, tarfile.open(tmp_path / "hostile.nemo", "w") as archive:
        for member in source:
            data = source.extractfile(member).read() if member.isfile() else b""
            if member.name.endswith("model_weights.ckpt"):
                data = pickle.dumps({"encoder": Bomb(tmp_path / "ran")})
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    with pytest.raises(ModelError, match=r"cannot be read as a \.nemo archive"):
        load_donor(tmp_path / "hostile.nemo")
    assert not (tmp_path / "ran").exists()


def damaged(data: bytes, cuts: list[tuple[int, bytes]], keep: float) -> bytes:
    """Bytes overwritten at some places and cut off."""
    found = bytearray(data)
    for place, new in cuts:
        start = place % max(1, len(found))
        found[start : start + len(new)] = new
    return bytes(found[: int(len(found) * keep)])


CUTS = st.lists(st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=12)), max_size=4)
KEEP = st.one_of(st.just(1.0), st.floats(0, 1))


@settings(max_examples=15)
@given(CUTS, KEEP)
def test_damaged_archives_give_clear_errors_only(tmp_path_factory, cuts, keep):
    path = tmp_path_factory.mktemp("fuzz") / "x.nemo"
    path.write_bytes(damaged(ARCHIVE.read_bytes(), cuts, keep))
    try:
        load_donor(path)
    except VizinhoError as error:
        assert str(path) in str(error)


@settings(max_examples=15)
@given(CUTS, st.integers(0, 400))
def test_damaged_settings_of_an_archive_give_clear_errors_only(tmp_path_factory, cuts, lines):
    content = members()
    content["model_config.yaml"] = damaged(b"\n".join(content["model_config.yaml"].splitlines()[:lines]), cuts, 1.0)
    path = pack(tmp_path_factory.mktemp("fuzz") / "x.nemo", content)
    try:
        load_donor(path)
    except VizinhoError as error:
        assert str(path) in str(error)


@settings(max_examples=15)
@given(
    st.sampled_from(
        ("model.safetensors", "config.json", "vocab.json", "tokenizer_config.json", "processor_config.json")
    ),
    CUTS,
    KEEP,
)
def test_damaged_folders_give_clear_errors_only(folder, tmp_path_factory, name, cuts, keep):
    data = (folder / name).read_bytes()
    # The header of a safetensors file is where lengths, shapes and offsets stand.
    cuts = [(place % 2000 if name.endswith("safetensors") else place, new) for place, new in cuts]
    target = copied(folder, tmp_path_factory.mktemp("fuzz"), **{name.replace(".", "_"): damaged(data, cuts, keep)})
    try:
        load_donor(target)
    except VizinhoError as error:
        assert str(target) in str(error)
