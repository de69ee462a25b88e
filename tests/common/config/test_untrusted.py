import copy
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.untrusted import (
    Origin,
    check_resource,
    current_origin,
    guarded,
    is_remote_allowed,
    remote_allowed,
)
from nlpreg.common.file_utils import cached_path
from nlpreg.common.from_params import construct_arg, create_kwargs, pop_and_construct_arg
from nlpreg.common.lazy import Lazy
from nlpreg.common.params import Params
from nlpreg.common.registrable import Registrable


class Engine(Registrable):
    """Registered, with nothing to configure."""


class Wheel(Registrable):
    """Another family."""


class Round(Wheel):
    """Loaded, and in a family of its own."""


class Car(Registrable):
    """Takes parts in every way that an annotation allows."""

    def __init__(
        self,
        engine: Engine | None = None,
        later: Lazy[Engine] | None = None,
        many: list[Engine] | None = None,
        named: dict[str, Engine] | None = None,
        file: str | None = None,
    ) -> None:
        self.engine, self.later = engine, later
        self.text = None if file is None else Path(cached_path(file)).read_text()


class Opaque(Engine):
    """Builds itself, from sections that it makes anew."""

    @classmethod
    def from_params(cls, params: Any, **extras: Any) -> Any:
        return Engine.from_params(Params({**params.params["inner"]}))


class Electric(Engine):
    """Registered."""


@pytest.fixture(autouse=True)
def registered() -> None:
    Engine.register("test_electric")(Electric)
    Engine.register("test_opaque")(Opaque)
    Wheel.register("test_round")(Round)
    Car.register("test_car")(Car)


ORIGIN = Origin("model.tar.gz", "/nowhere")
HOSTILE = ["os.mkdir", "subprocess.Popen", "unittest.__main__.x", "not_loaded_yet.C", f"{__name__}.Round"]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "config",
    [
        {"engine": "HOSTILE"},
        {"later": "HOSTILE"},
        {"many": ["HOSTILE"]},
        {"named": {"a": "HOSTILE"}},
        {"engine": {"type": "test_opaque", "inner": "HOSTILE"}},
        {"many": [{"type": "test_opaque", "inner": "HOSTILE"}]},
    ],
)
def test_only_classes_of_the_family_count(
    name: str, config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "not_loaded_yet.py").write_text("import os\nos.mkdir('EVIL')\nclass C: pass\n")
    section = put(config, {"type": name, "path": "EVIL", "args": ["mkdir", "EVIL"]})
    with pytest.raises(ConfigurationError, match='is refused: the config of the archive "?model.tar.gz'):
        Car.from_params(Params({"type": "test_car", **section}, origin=ORIGIN))
    assert os.listdir(tmp_path) == ["not_loaded_yet.py"]


def put(config: Any, section: Any) -> Any:
    """The config with the section in place of the word HOSTILE."""
    if isinstance(config, dict):
        return {key: put(value, section) for key, value in config.items()}
    if isinstance(config, list):
        return [put(value, section) for value in config]
    return copy.deepcopy(section) if config == "HOSTILE" else config


def test_a_loaded_class_of_the_family_counts() -> None:
    section = Params({"engine": {"type": f"{__name__}.Electric"}}, origin=ORIGIN)
    assert isinstance(Car.from_params(Params({"type": "test_car"}, origin=ORIGIN)), Car)
    assert isinstance(construct_arg("Car", "engine", section["engine"], Engine, None), Electric)


def test_the_origin_travels() -> None:
    params = Params({"a": {"b": [{"c": {}}]}, "lazy": {"type": "os.mkdir"}}, origin=ORIGIN)
    sections = [params["a"], params.get("a"), params["a"]["b"][0], params.duplicate(), copy.copy(params)]
    sections += [pickle.loads(pickle.dumps(params)), params.duplicate().pop("a")]
    assert all(section.origin == ORIGIN for section in sections)
    assert Params({}).origin is None
    car = Car.from_params(
        Params(
            {"type": "test_car", "later": {"type": "test_opaque", "inner": {"type": "os.mkdir"}}},
            origin=ORIGIN,
        )
    )
    with pytest.raises(ConfigurationError, match="is refused"):
        car.later.construct()
    with guarded(ORIGIN):
        assert Params({}).origin == ORIGIN
    assert current_origin() is None


def test_every_way_to_build_an_argument_is_guarded() -> None:
    def hostile() -> Params:
        return Params({"engine": {"type": "os.mkdir"}}, origin=ORIGIN)

    with pytest.raises(ConfigurationError, match="is refused"):
        construct_arg("Car", "engine", hostile()["engine"], Engine, None)
    with pytest.raises(ConfigurationError, match="is refused"):
        construct_arg("Car", "many", [hostile()["engine"]], list[Engine], None)
    with pytest.raises(ConfigurationError, match="is refused"):
        pop_and_construct_arg("Car", "engine", Engine, None, hostile())
    with pytest.raises(ConfigurationError, match="is refused"):
        create_kwargs(Car.__init__, Car, hostile())
    with pytest.raises(ConfigurationError, match="is refused"):
        Lazy(Engine, hostile()["engine"]).construct()


def test_what_the_caller_passes_wins(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "theirs").write_text("theirs")
    params = Params({"file": str(tmp_path / "theirs")}, origin=ORIGIN)
    car = Car.from_params(
        Params({"type": "test_car", **params.params}, origin=ORIGIN), file=str(tmp_path / "mine")
    )
    assert car.text == "mine"


def test_files_and_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("inside", "outside", "given"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(name)
    (tmp_path / "inside" / "link.txt").symlink_to(tmp_path / "outside" / "a.txt")
    origin = Origin("model.tar.gz", str(tmp_path / "inside"))
    origin = origin.allowing({"x": [f"{tmp_path}/given/*.txt", "https://example.org/x"], "y": 3})

    def read(path: str, origin: Origin = origin) -> str | None:
        section = Params({"type": "test_car", "file": path}, origin=origin)
        return Car.from_params(section).text

    assert read(f"{tmp_path}/inside/a.txt") == "inside"
    assert read(f"{tmp_path}/given/a.txt") == "given"
    refused = ["outside/a.txt", "inside/../outside/a.txt", "inside/link.txt", "insider"]
    for path in [*(f"{tmp_path}/{name}" for name in refused), "http://127.0.0.1:9/x", "hf://a/b", "~/x"]:
        with pytest.raises(ConfigurationError, match="refused, because .* model.tar.gz .*--allow-remote"):
            read(path)
    with guarded(origin):
        check_resource("https://example.org/x")
    assert read(f"{tmp_path}/outside/a.txt", Origin("model.tar.gz", "/x", allow_remote=True)) == "outside"
    monkeypatch.delenv("NLPREG_ALLOW_REMOTE", raising=False)
    with remote_allowed():
        assert is_remote_allowed()
        assert read(f"{tmp_path}/outside/a.txt") == "outside"
    assert not is_remote_allowed()
