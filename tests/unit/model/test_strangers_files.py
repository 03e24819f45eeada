"""Files of strangers: damaged or hostile ones end in one clear error, run nothing and write nothing."""

import io
import json
import pickle
import resource
import tarfile
import zipfile
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


def zipped(parts: dict[str, bytes]) -> bytes:
    """A zip like torch's, but with its parts packed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in parts.items():
            made.writestr(name, data)
    return file.getvalue()


def saved(tensors: object) -> bytes:
    file = io.BytesIO()
    torch.save(tensors, file)
    return file.getvalue()


def repacked(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        return zipped({name: parts.read(name) for name in parts.namelist()})


def described(**encoder: object) -> dict[str, bytes]:
    """The committed archive with other settings of its encoder."""
    found = members()
    config = yaml.safe_load(found["model_config.yaml"])
    config["encoder"] |= encoder
    return found | {"model_config.yaml": yaml.safe_dump(config).encode()}


def laughs() -> bytes:
    """A few lines of YAML that stand for ten to the ninth values."""
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{n}: &a{n} [{','.join(10 * [f'*a{n - 1}'])}]" for n in range(1, 9)]
    return "\n".join([*lines, "target: x.EncDecCTCModel", "encoder: {subsampling: *a8}"]).encode()


WEIGHTS = torch.load(io.BytesIO(members()["model_weights.ckpt"]), weights_only=True)
LAYERS = {name.split(".")[2] for name in WEIGHTS if name.startswith("encoder.layers.")}
BOMBS = {
    "weights of zeros": (lambda: members() | {"model_weights.ckpt": bytes(100 * 2**20)}, "w:gz", "more than"),
    "something else of zeros": (lambda: {"a": bytes(100 * 2**20)} | members(), "w:gz", "more than"),
    "settings of zeros": (lambda: members() | {"model_config.yaml": bytes(65 * 2**20)}, "w", "larger than"),
    "packed tensors": (
        lambda: members() | {"model_weights.ckpt": repacked(saved(WEIGHTS | {"joint.x": torch.zeros(2**24)}))},
        "w",
        "unpacks to",
    ),
    "one number shown a million times": (
        lambda: members() | {"model_weights.ckpt": saved(WEIGHTS | {"joint.x": torch.zeros(1).expand(2**40)})},
        "w",
        "its tensors are",
    ),
    "one tensor under many names": (
        lambda: (
            members()
            | {
                "model_weights.ckpt": saved(
                    WEIGHTS | dict.fromkeys([f"joint.{n}" for n in range(99)], torch.zeros(99999))
                )
            }
        ),
        "w",
        "its tensors are",
    ),
    "settings of settings": (lambda: members() | {"model_config.yaml": laughs()}, "w", "repeat themselves"),
    "a network of numbers alone": (
        lambda: (
            described(n_layers=3000)
            | {
                "model_weights.ckpt": saved(
                    WEIGHTS | {f"encoder.layers.{n}.x": torch.zeros(1) for n in range(len(LAYERS), 3000)}
                )
            }
        ),
        "w",
        "the weights are missing",
    ),
    "features without end": (lambda: described(feat_in=10**9), "w", "feat_in is"),
}


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("hidden_size", 2**16, "config.json: it describes a network of"),
        ("intermediate_size", 2**34, "config.json: it describes a network of"),
        ("vocab_size", 2**34, "config.json: it describes a network of"),
        ("num_hidden_layers", 2**40, "config.json: num_hidden_layers is 1099511627776"),
    ],
)
def test_settings_that_describe_more_than_the_weights_are_refused(folder, tmp_path, setting, value, said):
    config = json.loads((folder / "config.json").read_text())
    assert setting in config
    hostile = copied(folder, tmp_path / "model", config_json=json.dumps(config | {setting: value}).encode())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match=said):
        load_donor(hostile)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024  # kilobytes


@pytest.mark.parametrize("kind", BOMBS)
def test_an_archive_that_holds_more_than_it_is_says_so(tmp_path, kind):
    content, mode, said = BOMBS[kind]
    path = pack(tmp_path / "x.nemo", content(), mode)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match=said) as error:
        load_donor(path)
    assert str(path) in str(error.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 2**10  # KiB


def test_a_compressed_archive_is_read(tmp_path):
    plain, packed = load_donor(ARCHIVE), load_donor(pack(tmp_path / "x.nemo", members(), "w:gz"))
    assert all(torch.equal(packed.weights()[name], value) for name, value in plain.weights().items())


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_what_is_no_file_in_an_archive_is_not_read(tmp_path, kind):
    (tmp_path / "secret").write_bytes(members()["model_config.yaml"])
    with tarfile.open(tmp_path / "x.nemo", "w") as archive:
        info = tarfile.TarInfo("model_config.yaml")
        info.type, info.linkname = kind, str(tmp_path / "secret")
        archive.addfile(info)
    with pytest.raises(ModelError, match=r"the archive lacks model_config\.yaml"):
        load_donor(tmp_path / "x.nemo")


def test_pickled_weights_that_unpack_to_more_than_their_file_are_refused(folder, tmp_path):
    packed = copied(folder, tmp_path / "model")
    (packed / "model.safetensors").unlink()
    (packed / "pytorch_model.bin").write_bytes(repacked(saved({"lm_head.weight": torch.zeros(2**24)})))
    with pytest.raises(ModelError, match="unpacks to") as error:
        load_donor(packed)
    assert str(packed / "pytorch_model.bin").replace("/pytorch", " pytorch") in str(error.value)


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
