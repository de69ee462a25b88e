"""A whole config is checked in one run; ordinary configs pass."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.check.checking import check_config, check_file, raise_problems, report
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params
from nlpreg.common.plugins import import_builtin_parts
from nlpreg.common.registrable import Registrable
from nlpreg.modules import Seq2SeqEncoder

ROOT = Path(__file__).parents[3]

DOZEN = """\
local lib = import 'lib.libsonnet';
{
  dataset_reader: {
    type: 'sequence_tagging',
    token_indexers: {
      tokens: { type: 'single_id', lowercase_token: true },
      token_characters: { type: 'charcters' },
    },
    max_instances: '100',
  },
  train_data_path: 'train.txt',
  validation_data_path: std.extVar('NLPREG_TEST_NOT_SET'),
  vocabulary: { min_count: { tokens: 'two' } },
  model: {
    type: 'crf_tagger',
    text_field_embedder: {
      token_embedders: {
        tokens: { type: 'embedding', embedding_dim: 10 },
        token_characters: lib.characters,
      },
    },
    encoder: { type: 'planted_plugin_encoder', width: 22, depht: 2 },
    label_encoding: 'BILUO',
    initializer: { regexes: [['.*weight', { type: 'xavier_unifrom' }]] },
    dropout: 0.1,
    dropout: 0.2,
  },
  data_loader: { batch_sampler: { type: 'bucket' } },
  trainer: {
    optimizer: {
      type: 'adam',
      betas: [0.9],
      parameter_groups: [[['bias'], { weight_decay: 0 }], 'rest'],
    },
    callbacks: [{ type: 'tensorboard', summary_intervall: 10 }],
    patience: 2.5,
  },
}
"""

LIB = """\
{
  characters: {
    type: 'character_encoding',
    embedding: { embedding_dim: 5 },
    encoder: { type: 'cnn', embedding_dim: 6, num_filters: 3 },
  },
}
"""

EXPECTED = {
    "dataset_reader.token_indexers.tokens.lowercase_token": (
        "c.jsonnet:6",
        'did you mean "lowercase_tokens"',
    ),
    "dataset_reader.token_indexers.token_characters.type": ("c.jsonnet:7", 'did you mean "characters"'),
    "dataset_reader.max_instances": ("c.jsonnet:9", "write 100 without quotes"),
    "train_data_path": ("c.jsonnet:11", "there is no file train.txt"),
    "std.extVar('NLPREG_TEST_NOT_SET')": ("c.jsonnet:12", "is not set"),
    "vocabulary.min_count.tokens": ("c.jsonnet:13", 'expected an integer, found "two"'),
    "model.text_field_embedder.token_embedders.token_characters.encoder.embedding_dim": (
        "lib.libsonnet:5",
        "encoder takes vectors of 6, but embedding gives 5; set embedding_dim to 5",
    ),
    "model.encoder.depht": ("c.jsonnet:22", 'did you mean "depth"'),
    "model.label_encoding": ("c.jsonnet:23", "expected one of 'BIO', 'IOB1', 'BIOUL', 'BMES'"),
    "model.initializer.regexes.0.1.type": ("c.jsonnet:24", 'did you mean "xavier_uniform"'),
    "model.dropout": ("c.jsonnet:26", "duplicate key; it is also defined in line 25"),
    "data_loader.batch_sampler.batch_size": ("c.jsonnet:28", 'key "batch_size" is required'),
    "trainer.optimizer.betas": (
        "c.jsonnet:32",
        "expected a list of 2 items (a number, a number), found 1 of them",
    ),
    "trainer.optimizer.parameter_groups.1": ("c.jsonnet:33", "expected a list of 2 items"),
    "trainer.callbacks.0.summary_intervall": ("c.jsonnet:35", 'did you mean "summary_interval"'),
    "trainer.patience": ("c.jsonnet:36", "expected an integer, found 2.5"),
}


@pytest.fixture
def plugin() -> None:
    @Seq2SeqEncoder.register("planted_plugin_encoder")
    class PlantedPluginEncoder(Seq2SeqEncoder):
        def __init__(self, width: int, depth: int = 1) -> None:
            super().__init__()
            self.width = width

        def get_input_dim(self) -> int:
            return self.width

        def get_output_dim(self) -> int:
            return self.width


@pytest.fixture(autouse=True)
def everything_registered() -> None:
    import_builtin_parts()


def test_a_dozen_faults_in_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: None) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NLPREG_TEST_NOT_SET", raising=False)
    Path("c.jsonnet").write_text(DOZEN)
    Path("lib.libsonnet").write_text(LIB)
    problems = check_file("c.jsonnet").problems
    found = {problem.path: problem for problem in problems}
    assert set(found) == set(EXPECTED)
    assert len(problems) == len(EXPECTED)
    for path, (place, message) in EXPECTED.items():
        assert found[path].location.rpartition("/")[2] == place
        assert message in found[path].message
    text = report("c.jsonnet", problems)
    assert text.startswith(
        "c.jsonnet: 16 problems\n  dataset_reader.token_indexers.tokens.lowercase_token  (c.jsonnet:6)\n"
    )


def test_nothing_is_built_and_nothing_is_changed(tmp_path: Path, small_config: dict[str, Any]) -> None:
    class Loud(Registrable):
        pass

    before = json.dumps(small_config)
    checked = check_config(small_config)
    assert checked.problems == []
    assert json.dumps(small_config) == before


@pytest.fixture
def small_config(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "data.txt").write_text("a###B\n")
    return {
        "dataset_reader": {"type": "sequence_tagging"},
        "train_data_path": str(tmp_path / "data.txt"),
        "model": {
            "type": "simple_tagger",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
            "encoder": {"type": "lstm", "input_size": 4, "hidden_size": 4},
        },
        "data_loader": {"batch_size": 2},
        "trainer": {"num_epochs": 1},
    }


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("random_seed", "3", "random_seed: expected an integer"),
        ("random_seed", None, ""),
        ("numpy_seed", 3, ""),
        ("include_in_archive", "a*", "include_in_archive: expected a list of strings"),
        ("include_in_archive", ["a*"], ""),
        ("evaluation", {"type": "simpel"}, 'evaluation.type: "simpel" is not a registered Evaluator'),
        ("evaluation", {"type": "simple"}, ""),
        ("distributed", {"cuda_devices": [-1, -1]}, ""),
        (
            "distributed",
            {"cuda_devices": [-1, -1], "num_node": 1},
            'distributed.num_node: unknown key; did you mean "num_nodes"',
        ),
        ("distributed", {"cuda_devices": [-1]}, "distributed.cuda_devices: .*leave the section"),
        ("distributed", {"cuda_devices": [-1, "1"]}, "distributed.cuda_devices.1: expected an integer"),
        ("type", "default", ""),
        ("trainer", None, "trainer: expected a Trainer, found null"),
        ("validation_data_path", None, ""),
        ("evaluate_on_tset", True, 'evaluate_on_tset: unknown key; did you mean "evaluate_on_test"'),
    ],
)
def test_keys_of_the_top_level(small_config: dict[str, Any], key: str, value: Any, message: str) -> None:
    problems = check_config({**small_config, key: value}).problems
    if not message:
        assert problems == []
    else:
        assert len(problems) == 1
        assert re.match(message, str(problems[0])), problems[0]


@pytest.mark.parametrize("value", ["lstm", ["lstm"], 3])
def test_a_section_with_a_mistake_is_not_built_on_trial(small_config: dict[str, Any], value: Any) -> None:
    small_config["model"]["text_field_embedder"] = {"token_embedders": value}
    (problem,) = check_config(small_config).problems
    assert problem.path == "model.text_field_embedder.token_embedders"
    assert problem.message.startswith("expected an object, found")


def test_all_problems_are_raised_as_one(small_config: dict[str, Any]) -> None:
    checked = check_config({**small_config, "trainer": {"patience": "1", "num_epochs": "2"}})
    with pytest.raises(
        ConfigurationError, match=r"(?s)^here: 2 problems.*trainer.patience.*trainer.num_epochs"
    ):
        raise_problems(checked, "here")


def test_the_resolved_config_has_the_defaults(small_config: dict[str, Any]) -> None:
    resolved = check_config(small_config).resolved_config()
    assert resolved["random_seed"] == 13370
    assert resolved["trainer"]["type"] == "gradient_descent"
    assert resolved["trainer"]["validation_metric"] == "-loss"
    assert resolved["trainer"]["optimizer"]["type"] == "adam"
    assert resolved["trainer"]["checkpointer"]["keep_most_recent_by_count"] == 2
    assert resolved["vocabulary"]["type"] == "from_instances"
    assert resolved["model"]["encoder"]["num_layers"] == 1
    assert "vocab" not in resolved["model"]


def test_the_resolved_config_resolves_to_itself(small_config: dict[str, Any]) -> None:
    resolved = check_config(small_config).resolved_config()
    again = check_config(json.loads(json.dumps(resolved, allow_nan=False)))
    assert again.problems == []
    assert again.resolved_config() == json.loads(json.dumps(resolved))


def test_the_resolved_config_builds_the_same_model(small_config: dict[str, Any]) -> None:
    import torch

    from nlpreg.data import Vocabulary
    from nlpreg.models import Model

    resolved = check_config(small_config).resolved_config()
    vocab = Vocabulary.from_instances([])
    vocab.add_token_to_namespace("a")
    vocab.add_token_to_namespace("B", "labels")
    models = []
    for config in (small_config, resolved):
        torch.manual_seed(0)
        models.append(Model.from_params(Params(json.loads(json.dumps(config["model"]))), vocab=vocab))
    first, second = (model.state_dict() for model in models)
    assert list(first) == list(second)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_overrides_are_named_as_the_place(tmp_path: Path, small_config: dict[str, Any]) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(small_config))
    problems = check_file(path, '{"trainer.num_epochs": "3"}').problems
    assert [(problem.path, problem.location) for problem in problems] == [
        ("trainer.num_epochs", "in the overrides")
    ]


def test_an_output_folder_that_cannot_be_made(tmp_path: Path, small_config: dict[str, Any]) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(small_config))
    problems = check_file(path, serialization_dir=str(path / "out")).problems
    assert len(problems) == 1
    assert "cannot be made" in problems[0].message and "is a file" in problems[0].message


SHARED = Path(os.environ.get("NLPREG_SHARED") or ROOT.parent / "shared")


def shipped_configs() -> list[Path]:
    return [
        *sorted((ROOT / "training_configs").glob("*.jsonnet")),
        *sorted((SHARED / "bench").glob("*.jsonnet")),
    ]


@pytest.mark.parametrize("path", shipped_configs(), ids=lambda path: path.stem)
def test_shipped_configs_pass(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for config in shipped_configs():  # one may import another
        for name in re.findall(r"std.extVar\('(\w+)'\)", config.read_text(encoding="utf-8")):
            monkeypatch.setenv(name, str(tmp_path))
    problems = check_file(path).problems
    # What the user brings is not there: data, and the archive of a language model.
    missing = [p for p in problems if p.path.endswith("_data_path") or "no config.json" in p.message]
    assert problems == missing


def test_the_command_prints_the_report_and_ends_with_2(tmp_path: Path, small_config: dict[str, Any]) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(small_config))
    command = [sys.executable, "-m", "nlpreg", "check"]
    right = subprocess.run(
        [*command, "c.json"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert (right.returncode, right.stdout, right.stderr) == (0, "c.json: no problems found\n", "")
    wrong = subprocess.run(
        [*command, "c.json", "-o", '{"trainer.num_epochs": "3"}'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert wrong.returncode == 2
    assert wrong.stdout.startswith("c.json: 1 problem\n  trainer.num_epochs  (in the overrides)\n")
    assert wrong.stderr == ""
