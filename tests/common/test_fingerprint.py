import enum
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from nlpreg.common.fingerprint import NoFingerprintError, fingerprint, fingerprint_of_files
from nlpreg.common.registrable import Registrable


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Plain:
    def __init__(self, **values):
        vars(self).update(values)


@dataclass
class Record:
    a: int
    b: str = "x"


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a


class Telling(Registrable):
    def __init__(self, size):
        self.size = size
        self.model = object()

    def _to_params(self):
        return {"size": self.size}


class Keeping(Telling):
    def __init__(self, size, more):
        super().__init__(size)
        self.model, self.more = None, more


def function():
    pass


DIFFERENT = [
    None,
    True,
    1,
    1.0,
    "1",
    b"1",
    "",
    [],
    (),
    {},
    set(),
    [1, 2],
    [2, 1],
    [[1], 2],
    {"a": 1, "b": 2},
    {"a": 1, "b": 3},
    {1: "a"},
    {"1": "a"},
    {1, 2},
    Path("a/b"),
    Color.RED,
    Color.BLUE,
    re.compile("a"),
    re.compile("a", re.IGNORECASE),
    Plain,
    function,
    Plain(a=1),
    Plain(a=2),
    Plain(b=1),
    Record(1),
    Record(1, "y"),
    Slotted(1),
    Slotted(2),
    Telling(1),
    Telling(2),
    Keeping(1, "a"),  # a `_to_params` that is inherited does not say everything
    Keeping(1, "b"),
]


def test_different_things_differ():
    assert len({fingerprint(value) for value in DIFFERENT}) == len(DIFFERENT)


def test_things_that_are_built_alike_agree():
    assert fingerprint({"a": 1, "b": {3, 4}}) == fingerprint({"b": {4, 3}, "a": 1})
    assert fingerprint(Plain(a=[Record(1)], b=2)) == fingerprint(Plain(b=2, a=[Record(1)]))
    shared = [1]
    assert fingerprint([shared, shared]) == fingerprint([[1], [1]])
    assert fingerprint(Plain(a=1, b=object()), leave_out=["b"]) == fingerprint(Plain(a=1), leave_out=["b"])


def test_every_process_agrees():
    program = (
        "from nlpreg.common.fingerprint import fingerprint\n"
        "from nlpreg.common.iteration import SlicedSequence\n"
        "print(fingerprint([SlicedSequence('abcdef', slice(1, 3)), {'x', 'y', 'z'}]))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
        ).stdout
        for _ in range(2)
    }
    assert len(outputs) == 1
    assert len(outputs.pop().strip()) == 40


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "builtins.object, whose content cannot be seen"),
        (lambda: 1, "may depend on its enclosing scope"),
        (iter([]), "whose content cannot be seen"),
        ([Plain(a=(i for i in []))], "<genexpr>"),
    ],
)
def test_what_cannot_be_told_is_an_error(value, message):
    with pytest.raises(NoFingerprintError, match=message):
        fingerprint(value)


def test_what_contains_itself_is_an_error():
    value = Plain()
    value.me = value
    with pytest.raises(NoFingerprintError, match="Plain that contains itself"):
        fingerprint(value)


def test_a_change_of_code_is_a_change(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    found = set()
    for i, body in enumerate(["x = 1", "x = 2"]):
        (tmp_path / f"plugin_{i}.py").write_text(f"class Reader:\n    {body}\n")
        module = __import__(f"plugin_{i}")
        module.Reader.__module__, module.Reader.__qualname__ = f"plugin_{i}", "Reader"
        found.add(fingerprint(module.Reader()))
    assert len(found) == 2


def test_files_by_their_content(tmp_path):
    for name, text in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name).write_text(text)
    a, b, c = (fingerprint_of_files(str(tmp_path / name)) for name in "abc")
    assert a == b != c
