import inspect
import math

import pytest
import torch
from torch import nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.language_model import LanguageModel
from nlpreg.models.model import Model
from nlpreg.modules.seq2seq_encoders import Seq2SeqEncoder
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
from nlpreg.modules.token_embedders import Embedding
from nlpreg.nn.initializers import InitializerApplicator
from nlpreg.nn.regularizers import RegularizerApplicator

NUM_WORDS = 12
WIDTH = 6


class Identity(Seq2SeqEncoder):
    """States are the embeddings; for both directions, the embeddings beside a multiple of them."""

    def __init__(self, width, bidirectional=False):
        super().__init__()
        self.width = width
        self.bidirectional = bidirectional

    def is_bidirectional(self):
        return self.bidirectional

    def get_input_dim(self):
        return self.width

    def get_output_dim(self):
        return self.width * (1 + self.bidirectional)

    def forward(self, inputs, mask):
        return torch.cat([inputs, 2 * inputs], dim=-1) if self.bidirectional else inputs


class Layers(Identity):
    num_layers = 2

    def forward(self, inputs, mask):
        return [inputs * 7, super().forward(inputs, mask)]


def make_vocab(num_words=NUM_WORDS):
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace([f"word{i}" for i in range(num_words - 2)])
    return vocab


def make_model(contextualizer=None, num_words=NUM_WORDS, width=WIDTH, **arguments):
    torch.manual_seed(0)
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=width, num_embeddings=num_words)})
    if contextualizer is None:
        contextualizer = recurrent(arguments.get("bidirectional", False), width)
    return LanguageModel(make_vocab(num_words), embedder, contextualizer, **arguments)


def recurrent(bidirectional=False, width=WIDTH, num_layers=1):
    return Seq2SeqEncoder.from_params(
        Params(
            {
                "type": "lstm",
                "input_size": width,
                "hidden_size": 5,
                "num_layers": num_layers,
                "bidirectional": bidirectional,
            }
        )
    )


def nested(rows):
    return {"tokens": {"tokens": torch.tensor(rows)}}


def log_probabilities(model, states):
    """log P(word id - 1) for states (..., D), by the weights of the softmax alone."""
    weight = model._softmax_loss.softmax_w
    if weight.size(0) != states.size(-1):
        weight = weight.t()
    return (states @ weight + model._softmax_loss.softmax_b).log_softmax(-1)


# the reference example: 4 words, identity instead of an encoder

EMBEDDINGS = torch.tensor([[0.0, 0.0], [0.1, 0.2], [0.3, -0.1], [0.5, 0.4]])
IDS = [[2, 3, 1, 0], [3, 2, 0, 0]]


def reference_model(bidirectional):
    model = make_model(Identity(2, bidirectional), num_words=4, width=2, bidirectional=bidirectional)
    with torch.no_grad():
        model._text_field_embedder.token_embedder_tokens.weight.copy_(EMBEDDINGS)
        model._softmax_loss.softmax_w.copy_(torch.tensor([[0.1, 0.2, 0.3, 0.4], [-0.2, 0.1, 0.0, 0.5]]))
        model._softmax_loss.softmax_b.copy_(torch.tensor([0.0, 0.1, 0.2, 0.3]))
    return model


def test_reference_values_in_one_direction():
    model = reference_model(bidirectional=False)
    output = model(nested(IDS))
    assert output["loss"].item() == pytest.approx(1.526954, abs=1e-4)
    assert output["forward_loss"].item() == pytest.approx(1.526954, abs=1e-4)
    assert output["backward_loss"] is None
    assert output["batch_weight"].item() == 3.0
    assert model.get_metrics() == {"perplexity": pytest.approx(4.604130, abs=1e-4)}
    nothing = model(nested([[2], [3]]))
    assert nothing["loss"].item() == 0.0
    assert nothing["batch_weight"].item() == 0.0
    # by words, so a batch without any changes nothing
    assert model.get_metrics(reset=True) == {"perplexity": pytest.approx(4.604130, abs=1e-4)}
    assert math.isnan(model.get_metrics()["perplexity"])  # of no word; 0.0 would be the best of all


def test_reference_values_in_both_directions():
    model = reference_model(bidirectional=True)
    output = model(nested(IDS))
    assert output["forward_loss"].item() == pytest.approx(1.526954, abs=1e-4)
    # AllenNLP also predicted each last word from the padding behind it, which gave 2.415824 here
    states = 2 * EMBEDDINGS[torch.tensor(IDS)]
    backward = log_probabilities(model, states)
    by_hand = -(backward[0, 1, 2 - 1] + backward[0, 2, 3 - 1] + backward[1, 1, 3 - 1]) / 3
    assert output["backward_loss"].item() == pytest.approx(by_hand.item(), abs=1e-6)
    assert output["loss"].item() == pytest.approx((1.526954 + by_hand.item()) / 2, abs=1e-4)
    # without padding behind a sentence there is no difference
    behind = -(backward[0, 3, 1 - 1] + backward[1, 2, 2 - 1]) / 3
    assert (by_hand + behind).item() == pytest.approx(2.415824, abs=1e-4)


def test_outputs_and_their_order():
    output = make_model()(nested([[2, 3, 4], [5, 6, 0]]))
    assert list(output) == [
        "loss",
        "forward_loss",
        "backward_loss",
        "batch_weight",
        "lm_embeddings",
        "noncontextual_token_embeddings",
        "mask",
    ]
    assert output["lm_embeddings"].shape == (2, 3, 5)
    assert output["noncontextual_token_embeddings"].shape == (2, 3, WIDTH)
    assert output["mask"].tolist() == [[True, True, True], [True, True, False]]


@pytest.mark.parametrize("bidirectional", [False, True])
def test_losses_against_an_independent_computation(bidirectional):
    model = make_model(bidirectional=bidirectional).eval()
    rows = [[2, 3, 1, 7, 11], [4, 1, 0, 0, 0], [9, 0, 0, 0, 0], [5, 5, 6, 8, 0]]
    output = model(nested(rows))
    half = output["lm_embeddings"].size(-1) // (1 + bidirectional)
    totals, count = [0.0, 0.0], 0
    for number, row in enumerate(rows):
        words = [word for word in row if word > 0]
        states = output["lm_embeddings"][number]
        for position in range(len(words) - 1):
            count += 1
            ahead = log_probabilities(model, states[position, :half])
            totals[0] -= ahead[words[position + 1] - 1].item()
            if bidirectional:
                behind = log_probabilities(model, states[position + 1, half:])
                totals[1] -= behind[words[position] - 1].item()
    assert output["batch_weight"].item() == count == 8
    assert output["forward_loss"].item() == pytest.approx(totals[0] / count, rel=1e-5)
    if bidirectional:
        assert output["backward_loss"].item() == pytest.approx(totals[1] / count, rel=1e-5)
        assert output["loss"].item() == pytest.approx(sum(totals) / 2 / count, rel=1e-5)
    else:
        assert output["loss"].item() == output["forward_loss"].item()


@pytest.mark.parametrize("num_samples", [None, 4])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_zero_softmax_knows_nothing(num_samples, bidirectional):
    model = make_model(num_samples=num_samples, bidirectional=bidirectional).eval()
    with torch.no_grad():
        for parameter in model._softmax_loss.parameters():
            parameter.zero_()
    output = model(nested([[2, 3, 4, 5], [6, 7, 0, 0]]))
    assert output["loss"].item() == pytest.approx(math.log(NUM_WORDS), rel=1e-6)
    assert model.get_metrics()["perplexity"] == pytest.approx(NUM_WORDS, rel=1e-5)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_flat_and_nested_source_are_the_same(bidirectional):
    model = make_model(bidirectional=bidirectional)
    source = nested([[2, 3, 4], [5, 6, 0]])
    flat = {"tokens": source["tokens"]["tokens"]}
    of_nested, of_flat = model(source), model(source=flat)
    for name, value in of_nested.items():
        if value is not None:
            torch.testing.assert_close(of_flat[name], value)
    assert flat == {"tokens": source["tokens"]["tokens"]}


@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_columns_change_nothing(bidirectional):
    model = make_model(bidirectional=bidirectional)
    ids = torch.tensor([[2, 3, 4], [5, 6, 0]])
    tight, wide = model({"tokens": ids}), model({"tokens": nn.functional.pad(ids, (0, 4))})
    for name in ("loss", "forward_loss", "backward_loss", "batch_weight"):
        if tight[name] is not None:
            torch.testing.assert_close(wide[name], tight[name])
    real = tight["mask"]
    torch.testing.assert_close(wide["lm_embeddings"][:, :3][real], tight["lm_embeddings"][real])


def test_loss_of_a_batch_is_that_of_its_sentences_by_weight():
    model = make_model(bidirectional=True)
    rows = [[2, 3, 4, 5], [6, 7, 0, 0], [8, 0, 0, 0]]
    together = model(nested(rows))
    apart = [model(nested([[word for word in row if word]])) for row in rows]
    weights = [output["batch_weight"].item() for output in apart]
    assert weights == [3.0, 1.0, 0.0]
    total = sum(output["loss"].item() * weight for output, weight in zip(apart, weights, strict=True))
    assert together["loss"].item() == pytest.approx(total / sum(weights), rel=1e-5)


def test_perplexity_does_not_depend_on_the_batches():
    model = make_model()
    rows = [[2, 3, 4, 5], [6, 7, 0, 0], [8, 0, 0, 0], [9, 10, 11, 0]]
    model(nested(rows))
    together = model.get_metrics(reset=True)["perplexity"]
    for part in (rows[:1], rows[1:3], rows[3:]):
        model(nested(part))
    assert model.get_metrics()["perplexity"] == pytest.approx(together, rel=1e-5)


@pytest.mark.parametrize("num_samples", [None, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_one_word_alone_has_no_loss_but_a_gradient(num_samples, bidirectional):
    model = make_model(num_samples=num_samples, bidirectional=bidirectional)
    output = model(nested([[5]]))
    assert output["loss"].item() == 0.0
    assert output["batch_weight"].item() == 0.0
    output["loss"].backward()
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_gradient_reaches_every_part():
    model = make_model(bidirectional=True)
    model(nested([[2, 3, 4], [5, 6, 0]]))["loss"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


@pytest.mark.parametrize("bidirectional", [False, True])
def test_no_peeking(bidirectional):
    model = make_model(bidirectional=bidirectional)
    ids = torch.tensor([[2, 3, 4, 5, 6]])
    half = model._forward_dim
    before = model({"tokens": ids})["lm_embeddings"]
    for position in range(4):
        later = ids.clone()
        later[:, position + 1 :] = 9
        after = model({"tokens": later})["lm_embeddings"]
        torch.testing.assert_close(after[:, : position + 1, :half], before[:, : position + 1, :half])
        if bidirectional:
            earlier = ids.clone()
            earlier[:, : position + 1] = 9
            after = model({"tokens": earlier})["lm_embeddings"]
            torch.testing.assert_close(after[:, position + 1 :, half:], before[:, position + 1 :, half:])


@pytest.mark.parametrize("model_side,encoder_side", [(True, False), (False, True)])
def test_both_parts_need_the_same_directions(model_side, encoder_side):
    with pytest.raises(ConfigurationError, match="has to equal model.bidirectional"):
        make_model(recurrent(encoder_side), bidirectional=model_side)


def test_sampled_and_full_softmax_agree_in_evaluation():
    full, sampled = make_model().eval(), make_model(num_samples=4).eval()
    with torch.no_grad():
        sampled._softmax_loss.softmax_w.copy_(full._softmax_loss.softmax_w.t())
        sampled._softmax_loss.softmax_b.copy_(full._softmax_loss.softmax_b)
    sampled._text_field_embedder = full._text_field_embedder
    sampled._contextualizer = full._contextualizer
    source = nested([[2, 3, 4], [5, 6, 0]])
    torch.testing.assert_close(sampled(source)["loss"], full(source)["loss"])


def test_sparse_gradients_of_the_sampled_softmax():
    model = make_model(num_samples=3, sparse_embeddings=True)
    model(nested([[2, 3, 4]]))["loss"].backward()
    assert model._softmax_loss.softmax_w.weight.grad.is_sparse
    names = {name: tuple(value.shape) for name, value in model.state_dict().items() if "softmax" in name}
    assert names == {"_softmax_loss.softmax_w.weight": (12, 5), "_softmax_loss.softmax_b.weight": (12, 1)}


def test_names_of_the_weights():
    shapes = {name: tuple(value.shape) for name, value in make_model().state_dict().items()}
    assert shapes == {
        "_last_average_loss": (1,),
        "_text_field_embedder.token_embedder_tokens.weight": (12, 6),
        "_contextualizer._module.weight_ih_l0": (20, 6),
        "_contextualizer._module.weight_hh_l0": (20, 5),
        "_contextualizer._module.bias_ih_l0": (20,),
        "_contextualizer._module.bias_hh_l0": (20,),
        "_softmax_loss.softmax_w": (5, 12),
        "_softmax_loss.softmax_b": (12,),
    }


def test_without_its_softmax_it_only_embeds():
    model = make_model()
    model.delete_softmax()
    output = model(nested([[2, 3, 4]]))
    assert set(output) == {"lm_embeddings", "noncontextual_token_embeddings", "mask"}
    assert not [name for name in model.state_dict() if "softmax" in name]


def test_without_word_ids_it_only_embeds():
    embedder = BasicTextFieldEmbedder({"other": Embedding(embedding_dim=WIDTH, num_embeddings=NUM_WORDS)})
    model = LanguageModel(make_vocab(), embedder, recurrent())
    output = model({"other": {"tokens": torch.tensor([[2, 3]])}})
    assert set(output) == {"lm_embeddings", "noncontextual_token_embeddings", "mask"}


def test_other_tensors_under_the_name_of_the_words():
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=WIDTH, num_embeddings=NUM_WORDS)})
    model = LanguageModel(make_vocab(), embedder, Identity(WIDTH))
    with pytest.raises(ConfigurationError, match=r"expected the word ids of a single_id indexer.*token_ids"):
        model({"tokens": {"token_ids": torch.tensor([[2, 3]])}})


@pytest.mark.parametrize("bidirectional", [False, True])
def test_layers_of_the_contextualizer(bidirectional):
    layered = make_model(Layers(WIDTH, bidirectional), bidirectional=bidirectional)
    plain = make_model(Identity(WIDTH, bidirectional), bidirectional=bidirectional)
    plain.load_state_dict(layered.state_dict())
    source = nested([[2, 3, 4], [5, 6, 0]])
    output = layered(source)
    assert isinstance(output["lm_embeddings"], list) and len(output["lm_embeddings"]) == 2
    torch.testing.assert_close(output["loss"], plain(source)["loss"])
    assert layered.num_layers() == 3


def test_an_encoder_of_one_layer_need_not_say_so():
    assert make_model(Identity(WIDTH)).num_layers() == 2


def test_dropout_touches_the_loss_only():
    model = make_model(dropout=0.9)
    source = nested([[2, 3, 4, 5, 6, 7]])
    first, second = model(source), model(source)
    assert first["loss"] != second["loss"]
    torch.testing.assert_close(first["lm_embeddings"], second["lm_embeddings"])
    model.eval()
    assert model(source)["loss"] == model(source)["loss"]


def test_initializer_comes_last_and_regularizer_counts_in_any_position():
    vocab = make_vocab()
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=WIDTH, num_embeddings=NUM_WORDS)})
    initializer = InitializerApplicator.from_params(
        Params({"regexes": [["softmax_w", {"type": "constant", "val": 0.5}]]})
    )
    regularizer = RegularizerApplicator.from_params(
        Params({"regexes": [["softmax_w", {"type": "l1", "alpha": 2.0}]]})
    )
    model = LanguageModel(
        vocab,
        embedder,
        recurrent(),
        None,
        None,
        False,
        False,
        initializer,
        regularizer,
        serialization_dir="here",
    )
    assert model.get_regularization_penalty().item() == pytest.approx(2.0 * 0.5 * 5 * NUM_WORDS)
    assert model.serialization_dir == "here"
    assert make_model().get_regularization_penalty() is None


def test_no_state_is_read_from_the_device_in_a_step(monkeypatch):
    model = make_model(bidirectional=True)
    source = nested([[2, 3, 4], [5, 6, 0]])

    def forbidden(self):
        raise AssertionError("a number was read in the middle of a step")

    monkeypatch.setattr(torch.Tensor, "item", forbidden)
    monkeypatch.setattr(torch.Tensor, "__float__", forbidden)
    model(source)["loss"].backward()


@pytest.mark.parametrize("num_samples", [None, 4])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_it_is_built_from_a_config_and_learns(bidirectional, num_samples):
    torch.manual_seed(1)
    params = Params(
        {
            "type": "language_model",
            "bidirectional": bidirectional,
            "num_samples": num_samples,
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}},
            "contextualizer": {
                "type": "lstm",
                "input_size": 8,
                "hidden_size": 12,
                "bidirectional": bidirectional,
            },
        }
    )
    model = Model.from_params(params, vocab=make_vocab())
    assert type(model) is LanguageModel
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    source = nested([[2, 3, 4, 5, 6, 7, 8], [4, 5, 6, 7, 0, 0, 0]])
    for _ in range(60):
        optimizer.zero_grad()
        model(source)["loss"].backward()
        optimizer.step()
    assert model.eval()(source)["loss"].item() < 0.5


@pytest.mark.parametrize("num_samples", [None, 4])
def test_rows_are_chosen_or_left_out_with_the_same_result(num_samples):
    # on other devices than the CPU the softmax itself leaves rows out, so that nothing waits for their number
    model = make_model(num_samples=num_samples)
    states = torch.randn(2, 3, 5, requires_grad=True)
    classes = torch.tensor([[4, -1, 0], [-1, -1, 11]])
    torch.manual_seed(0)
    (chosen,) = model._sums_of_losses([(states, classes)])
    torch.manual_seed(0)
    left_out = model._softmax_loss(states.flatten(0, 1), classes.flatten())
    torch.testing.assert_close(left_out, chosen)
    parts = [states, *model._softmax_loss.parameters()]
    for one, other in zip(
        torch.autograd.grad(chosen, parts), torch.autograd.grad(left_out, parts), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_the_constructor_has_the_documented_parameters_in_their_order():
    parameters = list(inspect.signature(LanguageModel).parameters)
    assert parameters == [
        "vocab",
        "text_field_embedder",
        "contextualizer",
        "dropout",
        "num_samples",
        "sparse_embeddings",
        "bidirectional",
        "initializer",
        "regularizer",
        "kwargs",
    ]


def test_in_training_with_sampled_words_the_perplexity_has_another_name():
    model = make_model(num_samples=3)
    source = nested([[2, 3, 4, 5, 6, 7]])
    loss = model(source)["loss"].item()
    assert model.get_metrics(reset=True) == {"sampled_perplexity": pytest.approx(math.exp(loss))}
    model.eval()
    loss = model(source)["loss"].item()
    assert model.get_metrics(reset=True) == {"perplexity": pytest.approx(math.exp(loss))}
