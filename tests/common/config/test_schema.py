import enum
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Optional, Union

import pytest

from nlpreg.common import FromParams, Lazy, Params, Registrable
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.schema import DIALECT, SchemaWriter, experiment_schema, registry_schema
from nlpreg.common.plugins import import_builtin_parts

jsonschema = pytest.importorskip("jsonschema")
import_builtin_parts()  # their bases declare which arguments nlpreg passes itself, such as `vocab`


class Animal(Registrable):
    """Something that moves."""

    default_implementation = "hen"


@Animal.register("hen")
class Hen(Animal):
    """A bird.

    Args:
        eggs: number in a week.
        name: what it answers to.
    """

    def __init__(self, eggs: int = 5, name: Optional[str] = None) -> None:
        pass


class Coat(enum.Enum):
    SHORT = "s"
    LONG = "l"


@dataclass
class Collar:
    """What a dog wears.

    Args:
        length: in centimetres.
    """

    length: float
    colour: Literal["red", "blue"] = "red"


@Animal.register("sheep-dog")
class SheepDog(Animal):
    """Herds others."""

    def __init__(
        self,
        coat: Coat,
        herd: list[Animal],
        vocab: Any,
        collar: Collar | None = None,
        friend: Lazy[Animal] = Lazy(Hen),  # noqa: B008
        legs: tuple[int, int, int, int] = (1, 1, 1, 1),
        weights: dict[str, float | list[float]] | None = None,
        seen: set[str] | None = None,
        home: Path | None = None,
    ) -> None:
        pass


@Animal.register("open")
class Open(Animal):
    def __init__(self, **kwargs: Any) -> None:
        pass


@Animal.register("self_made")
class SelfMade(Animal):
    def __init__(self, x: int) -> None:
        pass

    @classmethod
    def from_params(cls, params: Params, **extras: Any) -> "SelfMade":
        return cls(params.pop("y"))


@Animal.register("stranger")
def stranger(a, b=1):
    return a


class Farm(FromParams):
    def __init__(
        self, owner: Animal, others: Union[Animal, list[Animal], None] = None, size: bool = True
    ) -> None:
        pass


def valid(schema: dict[str, Any], value: Any) -> bool:
    jsonschema.Draft202012Validator.check_schema(schema)
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


SECTIONS = [
    ("hen", True),
    ("cock", False),
    ("sheep_dog", False),  # it needs arguments
    ("open", True),
    ("my_farm.animals.Cow", True),
    ({}, True),
    ({"eggs": 3}, True),
    ({"type": "hen", "eggs": 3, "name": None}, True),
    ({"type": "hen", "egs": 3}, False),
    ({"type": "hen", "eggs": "3"}, False),
    ({"type": "hen", "eggs": True}, False),
    ({"type": "hen", "eggs": 2.5}, False),
    ({"type": "sheep-dog", "coat": "LONG", "herd": []}, True),
    ({"type": "sheep_dog", "coat": "l", "herd": ["hen", {"eggs": 1}]}, True),
    ({"type": "sheep_dog", "coat": "curly", "herd": []}, False),
    ({"type": "sheep_dog", "coat": "l"}, False),
    ({"type": "sheep_dog", "coat": "l", "herd": "hen"}, False),
    ({"type": "sheep_dog", "coat": "l", "herd": [{"type": "hen", "egs": 1}]}, False),
    ({"type": "sheep_dog", "coat": "l", "herd": [], "collar": {"length": 3}}, True),
    ({"type": "sheep_dog", "coat": "l", "herd": [], "collar": {"length": 3, "colour": "green"}}, False),
    ({"type": "sheep_dog", "coat": "l", "herd": [], "collar": {}}, False),
    ({"type": "sheep_dog", "coat": "l", "herd": [], "friend": {"eggs": 3}}, True),
    ({"type": "sheep_dog", "coat": "l", "herd": [], "legs": [1, 2, 3, 4]}, True),
    ({"type": "sheep_dog", "coat": "l", "herd": [], "legs": [1, 2, 3]}, False),
    ({"type": "sheep_dog", "coat": "l", "herd": [], "legs": [1, 2, 3, 4, 5]}, False),
    ({"type": "sheep_dog", "coat": "l", "herd": [], "weights": {"a": 1, "b": [1.5]}}, True),
    ({"type": "sheep_dog", "coat": "l", "herd": [], "weights": {"a": "1"}}, False),
    ({"type": "sheep_dog", "coat": "l", "herd": [], "seen": ["a", "a"], "home": "x"}, True),
    ({"type": "sheep_dog", "coat": "l", "herd": [], "seen": {"a": "a"}}, False),
    ({"type": "open", "anything": [1]}, True),
    ({"type": "self_made", "y": 1}, True),
    ({"type": "stranger", "a": {"b": 1}}, True),
    ({"type": "stranger", "a": 1, "c": 1}, False),
    ({"type": "stranger"}, False),
    ({"type": "my_farm.animals.Cow", "any": 1}, True),
    ({"type": 3}, False),
    (3, False),
    ([], False),
]


@pytest.mark.parametrize(("section", "is_valid"), SECTIONS)
def test_sections_of_a_registry(section: Any, is_valid: bool) -> None:
    assert valid(registry_schema(Animal), section) is is_valid


@pytest.mark.parametrize(("section", "is_valid"), SECTIONS)
def test_the_schema_says_what_the_resolver_says(section: Any, is_valid: bool) -> None:
    from nlpreg.common.config.resolve import Resolver

    if "my_farm" in json.dumps(section):
        return  # cannot be imported
    resolver = Resolver({"vocab"})
    resolver.object(Animal, section, "animal")
    assert (not resolver.problems) is is_valid, resolver.problems


def test_what_a_plugin_builds_later_may_lack_arguments() -> None:
    section = {"type": "sheep_dog", "coat": "l", "herd": [], "friend": {"type": "sheep_dog"}}
    assert valid(registry_schema(Animal), section)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, {"type": "integer"}),
        (Any, {}),
        (Optional[int], {"type": ["integer", "null"]}),
        (Union[int, str, None], {"type": ["integer", "string", "null"]}),
        (Union[int, Any], {}),
        (list[list[str]], {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}),
        (tuple[float, ...], {"type": "array", "items": {"type": "number"}}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (list, {}),
    ],
)
def test_annotations(annotation: Any, expected: dict[str, Any]) -> None:
    assert SchemaWriter().annotation(annotation) == expected


def test_descriptions_and_defaults_come_from_the_class() -> None:
    hen = registry_schema(Animal)["$defs"]["Animal.hen"]
    assert hen["description"] == "A bird."
    assert hen["properties"]["eggs"] == {
        "type": "integer",
        "description": "number in a week.",
        "default": 5,
    }
    assert hen["properties"]["name"] == {
        "type": ["string", "null"],
        "description": "what it answers to.",
    }


def test_an_experiment_has_further_keys_at_its_top() -> None:
    class Run(Registrable):
        default_implementation = "default"

    class DefaultRun(Run):
        def __init__(self, model: Animal, folder: str) -> None:
            pass

    Run.register("default")(DefaultRun)
    schema = experiment_schema(Run, {"random_seed": int}, ["folder"], [Animal])
    assert schema["$schema"] == DIALECT
    assert valid(schema, {"model": "hen", "random_seed": 3})
    assert valid(schema, {"model": {"type": "hen"}, "random_seed": None})
    assert not valid(schema, {"model": "hen", "random_sed": 3})
    assert not valid(schema, {"random_seed": 3})


def test_the_schema_is_json() -> None:
    assert json.loads(json.dumps(registry_schema(Animal), allow_nan=False)) == registry_schema(Animal)


def test_classes_of_one_name_get_definitions_of_their_own() -> None:
    def base(cls_name: str) -> Any:
        new = type("Twin", (Registrable,), {})
        new.register("a")(type(cls_name, (new,), {}))
        return new

    first, second = base("A"), base("B")
    writer = SchemaWriter()
    assert writer.registry(first) != writer.registry(second)
    assert len(writer.definitions) == 4


def test_a_registry_without_classes() -> None:
    class Nothing(Registrable):
        pass

    with pytest.raises(ConfigurationError, match="nothing is registered as Nothing"):
        Nothing.from_params(Params({}))
    assert not valid(SchemaWriter().annotation(Nothing), "a")
