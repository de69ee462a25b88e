from typing import Any, List, Optional

import pytest

from nlpreg.common import FromParams, Lazy, Params, Registrable
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.resolve import Resolver


class Thing(FromParams):
    def __init__(self, size: int, model: Optional[str] = None) -> None:
        self.size, self.model = size, model


class Owner(FromParams):
    def __init__(self, thing: Lazy[Thing], things: Optional[List[Lazy[Thing]]] = None) -> None:
        self.thing, self.things = thing, things


def test_built_later_as_often_as_wanted() -> None:
    owner = Owner.from_params(Params({"thing": {"size": 3}, "things": [{"size": 1}]}))
    first, second = owner.thing.construct(model="m"), owner.thing.construct(model="n", unused=1)
    assert (first.size, first.model, second.size, second.model) == (3, "m", 3, "n")
    assert owner.things[0].construct().size == 1


def test_extras_are_kept_and_the_config_wins() -> None:
    owner = Owner.from_params(Params({"thing": {"size": 3, "model": "mine"}}), model="extra")
    assert owner.thing.construct(model="late").model == "mine"


def test_the_section_is_checked_at_once_except_for_what_comes_later() -> None:
    with pytest.raises(ConfigurationError, match=r"thing\.size: expected an integer"):
        Owner.from_params(Params({"thing": {"size": "3"}}))
    owner = Owner.from_params(Params({"thing": {}}))  # somebody may still pass a size
    assert owner.thing.construct(size=2).size == 2
    with pytest.raises(ConfigurationError, match=r'thing\.size: key "size" is required'):
        owner.thing.construct()


def test_a_function_or_class_given_in_code() -> None:
    assert Lazy(lambda a, b: (a, b), a=1).construct(b=2) == (1, 2)
    assert Lazy(Thing, Params({"size": 1}), {"model": "a"}).construct().model == "a"
    assert Lazy(Thing).constructor is Thing


def test_a_class_without_from_params_cannot_be_built_later() -> None:
    with pytest.raises(AttributeError, match="from_params"):
        Lazy(int).construct()


def test_a_section_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was checked with the whole config is built as it is, and read again only where something has changed."""

    class Wheel(Registrable):
        def __init__(self, width: int, car: str = "none", vocab: Any = None) -> None:
            self.width, self.car, self.vocab = width, car, vocab

    Wheel.register("plain")(Wheel)

    class Cart(FromParams):
        def __init__(self, wheel: Lazy[Wheel]) -> None:
            self.wheel = wheel

    cart = Cart.from_params(Params({"wheel": {"type": "plain", "width": 3}}), vocab="words")
    resolutions = []
    original = Resolver.object
    monkeypatch.setattr(
        Resolver,
        "object",
        lambda self, *args, **kwargs: resolutions.append(args) or original(self, *args, **kwargs),
    )
    first, second = cart.wheel.construct(), cart.wheel.construct()
    assert (first.width, first.vocab, first is second, resolutions) == (3, "words", False, [])
    assert cart.wheel.construct(car="red").car == "red"  # nobody could know of it
    assert len(resolutions) == 1
    cart.wheel.params["width"] = 4
    assert cart.wheel.construct().width == 4
