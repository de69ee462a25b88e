"""Names of models on the Hugging Face hub in the config of an archive: served from the cache, never fetched."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpreg.common import cached_transformers
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.hints import signature_of
from nlpreg.common.config.registry import REGISTRY
from nlpreg.common.config.untrusted import Origin, guarded
from nlpreg.common.params import Params
from nlpreg.common.plugins import import_plugins
from nlpreg.data import Vocabulary
from nlpreg.data.dataset_readers import DatasetReader
from nlpreg.modules.token_embedders import TokenEmbedder

transformers = pytest.importorskip("transformers")
hub = pytest.importorskip("huggingface_hub")

MODEL_ARGUMENTS = ("model_name", "pretrained_model", "transformer_model", "model_path")
"""Names of constructor arguments that name a pretrained model."""
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "1", "2"]


def classes_with_models() -> list[tuple[type, str, str]]:
    """Registered classes, the names of their types, and the arguments that name pretrained models."""
    import_plugins()
    found = []
    for base, names in REGISTRY.items():
        seen = set()
        for name, (cls, constructor) in names.items():
            if (cls, constructor) in seen:
                continue
            seen.add((cls, constructor))
            make = getattr(cls, constructor) if constructor else None
            for argument in signature_of(cls, make).parameters:
                if argument in MODEL_ARGUMENTS:
                    found.append((base, name, argument))
    return found


CLASSES = classes_with_models()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of a tiny BERT and a tiny GPT-2 with random weights and tokenizers."""
    tokenizers = pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("saved")
    ids = {piece: index for index, piece in enumerate(PIECES)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    sizes = {"vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1}
    torch.manual_seed(0)
    models = {
        "bert": transformers.BertForMaskedLM(transformers.BertConfig(**sizes, intermediate_size=4)),
        "gpt2": transformers.GPT2LMHeadModel(
            transformers.GPT2Config(vocab_size=9, n_embd=4, n_layer=1, n_head=1)
        ),
    }
    for name, model in models.items():
        model.save_pretrained(folder / name)
        fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
        fast.save_pretrained(folder / name)
    return folder


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The hosts that somebody tried to reach; nobody succeeds."""
    tried: list[Any] = []

    def refuse(host: Any, *args: Any, **kwargs: Any) -> Any:
        tried.append(host)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: refuse(address))
    return tried


@pytest.fixture
def cache(tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, which holds `org/bert` and `org/gpt2`."""
    folder = tmp_path / "hub"
    for name in ("bert", "gpt2"):
        model = folder / f"models--org--{name}"
        shutil.copytree(saved / name, model / "snapshots" / "abc")
        (model / "refs").mkdir()
        (model / "refs" / "main").write_text("abc")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", False)
    return folder


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Origin]:
    """That of an archive, with nothing kept in memory of other tests."""
    monkeypatch.delenv("NLPREG_ALLOW_REMOTE", raising=False)
    monkeypatch.setattr(cached_transformers, "_models", {})
    monkeypatch.setattr(cached_transformers, "_tokenizers", {})
    (tmp_path / "unpacked").mkdir()
    yield Origin("model.tar.gz", str(tmp_path / "unpacked"))
    assert hub.constants.HF_HUB_OFFLINE is False


def build(base: Any, type_name: str, argument: str, model_name: str) -> Any:
    params = Params({"type": type_name, argument: model_name})
    vocab = Vocabulary()
    vocab.add_token_to_namespace("label", "labels")
    return base.from_params(params, vocab=vocab, instances=[])


def test_the_classes_are_found() -> None:
    names = {type_name for _, type_name, _ in CLASSES}
    assert names >= {"pretrained_transformer", "bert", "gpt2", "bert_pooler", "subword", "language_model"}


@pytest.mark.parametrize(("base", "type_name", "argument"), CLASSES)
def test_what_is_not_cached_is_refused(
    base: Any, type_name: str, argument: str, cache: Path, connections: list[Any], origin: Origin
) -> None:
    message = r"org/other.*refused, because the config of the archive model.tar.gz .*--allow-remote"
    with guarded(origin), pytest.raises(ConfigurationError, match=message):
        build(base, type_name, argument, "org/other")
    assert connections == []


@pytest.mark.parametrize(("base", "type_name", "argument"), CLASSES)
def test_what_is_cached_serves(
    base: Any, type_name: str, argument: str, cache: Path, connections: list[Any], origin: Origin
) -> None:
    with guarded(origin):
        build(base, type_name, argument, "org/gpt2" if type_name == "gpt2" else "org/bert")
    assert connections == []


@pytest.mark.parametrize(("base", "type_name", "argument"), CLASSES)
def test_folders(
    base: Any, type_name: str, argument: str, saved: Path, cache: Path, connections: list[Any], origin: Origin
) -> None:
    model = "gpt2" if type_name == "gpt2" else "bert"
    shutil.copytree(saved / model, Path(origin.folder) / "parts" / "transformer")
    with guarded(origin):
        build(base, type_name, argument, "parts/transformer")
        with pytest.raises(ConfigurationError, match="refused.*--allow-remote"):
            build(base, type_name, argument, str(saved / model))
    assert connections == []


@pytest.mark.parametrize("is_allowed", [False, True])
def test_the_network_is_there_for_who_allows_it(
    is_allowed: bool, cache: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def from_pretrained(name: str, **arguments: Any) -> str:
        asked.append((arguments.get("local_files_only", False), hub.constants.HF_HUB_OFFLINE))
        return "tokenizer"

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", from_pretrained)
    with guarded(Origin(origin.name, origin.folder, allow_remote=is_allowed)):
        assert cached_transformers.get_tokenizer("org/other") == "tokenizer"
    assert asked == [(not is_allowed, not is_allowed)]


@pytest.mark.parametrize(
    "arguments",
    [{"cache_dir": "/etc"}, {"proxies": {"https": "http://evil"}}, {"attn_implementation": "evil/kernels"}],
)
def test_further_arguments(
    arguments: dict[str, Any], cache: Path, connections: list[Any], origin: Origin
) -> None:
    with guarded(origin):
        params = Params(
            {"type": "pretrained_transformer", "model_name": "org/bert", "transformer_kwargs": arguments}
        )
        with pytest.raises(ConfigurationError, match="refused, because the config of the archive"):
            TokenEmbedder.from_params(params)
    assert connections == []


def test_code_beside_a_cached_model_is_not_run(
    cache: Path, connections: list[Any], origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked whether to run code"))
    config = cache / "models--org--bert" / "snapshots" / "abc" / "config.json"
    config.write_text('{"model_type": "evil", "auto_map": {"AutoModel": "evil.C", "AutoConfig": "evil.D"}}')
    with guarded(origin), pytest.raises(ConfigurationError, match="refused"):
        cached_transformers.get("org/bert", make_copy=False)


def test_data_sets(
    cache: Path,
    tmp_path: Path,
    connections: list[Any],
    origin: Origin,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "data_sets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    (tmp_path / "mine.txt").write_text("a\n")
    (tmp_path / "theirs.txt").write_text("b\n")
    table = datasets.Dataset.from_dict({"text": ["a b"]})
    table.save_to_disk(tmp_path / "table")

    def read(path: Any, dataset: str, **arguments: Any) -> list[str]:
        section = {"type": "huggingface_datasets", "dataset": dataset, "tokenizer": "whitespace"}
        with guarded(origin):
            reader = DatasetReader.from_params(Params({**section, "load_arguments": arguments}))
        return [str(instance["tokens"]) for instance in reader.read(path)]

    assert len(read(str(tmp_path / "mine.txt"), "text")) == 1
    with pytest.raises(ConfigurationError, match="'org/data'.*refused.*--allow-remote"):
        read("train", "org/data")
    with pytest.raises(ConfigurationError, match="refused.*--allow-remote"):
        read("train", str(tmp_path / "table"))
    with pytest.raises(ConfigurationError, match="refused.*--allow-remote"):
        read("train", "org/data", data_files=str(tmp_path / "theirs.txt"))
    assert connections == []
    assert datasets.config.HF_HUB_OFFLINE is False
