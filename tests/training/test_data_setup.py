import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.training.util import data_loaders_from_params, make_vocab_from_params


@pytest.fixture
def config(tmp_path):
    for name, text in (("train", "a###X b###Y"), ("dev", "c###X d###Y\nc###Y"), ("test", "e###Z")):
        (tmp_path / f"{name}.txt").write_text(text + "\n")
    return {
        "dataset_reader": {"type": "sequence_tagging"},
        "train_data_path": str(tmp_path / "train.txt"),
        "validation_data_path": str(tmp_path / "dev.txt"),
        "test_data_path": str(tmp_path / "test.txt"),
        "data_loader": {"batch_size": 2},
        "model": "kept",
    }


def words_of(loader):
    return [[token.text for token in instance["tokens"]] for instance in loader.iter_instances()]


def test_a_loader_for_each_data_set(config, tmp_path):
    params = Params({**config, "validation_data_loader": {"batch_size": 1}})
    loaders = data_loaders_from_params(params, serialization_dir=tmp_path)
    assert list(loaders) == ["train", "validation", "test"]
    assert words_of(loaders["validation"]) == [["c", "d"], ["c"]]
    assert [loader.batch_size for loader in loaders.values()] == [2, 1, 1]
    assert params.as_dict(quiet=True) == {"model": "kept"}


def test_only_what_is_wanted(config):
    assert list(data_loaders_from_params(Params(config), train=False, test=False)) == ["validation"]
    assert data_loaders_from_params(Params({"model": "x"})) == {}


def test_a_reader_for_validation_and_test(config):
    params = Params({**config, "validation_dataset_reader": {"type": "sequence_tagging", "max_instances": 1}})
    loaders = data_loaders_from_params(params)
    assert len(words_of(loaders["validation"])) == 1


def test_a_vocabulary_of_all_data(config, tmp_path):
    vocab = make_vocab_from_params(Params(config), tmp_path / "run")
    assert {"a", "c", "e"} <= set(vocab.get_token_to_index_vocabulary("tokens"))
    assert (tmp_path / "run" / "vocabulary" / "tokens.txt").exists()


def test_a_vocabulary_of_some_data(config, tmp_path):
    params = Params({**config, "datasets_for_vocab_creation": ["validation"]})
    vocab = make_vocab_from_params(params, str(tmp_path / "run"))
    words = set(vocab.get_token_to_index_vocabulary("tokens"))
    assert {"c", "d"} <= words
    assert "a" not in words


def test_a_vocabulary_that_needs_no_data(config, tmp_path):
    saved = make_vocab_from_params(Params(dict(config)), tmp_path / "first")
    for path in tmp_path.glob("*.txt"):
        path.unlink()
    section = {"type": "from_files", "directory": str(tmp_path / "first" / "vocabulary")}
    again = make_vocab_from_params(Params({**config, "vocabulary": section}), tmp_path / "second")
    assert again.get_vocab_size("tokens") == saved.get_vocab_size("tokens")


def test_statistics(config, tmp_path, capsys):
    make_vocab_from_params(Params(config), tmp_path / "run", print_statistics=True)
    assert "validation: 2 instances" in capsys.readouterr().out


def test_an_unknown_data_set(config, tmp_path):
    params = Params({**config, "datasets_for_vocab_creation": ["dev"]})
    with pytest.raises(
        ConfigurationError, match=r"expected names out of \['train', 'validation', 'test'\].*got 'dev'"
    ):
        make_vocab_from_params(params, tmp_path / "run")


def test_a_vocabulary_that_is_there(config, tmp_path):
    folder = tmp_path / "run" / "vocabulary"
    folder.mkdir(parents=True)
    make_vocab_from_params(Params(dict(config)), tmp_path / "run")  # an empty folder is no vocabulary
    with pytest.raises(ConfigurationError, match="there is a vocabulary already"):
        make_vocab_from_params(Params(dict(config)), tmp_path / "run")
