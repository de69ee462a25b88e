import ast
from collections import defaultdict
from pathlib import Path

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.source_scan import RegistryScan, _scan

ROOT = Path(__file__).parents[2]

SOURCE = '''
@Animal.register("hen")
@Animal.register("chicken", exist_ok=True)
class Hen(Animal):
    """A bird
    that lays eggs.

    Args:
        x: nothing.
    """

Animal.register("cow", constructor="make")(Cow)
for name, cls in {"dog": pets.Dog, "cat": Cat}.items():
    Animal.register(name)(cls)
for name in names():
    Plant.register(name)(make(name))
registry.register("not_a_base")
'''


def test_what_a_source_registers() -> None:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    incomplete: set[str] = set()
    _scan(ast.parse(SOURCE), found, incomplete)
    assert found == {
        "animal": {
            "hen": "A bird that lays eggs.",
            "chicken": "A bird that lays eggs.",
            "cow": "",
            "dog": "pets.Dog",
            "cat": "Cat",
        },
        "plant": {},
    }
    assert incomplete == {"plant"}


def test_completeness() -> None:
    scan = RegistryScan({"seq2seq_encoder": {"lstm": ""}, "plant": {}}, {"plant"})
    assert not scan.is_complete(None)
    assert (
        scan.is_complete("Seq2SeqEncoder") and not scan.is_complete("plant") and not scan.is_complete("other")
    )
    assert scan.registry("Seq2SeqEncoder") == {"lstm": ""}
    with pytest.raises(ConfigurationError, match='there is no registry "plants"; did you mean "plant"'):
        scan.registry("plants")


def test_the_fast_way_sees_what_the_syntax_tree_shows() -> None:
    from nlpreg.common import source_scan

    num_fast = 0
    for path in source_scan._python_files(str(ROOT / "nlpreg")):
        text = Path(path).read_text(encoding="utf-8")
        fast: dict[str, dict[str, str]] = defaultdict(dict)
        slow: dict[str, dict[str, str]] = defaultdict(dict)
        if ".register(" in text and source_scan._scan_plain(text, fast):
            source_scan._scan(ast.parse(text), slow, set())
            assert fast == slow, path
            num_fast += 1
    assert num_fast > 100
