import json

import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.training.util import create_serialization_dir

CONFIG = {"model": {"type": "m", "size": 3}, "trainer": {"num_epochs": 2}}


def create(folder, recover=False, force=False, config=CONFIG):
    create_serialization_dir(Params(config), str(folder), recover, force)


@pytest.fixture
def used(tmp_path):
    folder = tmp_path / "used"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "best.th").write_text("weights")
    return folder


@pytest.mark.parametrize("force", [True, False])
def test_a_missing_folder_is_made(tmp_path, force):
    create(tmp_path / "a" / "b", force=force)
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("force", [True, False])
def test_an_empty_folder_is_used(tmp_path, force):
    (tmp_path / "x").mkdir()
    create(tmp_path / "x", force=force)
    assert (tmp_path / "x").is_dir()


def test_a_folder_in_use_is_refused(used):
    with pytest.raises(ConfigurationError, match="is not empty; give another one, or --recover"):
        create(used)
    assert (used / "best.th").exists()


def test_force_deletes(used):
    create(used, force=True)
    assert list(used.iterdir()) == []


def test_recovering(used):
    create(used, recover=True)
    assert (used / "best.th").exists()


def test_recovering_with_another_config(used, caplog):
    config = {"model": {"type": "m", "size": 4}, "trainer": {"num_epochs": 2, "optimizer": "adam"}}
    with pytest.raises(ConfigurationError, match="model.size: 3 in the folder, 4 now; trainer.optimizer"):
        create(used, recover=True, config=config)
    assert caplog.text.count("the config differs at") == 2


@pytest.mark.parametrize(
    "change",
    [
        {"num_epochs": 8},
        {"patience": 3},
        {"checkpointer": {"keep_most_recent_by_count": 5}},
        {"callbacks": ["tensorboard", {"type": "wandb"}]},
    ],
)
def test_what_changes_neither_data_nor_weights_may_differ(used, change, caplog):
    caplog.set_level("INFO")
    create(used, recover=True, config={**CONFIG, "trainer": {**CONFIG["trainer"], **change}})
    assert "the run is resumed with another config at trainer." in caplog.text
    with pytest.raises(ConfigurationError, match="data_loader.batch_size"):
        create(used, recover=True, config={**CONFIG, "data_loader": {"batch_size": 3}})


@pytest.mark.parametrize("names", [[".config.json.abcdefgh.tmp"], ["out.log"], ["config.json", "meta.json"]])
@pytest.mark.parametrize("recover", [False, True])
def test_a_run_that_was_killed_right_at_its_start_starts_anew(tmp_path, names, recover):
    for name in names:
        (tmp_path / name).write_text('{"model": ')  # half of a config
    if recover and "config.json" in names:
        return  # a config that cannot be read is no config to resume with
    create(tmp_path, recover=recover)


def test_a_folder_of_something_else_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("text")
    with pytest.raises(ConfigurationError, match="is not empty"):
        create(tmp_path)
    with pytest.raises(ConfigurationError, match=r"there is no config.json"):
        create(tmp_path, recover=True)


def test_recovering_from_nothing(tmp_path):
    with pytest.raises(ConfigurationError, match="found nothing there"):
        create(tmp_path / "missing", recover=True)
    with pytest.raises(ConfigurationError, match=r"there is no config.json"):
        create(tmp_path, recover=True)


def test_both_flags(used):
    with pytest.raises(ConfigurationError, match="expected one of them, got both"):
        create(used, recover=True, force=True)


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="expected a folder for the run, found a file"):
        create(tmp_path / "file")
    with pytest.raises(ConfigurationError, match="cannot make the folder of the run"):
        create(tmp_path / "file" / "below")
