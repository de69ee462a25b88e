import json
import math
import os
import re
import shutil
import tarfile
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.digests import DamagedFileError, record_digests
from nlpreg.common.lazy import Lazy
from nlpreg.common.params import Params
from nlpreg.common.registrable import Registrable
from nlpreg.data import DatasetReader, Instance, Vocabulary
from nlpreg.models import Archive, Model, archive_model, load_archive
from nlpreg.models.archival import (
    extracted_archive,
    get_weights_path,
    translate_names,
    verify_include_in_archive,
)
from nlpreg.models.weights import ArchiveError
from nlpreg.version import VERSION


class Part(torch.nn.Module, Registrable):
    """A part of a model that a config describes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(width, 2)


class Small(Model):
    """A model of one part."""

    def __init__(self, vocab: Vocabulary, part: Part, twice: bool = False, **kwargs: Any) -> None:
        super().__init__(vocab, **kwargs)
        self.part = part
        self.twice = twice


class Reader(DatasetReader):
    """Reads nothing."""

    def __init__(self, note: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.note = note

    def text_to_instance(self, *inputs: Any) -> Instance:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def registered() -> None:
    Model.register("test_small")(Small)
    Part.register("test_part")(Part)
    DatasetReader.register("test_reader")(Reader)


CONFIG: dict[str, Any] = {
    "dataset_reader": {"type": "test_reader", "note": "train"},
    "model": {"type": "test_small", "part": {"type": "test_part", "width": 3}},
    "train_data_path": "x",
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", CONFIG)


def make_run(folder: Path, config: dict[str, Any]) -> Path:
    folder.mkdir()
    vocab = Vocabulary()
    vocab.add_token_to_namespace("yes", "labels")
    vocab.save_to_files(folder / "vocabulary")
    torch.manual_seed(0)
    torch.save(Small(vocab, Part(3)).state_dict(), folder / "best.th")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "meta.json").write_text(json.dumps({"version": VERSION, "python_version": "3.11.1"}))
    return folder


def repacked(archive: str, **changes: bytes | None) -> str:
    """The archive with members replaced, added or (by None) left out; `_json` in a name stands for `.json`."""
    named = {
        name.replace("_json", ".json").replace("_th", ".th"): content for name, content in changes.items()
    }
    folder = Path(archive).parent / "repacked"
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    for name, content in named.items():
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content)
    new = Path(archive).parent / "new.tar.gz"
    with tarfile.open(new, "w:gz") as tar:
        for name in sorted(os.listdir(folder)):
            tar.add(folder / name, name)
    return str(new)


def with_config(archive: str, config: dict[str, Any]) -> str:
    return repacked(archive, config_json=json.dumps(config).encode())


def test_round_trip(run: Path) -> None:
    path = archive_model(run)
    assert path == str(run / "model.tar.gz")
    archive = load_archive(path)
    state = torch.load(run / "best.th", weights_only=True)
    assert all(torch.equal(archive.model.state_dict()[name], state[name]) for name in state)
    assert archive.model.vocab.get_token_index("yes", "labels") == 0
    assert archive.config.as_dict(quiet=True) == CONFIG
    assert isinstance(archive.dataset_reader, Reader) and archive.dataset_reader.note == "train"
    assert isinstance(archive.validation_dataset_reader, Reader)
    assert archive.validation_dataset_reader is not archive.dataset_reader
    assert archive.meta is not None and archive.meta.version == VERSION
    assert isinstance(archive, Archive) and archive._fields[0] == "model"


def test_members_lie_at_the_top(run: Path) -> None:
    (run / "notes").mkdir()
    (run / "notes" / "a.txt").write_text("a")
    (run / "notes" / "b.md").write_text("b")
    path = archive_model(run, include_in_archive=["notes/*.txt", "nothing*"])
    with tarfile.open(path) as tar:
        assert tar.getnames() == [
            ".digests.json",
            "config.json",
            "meta.json",
            "notes/a.txt",
            "vocabulary/.digests.json",
            "vocabulary/labels.txt",
            "vocabulary/non_padded_namespaces.txt",
            "weights.th",
        ]


def test_the_same_run_gives_the_same_archive(run: Path) -> None:
    first = Path(archive_model(run)).read_bytes()
    for path in run.rglob("*"):
        os.utime(path, (1_000_000, 1_000_000))
    assert Path(archive_model(run)).read_bytes() == first


def test_other_weights_and_places(run: Path, tmp_path: Path) -> None:
    shutil.copy(run / "best.th", run / "model_state_e1_b0.th")
    (tmp_path / "elsewhere").mkdir()
    path = archive_model(run, weights="model_state_e1_b0.th", archive_path=tmp_path / "elsewhere")
    assert path == str(tmp_path / "elsewhere" / "model.tar.gz")
    assert archive_model(run, str(run / "best.th"), tmp_path / "x.tar.gz") == str(tmp_path / "x.tar.gz")
    load_archive(path, weights_file=run / "best.th")


@pytest.mark.parametrize("missing", ["best.th", "config.json"])
def test_nothing_to_archive(missing: str, run: Path) -> None:
    (run / missing).unlink()
    with pytest.raises(RuntimeError, match=f"{missing}: missing"):
        archive_model(run)


def test_a_missing_record_is_only_said(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    (run / "meta.json").unlink()
    assert load_archive(archive_model(run)).meta is None
    assert "which version made it" in caplog.text


@pytest.mark.parametrize("name", ["config.json", "weights.th", "best.th", "meta.json", "vocabulary"])
def test_reserved_names(name: str, run: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"include_in_archive: '{name}'"):
        verify_include_in_archive(["other", name])
    with pytest.raises(ConfigurationError, match="include_in_archive"):
        archive_model(run, include_in_archive=[name])


@pytest.mark.parametrize("name", ["/etc/hosts", "../x", "a/../../x", "*/../../x"])
def test_files_outside_the_folder_cannot_be_included(name: str, run: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"include_in_archive: .*which leads out of it"):
        archive_model(run, include_in_archive=[name])
    assert not (run / "model.tar.gz").exists()


def test_nothing_damaged_is_packed(run: Path) -> None:
    tokens = run / "vocabulary" / "labels.txt"
    whole = tokens.read_bytes()
    tokens.write_bytes(b"yet\n")
    with pytest.raises(DamagedFileError, match="labels.txt is not what was written"):
        archive_model(run)
    tokens.write_bytes(whole)
    weights = run / "best.th"
    state = torch.load(weights)
    whole = weights.read_bytes()
    at = whole.index(state["part.linear.weight"].numpy().tobytes())
    weights.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(ArchiveError, match="the weights are not what was written"):
        archive_model(run)
    assert not (run / "model.tar.gz").exists()


def test_weights_from_before_there_were_checksums(run: Path) -> None:
    state = torch.load(run / "best.th")
    torch.save(state, run / "best.th", _use_new_zipfile_serialization=False)
    whole = (run / "best.th").read_bytes()
    at = whole.rindex(state["part.linear.weight"].numpy().tobytes())
    damaged = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    with extracted_archive(archive_model(run)) as unpacked:
        weights = Path(unpacked, "weights.th")
        assert weights.read_bytes() == whole
        load_archive(unpacked)
        weights.write_bytes(damaged)
        with pytest.raises(ArchiveError, match="the weights are not what was written: .*weights.th"):
            load_archive(unpacked)
    (run / "best.th").write_bytes(damaged)
    load_archive(run)  # nothing was recorded when it was written
    record_digests(run, ["best.th"])
    (run / "best.th").write_bytes(whole)
    with pytest.raises(ArchiveError, match="the weights are not what was written: .*best.th"):
        load_archive(run)


@pytest.mark.parametrize("is_packed", [True, False])
def test_a_changed_config_is_said(is_packed: bool, run: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = archive_model(run)
    load_archive(path)
    assert "not what was written" not in caplog.text
    config = {**CONFIG, "dataset_reader": {"type": "test_reader", "note": "another"}}
    if is_packed:
        path = with_config(path, config)
    else:
        record_digests(run, ["config.json"])
        (run / "config.json").write_text(json.dumps(config))
        path = str(run)
    load_archive(path)
    assert "config.json has" in caplog.text


def test_a_folder_is_used_in_place(run: Path) -> None:
    assert isinstance(load_archive(run).model, Small)
    assert get_weights_path(run) == str(run / "best.th")
    shutil.copy(run / "best.th", run / "weights.th")
    assert get_weights_path(run) == str(run / "weights.th")


@pytest.mark.parametrize("overrides", ['{"model.twice": true}', {"model.twice": True}])
def test_overrides(overrides: Any, run: Path) -> None:
    archive = load_archive(archive_model(run), overrides=overrides)
    assert archive.model.twice is True
    assert archive.config["model"]["twice"] is True
    with pytest.raises(ConfigurationError, match="overrides"):
        load_archive(run, overrides={"modle.twice": True})


def test_a_reader_for_validation(run: Path) -> None:
    config = {**CONFIG, "validation_dataset_reader": {"type": "test_reader", "note": "validation"}}
    archive = load_archive(with_config(archive_model(run), config))
    assert (archive.dataset_reader.note, archive.validation_dataset_reader.note) == ("train", "validation")


def test_temporary_folders_are_removed(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    path = archive_model(run)
    load_archive(path)
    with pytest.raises(ArchiveError, match="not what was written"):
        load_archive(repacked(path, weights_th=b"rubbish"))
    assert list((tmp_path / "tmp").iterdir()) == []
    with extracted_archive(path, cleanup=False) as kept:
        pass
    assert os.path.exists(os.path.join(kept, "weights.th"))


def test_extract_module(run: Path) -> None:
    archive = load_archive(run)
    part = archive.extract_module("part")
    assert isinstance(part, Part)
    assert not any(parameter.requires_grad for parameter in part.parameters())
    assert all(
        parameter.requires_grad for parameter in archive.extract_module("part.linear", False).parameters()
    )
    with pytest.raises(ConfigurationError, match="'prat' is not part of the archive's model; it has part"):
        archive.extract_module("prat")


def test_pretrained_parts_in_a_config(run: Path) -> None:
    path = archive_model(run)
    section = {"archive_file": path, "module_path": "part", "freeze": False}
    model = Model.from_params(
        Params({"type": "test_small", "part": {"_pretrained": section}}), vocab=Vocabulary()
    )
    assert torch.equal(model.part.linear.weight, load_archive(path).model.part.linear.weight)
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"archive_file": "{}", "module_path": "part.linear"}, "expected a Part, but 'part.linear' of"),
        ({"archive_file": "{}", "module_path": "nothing"}, "not part of the archive's model"),
        ({"module_path": "part"}, "archive_file"),
        ({"archive_file": "{}", "module": "part"}, "module"),
        ("{}", "expected an object"),
    ],
)
def test_mistakes_with_pretrained_parts(section: Any, message: str, run: Path) -> None:
    if isinstance(section, dict) and "archive_file" in section:
        section = {**section, "archive_file": str(run)}
    params = Params({"type": "test_small", "part": {"_pretrained": section}})
    with pytest.raises(ConfigurationError, match=message):
        Model.from_params(params, vocab=Vocabulary())


def test_pretrained_parts_that_may_be_left_out(run: Path) -> None:
    class Optional(Small):
        def __init__(self, vocab: Vocabulary, part: Part | None = None, **kwargs: Any) -> None:
            super().__init__(vocab, part or Part(1), **kwargs)

    Model.register("test_optional")(Optional)
    for path, message in (("part", None), ("part.linear", r"part\._pretrained: expected a Part, but")):
        section = {"_pretrained": {"archive_file": str(run), "module_path": path}}
        params = Params({"type": "test_optional", "part": section})
        if message is None:
            assert isinstance(Model.from_params(params, vocab=Vocabulary()).part, Part)
        else:
            with pytest.raises(ConfigurationError, match=message):
                Model.from_params(params, vocab=Vocabulary())


def test_from_archive(run: Path) -> None:
    new = Vocabulary()
    new.add_token_to_namespace("no", "labels")
    section = {"type": "from_archive", "archive_file": archive_model(run)}
    model = Model.from_params(Params(section), vocab=new)
    assert isinstance(model, Small)
    assert model.vocab.get_token_index("no", "labels") == 1
    assert Model.from_archive(str(run)).vocab.get_vocab_size("labels") == 1


def test_an_archive_of_a_model_from_an_archive_stands_alone(run: Path, tmp_path: Path) -> None:
    parent = archive_model(run)
    second = make_run(
        tmp_path / "second", {**CONFIG, "model": {"type": "from_archive", "archive_file": parent}}
    )
    archive = archive_model(second)
    Path(parent).unlink()
    assert isinstance(load_archive(archive).model, Small)


@pytest.mark.parametrize("of_folder", [False, True])
def test_an_archive_with_pretrained_parts_stands_alone(of_folder: bool, run: Path, tmp_path: Path) -> None:
    parent = str(run) if of_folder else archive_model(run)

    def with_part(archive_file: str) -> Any:
        section = {"_pretrained": {"archive_file": archive_file, "module_path": "part"}}
        return {**CONFIG, "model": {"type": "test_small", "part": section}}

    first = archive_model(make_run(tmp_path / "first", with_part(parent)))
    # a part of a model that has such a part itself, and a model made of that one
    second = archive_model(make_run(tmp_path / "second", with_part(first)))
    config = {**CONFIG, "model": {"type": "from_archive", "archive_file": second}}
    third = archive_model(make_run(tmp_path / "third", config))
    shutil.rmtree(run)
    Path(first).unlink()
    assert isinstance(load_archive(second).model, Small)
    Path(second).unlink()
    assert isinstance(load_archive(third).model, Small)
    with tarfile.open(third) as archive:
        assert sum(name.startswith("parents/") for name in archive.getnames()) == 1


def test_a_config_that_asks_for_another_archive_is_refused(run: Path, tmp_path: Path) -> None:
    parent = archive_model(run)
    other = archive_model(make_run(tmp_path / "second", CONFIG))
    # as an archive of AllenNLP, or of an attacker, may have it
    asking = {**CONFIG, "model": {"type": "from_archive", "archive_file": parent}}
    changed = with_config(other, asking)
    with pytest.raises(ConfigurationError, match="run/model.tar.gz: refused, .*add --allow-remote"):
        load_archive(changed)
    assert isinstance(load_archive(changed, allow_remote=True).model, Small)
    assert isinstance(load_archive(changed, trusted=True).model, Small)


HOSTILE_CONFIGS: dict[str, tuple[Any, str]] = {
    "calls a function": ({**CONFIG, "dataset_reader": {"type": "os.mkdir", "path": "EVIL"}}, "refused"),
    "calls a function in the model": (
        {**CONFIG, "model": {"type": "test_small", "part": {"type": "os.mkdir", "path": "EVIL"}}},
        "refused",
    ),
    "calls a function by its bare name": (
        {**CONFIG, "model": {"type": "test_small", "part": "os.getcwd"}},
        "refused",
    ),
    "makes a foreign object": (
        {**CONFIG, "dataset_reader": {"type": "subprocess.Popen", "args": ["mkdir", "EVIL"]}},
        "refused",
    ),
    "foreign model": ({**CONFIG, "model": {"type": "os.mkdir", "path": "EVIL"}}, "refused"),
    "code from the network": (
        {**CONFIG, "dataset_reader": {"type": "test_reader", "x": [{"trust_remote_code": True}]}},
        "trust_remote_code",
    ),
    "no object": ([1, 2], "is no experiment"),
    "no model": ({"dataset_reader": {"type": "test_reader"}}, "is no experiment"),
    "model is a number": ({**CONFIG, "model": 3}, "is no experiment"),
    "no reader": ({"model": CONFIG["model"]}, 'expected an object "dataset_reader"'),
    "vocabulary is a list": ({**CONFIG, "vocabulary": [1]}, "vocabulary: expected an object"),
    "reader is a list": ({**CONFIG, "dataset_reader": [1]}, "expected Params or a string"),
    "unknown model": ({**CONFIG, "model": {"type": "nothing_such"}}, "nothing_such"),
    "other shape": (
        {**CONFIG, "model": {"type": "test_small", "part": {"type": "test_part", "width": 9}}},
        "another shape",
    ),
    "AllenNLP 0.x": (
        {**CONFIG, "iterator": {"type": "basic"}, "model": {"type": "bidaf"}},
        "bidaf.*archive of AllenNLP 0.x.*nlpreg migrate",
    ),
}


@pytest.mark.parametrize("case", HOSTILE_CONFIGS)
@pytest.mark.filterwarnings("ignore:.*AllenNLP 0.x")
def test_hostile_configs(case: str, run: Path, tmp_path: Path) -> None:
    config, message = HOSTILE_CONFIGS[case]
    text = json.dumps(config).replace("EVIL", str(tmp_path / "evil"))
    with pytest.raises(ConfigurationError, match=message):
        load_archive(repacked(archive_model(run), config_json=text.encode()))
    assert not (tmp_path / "evil").exists()


def test_lazy_parts_cannot_call_functions_either(run: Path, tmp_path: Path) -> None:
    class Later(Small):
        def __init__(self, vocab: Vocabulary, part: Lazy[Part], **kwargs: Any) -> None:
            super().__init__(vocab, part.construct(), **kwargs)

    Model.register("test_later")(Later)
    model = {"type": "test_later", "part": {"type": "os.mkdir", "path": str(tmp_path / "evil")}}
    with pytest.raises(ConfigurationError, match="refused"):
        load_archive(with_config(archive_model(run), {**CONFIG, "model": model}))
    assert not (tmp_path / "evil").exists()


def test_an_archive_that_names_itself(run: Path) -> None:
    path = archive_model(run)
    new = str(Path(path).parent / "new.tar.gz")
    assert with_config(path, {**CONFIG, "model": {"type": "from_archive", "archive_file": new}}) == new
    with pytest.raises(ArchiveError, match="10 archives were loaded one for another"):
        load_archive(new, allow_remote=True)
    assert load_archive(path).meta is not None  # the count begins anew


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("labels.txt", b"\xff\xfe", "expected text in UTF-8"),
        ("labels.txt", b"\0" * 10 + bytes(range(128, 256)), "expected text in UTF-8"),
        ("non_padded_namespaces.txt", None, "new.tar.gz!vocabulary: expected a folder that a vocabulary"),
        ("tokens.txt", b"", "new.tar.gz!vocabulary/tokens.txt: expected a line '@@UNKNOWN@@'"),
    ],
)
def test_damaged_vocabularies(name: str, content: bytes | None, message: str, run: Path) -> None:
    (run / "vocabulary" / ".digests.json").unlink()  # as in an archive of AllenNLP
    if content is None:
        (run / "vocabulary" / name).unlink()
    else:
        (run / "vocabulary" / name).write_bytes(content)
    path = Path(archive_model(run)).rename(run / "new.tar.gz")
    with pytest.raises(ArchiveError, match=re.escape(str(path)) + ".*" + message.rpartition("new.tar.gz")[2]):
        load_archive(path)


def test_a_missing_vocabulary(run: Path) -> None:
    shutil.rmtree(run / "vocabulary")
    path = archive_model(run)
    with pytest.raises(ArchiveError, match=re.escape(f"{path}!vocabulary: no such file or folder")):
        load_archive(path)


def test_weights_of_another_kind(run: Path) -> None:
    state = torch.load(run / "best.th", weights_only=True)
    first = next(iter(state))
    for tensor, message in (
        (state[first].to(torch.complex64), "complex numbers, where the model has real ones: " + first),
        (torch.zeros(1).expand(10**12), "another shape"),  # takes four bytes in the file
        (state[first].to_sparse(), "do not fit the model"),
        (state[first].to("meta"), "do not fit the model"),
    ):
        torch.save({**state, first: tensor}, run / "best.th")
        with pytest.raises(ArchiveError, match=r"model\.tar\.gz!weights\.th: .*" + message):
            load_archive(archive_model(run))


def test_weights_that_are_not_finite_are_named(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = torch.load(run / "best.th", weights_only=True)
    name = next(iter(state))
    torch.save({**state, name: torch.full_like(state[name], math.nan)}, run / "best.th")
    load_archive(archive_model(run))
    assert f"NaN or infinite weights: {name}" in caplog.text


@pytest.mark.parametrize("place", ["folder", "archive"])
def test_one_bit_of_the_weights(run: Path, place: str) -> None:
    path = run / "best.th"
    content = bytearray(path.read_bytes())
    first = next(iter(torch.load(path, weights_only=True).values()))
    content[content.index(first.numpy().tobytes()) + 2] ^= 1
    path.write_bytes(content)
    assert torch.load(path, weights_only=True)  # torch takes it
    with pytest.raises(ArchiveError, match=r"\.th: the weights are not what was written, .*checksum of"):
        load_archive(archive_model(run) if place == "archive" else run)


def test_a_script_in_place_of_weights(run: Path) -> None:
    class Script(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(Script(), torch.zeros(1)).save(str(run / "best.th"))
    with pytest.raises(ArchiveError, match="cannot be read|refused"):
        load_archive(archive_model(run))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"model": importstr "/etc/passwd"}', "not valid JSON"),
        (None, "has no config.json"),
    ],
    ids=["cut off", "not UTF-8", "too deep", "Jsonnet", "missing"],
)
def test_damaged_configs(content: bytes | None, message: str, run: Path) -> None:
    with pytest.raises(ArchiveError, match=message):
        load_archive(repacked(archive_model(run), config_json=content))


def test_damaged_parts(run: Path) -> None:
    path = archive_model(run)
    with pytest.raises(ArchiveError, match="there is no such weights file"):
        load_archive(repacked(path, weights_th=None))
    for content in (b"[]", b"\xff", b"[" * 100_000, b"{}"):
        with pytest.warns(UserWarning, match=r"new\.tar\.gz: its meta\.json cannot be read"):
            assert load_archive(repacked(path, meta_json=content)).meta is None
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[: len(data) // 2])
    with pytest.raises(ArchiveError, match="truncated"):
        load_archive(path)
    with pytest.raises(FileNotFoundError, match=r"nothing\.tar\.gz"):
        load_archive(run / "nothing.tar.gz")


def meta(version: str, **more: str) -> bytes:
    return json.dumps({"version": version, **more}).encode()


def test_versions(run: Path) -> None:
    path = archive_model(run)
    major = int(VERSION.split(".")[0])
    for newer in ("99.0.0", f"{major}.1000.0", f"{major + 1}.0.0a1"):
        with pytest.warns(UserWarning, match=f"made by nlpreg {newer}, this is nlpreg {VERSION}"):
            load_archive(repacked(path, meta_json=meta(newer, python_version="3.12.0")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for version in (
            "2.10.1",
            "1.5.0",
            "1.0.0rc3",
            "1" * 9000,
        ):  # of AllenNLP, which recorded nothing else
            load_archive(repacked(path, meta_json=meta(version)))
        load_archive(repacked(path, meta_json=meta(VERSION, python_version="3.12.0", unknown_key="x")))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("allennlp.models.simple_tagger.SimpleTagger", "nlpreg.models.simple_tagger.SimpleTagger"),
        ("allennlp_models.tagging.models.crf_tagger.CrfTagger", "nlpreg.models.crf_tagger.CrfTagger"),
        (
            "allennlp_models.lm.dataset_readers.next_token_lm.NextTokenLMReader",
            "nlpreg.data.dataset_readers.next_token_lm.NextTokenLMReader",
        ),
        (
            "allennlp_models.lm.modules.token_embedders.language_model.LanguageModelTokenEmbedder",
            "nlpreg.modules.token_embedders.language_model.LanguageModelTokenEmbedder",
        ),
        ("simple_tagger", "simple_tagger"),
        ("my_allennlp.models.Mine", "my_allennlp.models.Mine"),
        ("allennlpish.models.Mine", "allennlpish.models.Mine"),
    ],
)
def test_names_of_the_older_library(old: str, new: str) -> None:
    assert translate_names({"a": [{"type": old, "x": old}]}) == {"a": [{"type": new, "x": new}]}


def test_other_strings_are_left_alone() -> None:
    config = {"path": "allennlp.txt", "note": "allennlp.models is old", "file": "allennlp_models/x.Y", "n": 1}
    assert translate_names(config) == config


def test_an_archive_of_the_older_library_loads(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nlpreg.models.model.Small", Small, raising=False)
    config = {**CONFIG, "model": {**CONFIG["model"], "type": "allennlp.models.model.Small"}}
    archive = load_archive(
        repacked(archive_model(run), config_json=json.dumps(config).encode(), meta_json=meta("2.9.0"))
    )
    assert isinstance(archive.model, Small)
    assert archive.config["model"]["type"] == "nlpreg.models.model.Small"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "// as published\n" + text,
        lambda text: text[:-1] + ",}",
        lambda text: f"local config = {text}; config {{ extra:: 1 }}",
    ],
)
def test_a_config_that_is_jsonnet_loads(change: Any, run: Path, tmp_path: Path) -> None:
    archive = archive_model(run)
    plain = load_archive(archive)
    text = json.dumps(plain.config.as_dict(quiet=True))
    loaded = load_archive(repacked(archive, config_json=change(text).encode()))
    assert loaded.config.as_dict(quiet=True) == plain.config.as_dict(quiet=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('local x = import "/etc/passwd"; {model: x}', "imports are refused"),
        ('local x = importstr "/etc/passwd"; {model: x}', "imports are refused"),
        ('{model: std.extVar("HOME")}', "HOME"),
        ("{model: std.repeat('x', 4000000000)}", "not valid JSON"),
        ("{model: ", "not valid JSON"),
    ],
)
def test_jsonnet_of_an_archive_reads_and_exhausts_nothing(text: str, message: str, run: Path) -> None:
    with pytest.raises(ArchiveError, match=message):
        load_archive(repacked(archive_model(run), config_json=text.encode()))


@pytest.mark.parametrize("rest", [b"\0" * 700, b"trailing garbage", b"\x1f", b"x" * 3_000_000])
def test_bytes_behind_the_gzip_stream_are_ignored(rest: bytes, run: Path) -> None:
    archive = archive_model(run)
    with open(archive, "ab") as file:
        file.write(rest)
    assert load_archive(archive).model is not None
