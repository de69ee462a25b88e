import logging
from pathlib import Path

import pytest

from nlpreg.common import Registrable
from nlpreg.common.checks import ConfigurationError


class Animal(Registrable):
    pass


@Animal.register("cat")
@Animal.register("kitten", constructor="small")
class Cat(Animal):
    def __init__(self, size: int = 4) -> None:
        self.size = size

    @classmethod
    def small(cls) -> "Cat":
        return cls(1)


def test_one_class_may_have_several_names_with_constructors_of_their_own() -> None:
    assert Animal.by_name("cat") is Cat
    assert Animal.by_name("kitten")().size == 1
    assert Animal.resolve_class_name("kitten") == (Cat, "small")


def test_names_are_listed_in_order_with_the_default_first() -> None:
    class Base(Registrable):
        default_implementation = "b"

    for name in "abc":
        Base.register(name)(Cat)
    assert Base.list_available() == ["b", "a", "c"]
    Base.default_implementation = "z"
    with pytest.raises(ConfigurationError, match="'z' is not registered"):
        Base.list_available()


def test_a_taken_name_names_both_classes(caplog: pytest.LogCaptureFixture) -> None:
    class Dog(Animal):
        pass

    decorate = Animal.register("cat")  # only applying it is an error
    with pytest.raises(ConfigurationError, match=r"Dog as Animal 'cat': the name is taken by .*Cat"):
        decorate(Dog)
    with caplog.at_level(logging.INFO):
        Animal.register("cat", exist_ok=True)(Dog)
    assert "replaces" in caplog.text
    assert Animal.by_name("cat") is Dog
    Animal.register("cat", exist_ok=True)(Cat)


def test_registries_belong_to_the_base_that_registered() -> None:
    class Middle(Animal):
        pass

    Middle.register("lion")(Cat)
    assert Middle.list_available() == ["lion"]
    assert "lion" not in Animal.list_available()


@pytest.mark.parametrize(("name", "suggestion"), [("catt", '"cat"'), ("kiten", '"kitten"'), ("Cat", '"cat"')])
def test_an_unknown_name_suggests_the_nearest(name: str, suggestion: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"did you mean {suggestion}.*--include-package.*nlpreg_plugins"
    ):
        Animal.by_name(name)


def test_dashes_and_underscores_are_alike() -> None:
    Animal.register("big-cat", exist_ok=True)(Cat)
    assert Animal.by_name("big_cat") is Cat


def test_fully_qualified_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "zoo_one.py").write_text("class Zebra: pass\n")
    (tmp_path / "zoo_two.py").write_text("import surely_missing_module\n")
    assert Animal.by_name("zoo_one.Zebra").__name__ == "Zebra"
    with pytest.raises(ConfigurationError, match="has no 'Zebr'.*did you mean \"Zebra\""):
        Animal.by_name("zoo_one.Zebr")
    with pytest.raises(ConfigurationError, match="there is no module 'zoo_three'"):
        Animal.by_name("zoo_three.Zebra")
    reason = "'zoo_two', imported for 'zoo_two.Zebra', failed: ModuleNotFoundError: .*surely_missing_module.*zoo_two.py:1"
    with pytest.raises(ConfigurationError, match=reason):
        Animal.by_name("zoo_two.Zebra")
    for name in ("../../etc/passwd", "a..b", ".a", "os.path"):
        with pytest.raises(
            ConfigurationError, match="is not a registered Animal|is a module; expected a class"
        ):
            Animal.by_name(name)


def test_the_fallback_of_to_params_guesses(caplog: pytest.LogCaptureFixture) -> None:
    class Bird(Animal):
        def __init__(self, wings: int, song: str, colour: str = "red") -> None:
            self._wings = wings

    Animal.register("bird", exist_ok=True)(Bird)
    assert Bird(2, "la").to_params().as_dict() == {"type": "bird", "wings": 2}
    assert "'song'" in caplog.text

    assert Bird(2, "la").all_arguments() == {"type": "bird", "wings": 2}

    class Unknown(Animal):
        pass

    with pytest.raises(KeyError, match="Unknown is not registered"):
        Unknown().to_params()
