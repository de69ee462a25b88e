import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.training.util import (
    data_loaders_from_params,
    enable_gradient_clipping,
    get_batch_size,
    get_valid_tokens_mask,
    make_vocab_from_params,
    move_optimizer_to_cuda,
    ngrams,
    rescale_gradients,
    str_to_time,
    time_to_str,
)


def test_times_there_and_back():
    text = time_to_str(1_600_000_000.9)
    assert len(text) == len("2020-09-13-12-26-40")
    assert str_to_time(text).timestamp() == 1_600_000_000


@pytest.mark.parametrize(
    ("batch", "size"),
    [
        (torch.zeros(3, 4), 3),
        ({"tokens": {"tokens": torch.zeros(5, 2)}, "label": torch.zeros(5)}, 5),
        ({}, 0),
        ({"metadata": ["a", "b"]}, 0),
        (torch.zeros(()), 0),
        (None, 0),
    ],
)
def test_batch_sizes(batch, size):
    assert get_batch_size(batch) == size


def test_gradients_are_clipped_as_they_are_made():
    model = torch.nn.Linear(2, 1)
    model.bias.requires_grad_(False)
    enable_gradient_clipping(model, None)
    enable_gradient_clipping(model, 0.5)
    (3 * model(torch.tensor([[1.0, -0.1]]))).sum().backward()
    assert model.weight.grad.tolist() == [[0.5, pytest.approx(-0.3)]]


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # about what torch itself does
def test_sparse_gradients_are_clipped_too():
    embedding = torch.nn.Embedding(3, 1, sparse=True)
    enable_gradient_clipping(embedding, 1.5)
    embedding(torch.tensor([1, 1, 2])).sum().backward()
    assert embedding.weight.grad.to_dense().tolist() == [[0.0], [1.5], [1.0]]


def test_gradients_are_rescaled():
    model = torch.nn.Linear(2, 1, bias=False)
    model(torch.tensor([[3.0, 4.0]])).sum().backward()
    assert rescale_gradients(model, None) is None
    assert rescale_gradients(model, 1.0) == pytest.approx(5.0)
    torch.testing.assert_close(model.weight.grad, torch.tensor([[0.6, 0.8]]))


def test_the_state_of_an_optimizer_follows_its_parameters():
    parameter = torch.nn.Parameter(torch.zeros(2, device="meta"))
    optimizer = torch.optim.Adam([parameter])
    optimizer.state[parameter] = {"exp_avg": torch.zeros(2), "step": 3}
    move_optimizer_to_cuda(optimizer)
    assert optimizer.state[parameter]["exp_avg"].device.type == "meta"
    assert optimizer.state[parameter]["step"] == 3


def test_ngrams():
    ids = torch.tensor([1, 2, 1, 2, 0])
    assert ngrams(ids, 1, {0}) == {(1,): 2, (2,): 2}
    assert ngrams(ids, 2, {0}) == {(1, 2): 2, (2, 1): 1}
    assert ngrams(ids, 2, set()) == {(1, 2): 2, (2, 1): 1, (2, 0): 1}
    assert ngrams(ids, 6, set()) == {}
    assert ngrams(torch.zeros(0, dtype=torch.long), 1, set()) == {}


def test_valid_tokens():
    ids = torch.tensor([[1, 0], [5, 2]])
    assert get_valid_tokens_mask(ids, {0, 5}).tolist() == [[True, False], [False, True]]
    assert get_valid_tokens_mask(ids, set()).all()


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
    with pytest.raises(ConfigurationError, match="this folder already has a vocabulary"):
        make_vocab_from_params(Params(dict(config)), tmp_path / "run")
