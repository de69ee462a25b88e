import json
import re
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.check.checking import check_file
from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.show.schema import whole_schema
from nlpreg.common.plugins import import_builtin_parts

jsonschema = pytest.importorskip("jsonschema")

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    import_builtin_parts()
    return whole_schema()


def test_the_schema_follows_the_draft(schema: dict[str, Any]) -> None:
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


def test_every_reference_leads_to_a_definition(schema: dict[str, Any]) -> None:
    def references(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"]
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    assert {reference.removeprefix("#/$defs/") for reference in references(schema)} <= set(schema["$defs"])


@pytest.mark.parametrize(
    "path", sorted((ROOT / "training_configs").glob("*.jsonnet")), ids=lambda path: path.stem
)
def test_shipped_configs_fit(path: Path, schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for config in path.parent.glob("*.jsonnet"):  # one may import another
        for name in re.findall(r"std.extVar\('(\w+)'\)", config.read_text(encoding="utf-8")):
            monkeypatch.setenv(name, "x")
    validator = jsonschema.Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(check_file(path).config)] == []


@pytest.mark.parametrize(
    "change",
    [
        {"trainer": {"num_epochs": "3"}},
        {"trainer": {"num_epoch": 3}},
        {"model": "lstm"},
        {"model": {"type": "simple_tagger"}},
        {"random_seed": "3"},
        {"iterator": {}},
    ],
)
def test_mistakes_do_not_fit(change: dict[str, Any], schema: dict[str, Any]) -> None:
    config = {
        "dataset_reader": "sequence_tagging",
        "train_data_path": "x",
        "model": "hmm_tagger",
        "data_loader": {"batch_size": 1},
        "trainer": {},
    }
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(config)
    assert not validator.is_valid({**config, **change})


def test_a_plugins_class_is_in_it() -> None:
    from nlpreg.modules import Seq2SeqEncoder

    @Seq2SeqEncoder.register("planted_in_schema")
    class Planted(Seq2SeqEncoder):
        """Planted."""

        def __init__(self, depth: int) -> None:
            super().__init__()

    definition = whole_schema()["$defs"]["Seq2SeqEncoder.planted_in_schema"]
    assert definition["properties"]["depth"] == {"type": "integer"}
    assert definition["required"] == ["type", "depth"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["schema", "-o", str(tmp_path / "s.json")]) == 0
    assert "definitions" in capsys.readouterr().out
    assert "Model.simple_tagger" in json.loads((tmp_path / "s.json").read_text())["$defs"]
    assert main("nlpreg", ["schema", "token_indexer"]) == 0
    assert "TokenIndexer.single_id" in json.loads(capsys.readouterr().out)["$defs"]
    assert main("nlpreg", ["schema", "token_indexr"]) == 2
    assert 'did you mean "token_indexer"' in capsys.readouterr().err
    assert main("nlpreg", ["schema", "-o", str(tmp_path / "no" / "s.json")]) == 2
