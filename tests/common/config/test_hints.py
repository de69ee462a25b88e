from typing import Any, List

from nlpreg.common import FromParams
from nlpreg.common.config.hints import signature_of


class Grandparent(FromParams):
    def __init__(self, a: int, b: str = "b") -> None:
        pass


class Parent(Grandparent):
    def __init__(self, c: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    @classmethod
    def other(cls, d: "List[int]", **kwargs: Any) -> "Parent":
        return cls(1.0, **kwargs)


class Child(Parent):
    pass


class Override(Parent):
    def __init__(self, b: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)


def test_parameters_are_collected_through_kwargs() -> None:
    assert list(signature_of(Parent).parameters) == ["c", "a", "b"]
    assert list(signature_of(Child).parameters) == ["c", "a", "b"]
    assert not signature_of(Child).open
    assert signature_of(Override).parameters["b"].annotation is int


class Fixed(Parent):
    def __init__(self, d: int, **kwargs: Any) -> None:
        super().__init__(d, a=1, **kwargs)


def test_what_a_constructor_gives_to_its_parent_is_no_parameter() -> None:
    # `d` goes to the parent's first parameter `c`, and `a` by name: only `b` is left for a config.
    assert list(signature_of(Fixed).parameters) == ["d", "b"]
    assert not signature_of(Fixed).open


def test_a_classmethod_passes_its_kwargs_to_the_class() -> None:
    signature = signature_of(Parent, Parent.other)
    # It gives `c` itself.
    assert list(signature.parameters) == ["d", "a", "b"]
    assert signature.parameters["d"].annotation == List[int]
    assert not signature.open
    # The constructor that is called is that of the subclass.
    assert list(signature_of(Override, Override.other).parameters) == ["d", "c", "a"]


class Keeping(Parent):
    @classmethod
    def kept(cls, d: int, **kwargs: Any) -> "Keeping":
        made = cls(1.0)
        made.kept_arguments = kwargs
        return made


def test_a_classmethod_that_uses_its_kwargs_otherwise_takes_anything() -> None:
    signature = signature_of(Keeping, Keeping.kept)
    assert list(signature.parameters) == ["d"]
    assert signature.open


def test_a_name_that_cannot_be_resolved_is_left_as_text() -> None:
    class Odd:
        def __init__(self, x: "Nobody", y: "int") -> None:  # noqa: F821
            pass

    parameters = signature_of(Odd).parameters
    assert parameters["x"].annotation == "Nobody"
    assert parameters["y"].annotation is int
