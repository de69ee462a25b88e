"""Words from their pieces."""

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Batch, DatasetReader, Vocabulary
from nlpreg.models import Model
from nlpreg.modules.token_embedders import PretrainedTransformerMismatchedEmbedder, TokenEmbedder
from nlpreg.training.optimizers import HuggingfaceAdamWOptimizer

pytest.importorskip("transformers")

IDS = torch.tensor([[2, 5, 6, 8, 3, 0], [2, 7, 8, 8, 9, 3]])
PIECES = torch.tensor([[True] * 5 + [False], [True] * 6])
WORDS = torch.tensor([[True, True, True], [True, True, False]])
OFFSETS = torch.tensor([[[1, 1], [2, 3], [-1, -1]], [[1, 3], [4, 4], [0, 0]]])


def build(name, **options):
    return PretrainedTransformerMismatchedEmbedder(name, **options).eval()


def test_means_of_pieces(tiny_transformer):
    embedder = build(tiny_transformer)
    pieces = embedder._matched_embedder(IDS, PIECES)
    words = embedder(IDS, WORDS, OFFSETS, PIECES)
    assert words.shape == (2, 3, embedder.get_output_dim())
    torch.testing.assert_close(words[0, 0], pieces[0, 1])
    torch.testing.assert_close(words[0, 1], pieces[0, 2:4].mean(0))
    assert not words[0, 2].any()
    torch.testing.assert_close(words[1, 0], pieces[1, 1:4].mean(0))
    torch.testing.assert_close(words[1, 1], pieces[1, 4])
    assert all(name.startswith("_matched_embedder.transformer_model.") for name in embedder.state_dict())


def test_first_pieces(tiny_transformer):
    embedder = build(tiny_transformer, sub_token_mode="first")
    pieces = embedder._matched_embedder(IDS, PIECES)
    words = embedder(IDS, WORDS, OFFSETS, PIECES)
    torch.testing.assert_close(words[WORDS & (OFFSETS[..., 0] >= 0)], pieces[[0, 0, 1, 1], [1, 2, 1, 4]])
    assert not words[0, 2].any()  # a word without pieces


def test_other_modes_are_refused(tiny_transformer):
    with pytest.raises(ConfigurationError, match="expected 'avg' or 'first', got 'last'"):
        build(tiny_transformer, sub_token_mode="last")(IDS, WORDS, OFFSETS, PIECES)


def test_a_tagger_labels_every_word_of_a_long_document(tiny_transformer):
    """The transformer sees segments of eight word pieces, and loss, metrics and predictions have all words."""
    part = {"type": "pretrained_transformer_mismatched", "model_name": tiny_transformer, "max_length": 8}
    reader = DatasetReader.from_params(
        Params({"type": "sequence_tagging", "token_indexers": {"tokens": dict(part)}})
    )
    words, tags = ["the", "dogs", "a", "cat"] * 12, ["X", "Y", "X", "Y"] * 12
    instances = [reader.text_to_instance(words, tags), reader.text_to_instance(words[:3], tags[:3])]
    for instance in instances:
        reader.apply_token_indexers(instance)
    vocab = Vocabulary.from_instances(instances)
    config = {
        "type": "simple_tagger",
        "text_field_embedder": {"token_embedders": {"tokens": dict(part)}},
        "encoder": {"type": "pass_through", "input_dim": 8},
    }
    tagger = Model.from_params(Params(config), vocab=vocab).eval()
    batch = Batch(instances)
    batch.index_instances(vocab)
    fields = batch.as_tensor_dict()
    output = tagger(**fields)
    log_probabilities = output["logits"].log_softmax(-1)
    by_sentence = [
        -log_probabilities[row, range(length), fields["tags"][row, :length]].mean()
        for row, length in enumerate((48, 3))
    ]
    torch.testing.assert_close(output["loss"], sum(by_sentence) / 2)
    assert [len(row) for row in tagger.make_output_human_readable(output)["tags"]] == [48, 3]
    # A word's label depends on its own segment alone, so the last word's does on what is there, not on padding.
    assert output["logits"][0].std(0).gt(0).all()


def test_every_layer_has_its_learning_rate(tiny_transformer):
    embedder = TokenEmbedder.from_params(
        Params({"type": "pretrained_transformer_mismatched", "model_name": tiny_transformer})
    )
    model = torch.nn.ModuleDict(
        {"text_field_embedder": embedder, "tag_projection_layer": torch.nn.Linear(8, 2)}
    )
    groups = [
        ([rf"text_field_embedder.*\.layer\.{number}\."], {"lr": 0.01 * 0.5 ** (1 - number)})
        for number in (0, 1)
    ]
    groups.append(([r"text_field_embedder(?!.*\.layer\.\d)"], {"lr": 0.01 * 0.5**2}))
    optimizer = HuggingfaceAdamWOptimizer(list(model.named_parameters()), groups, lr=1.0)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        expected = 1.0
        if name.startswith("text_field_embedder"):
            expected = 0.01 if ".layer.1." in name else 0.005 if ".layer.0." in name else 0.0025
        assert rates[id(parameter)] == expected, name
