"""What holds for all registered encoders, embedders, span extractors and attentions: any length, any type of mask."""

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.modules import Attention, Seq2SeqEncoder, Seq2VecEncoder, TokenEmbedder
from nlpreg.modules.span_extractors import SpanExtractor

LSTM = {"input_size": 8, "hidden_size": 3}
CNN = {"embedding_dim": 8, "num_filters": 3}
SEQ2SEQ: dict[str, dict[str, Any]] = {
    "lstm": LSTM,
    "gru": {**LSTM, "bidirectional": True},
    "rnn": {**LSTM, "num_layers": 2},
    "augmented_lstm": LSTM,
    "alternating_lstm": {**LSTM, "num_layers": 2},
    "stacked_bidirectional_lstm": {**LSTM, "num_layers": 2},
    "awd_lstm": {**LSTM, "num_layers": 2},
    "pass_through": {"input_dim": 8},
    "feedforward": {
        "feedforward": {"input_dim": 8, "num_layers": 1, "hidden_dims": 3, "activations": "relu"}
    },
    "compose": {"encoders": [{"type": "lstm", **LSTM}, {"type": "pass_through", "input_dim": 3}]},
    "pytorch_transformer": {"input_dim": 8, "num_layers": 1, "num_attention_heads": 2, "dropout_prob": 0.0},
    "gated-cnn-encoder": {"input_dim": 8, "layers": [[[4, 8]], [[2, 8, 2]]]},
    "bidirectional_language_model_transformer": {"input_dim": 8, "hidden_dim": 4, "num_layers": 1},
    "transformer_lm": {"input_dim": 8, "num_layers": 1, "num_attention_heads": 2},
}
SEQ2VEC: dict[str, dict[str, Any]] = {
    "lstm": LSTM,
    "gru": {**LSTM, "bidirectional": True},
    "rnn": LSTM,
    "augmented_lstm": LSTM,
    "alternating_lstm": {**LSTM, "num_layers": 2},
    "stacked_bidirectional_lstm": {**LSTM, "num_layers": 2},
    "cnn": CNN,
    "cnn-highway": {
        "embedding_dim": 8,
        "filters": [[1, 2], [5, 3]],
        "num_highway": 1,
        "projection_dim": 4,
    },
    "boe": {"embedding_dim": 8, "averaged": True},
    "bag_of_embeddings": {"embedding_dim": 8},
    "cls_pooler": {"embedding_dim": 8, "cls_is_last_token": True},
}
# In its published models padding counts; `character_encoding` sees to it that there is always the same.
COUNTS_PADDING = {"cnn-highway"}
NEEDS_A_PRETRAINED_MODEL = {"bert_pooler"}
SPANS: dict[str, dict[str, Any]] = {
    "endpoint": {"combination": "x,y"},
    "bidirectional_endpoint": {},
    "self_attentive": {},
    "max_pooling": {},
}
ATTENTIONS: dict[str, dict[str, Any]] = {
    "dot_product": {},
    "scaled_dot_product": {},
    "cosine": {},
    "bilinear": {"vector_dim": 8, "matrix_dim": 8},
    "additive": {"vector_dim": 8, "matrix_dim": 8},
    "linear": {"tensor_1_dim": 8, "tensor_2_dim": 8},
}
LENGTHS = [3, 1, 0, 6]
DTYPES = [torch.long, torch.int32, torch.uint8, torch.float32, torch.float64]


def build(base: Any, name: str, options: dict[str, Any], **extras: Any) -> Any:
    torch.manual_seed(1)
    part = base.from_params(Params({"type": name, **options}), **extras).eval()
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return part


def batch() -> tuple[Tensor, Tensor]:
    """Rows of `LENGTHS` in 7 steps; padding holds large values that must have no influence."""
    torch.manual_seed(2)
    mask = torch.arange(7) < torch.tensor(LENGTHS).unsqueeze(1)
    return torch.randn(len(LENGTHS), 7, 8).masked_fill(~mask.unsqueeze(2), 100.0), mask


def test_every_registered_class_is_listed_here() -> None:
    assert set(SEQ2SEQ) == set(Seq2SeqEncoder.list_available())
    assert set(SEQ2VEC) | NEEDS_A_PRETRAINED_MODEL == set(Seq2VecEncoder.list_available())
    assert set(SPANS) == set(SpanExtractor.list_available())
    assert set(ATTENTIONS) == set(Attention.list_available())


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_sequence_encoders_take_rows_of_any_length(name: str) -> None:
    encoder = build(Seq2SeqEncoder, name, SEQ2SEQ[name])
    inputs, mask = batch()
    together = encoder(inputs, mask)
    assert not together[~mask].any(), "outputs at padding are zeros"
    for row, length in enumerate(LENGTHS):
        alone = encoder(inputs[row : row + 1, :length], mask[row : row + 1, :length])
        assert alone.shape == (1, length, encoder.get_output_dim())
        torch.testing.assert_close(alone[0], together[row, :length], atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize("name", SEQ2VEC)
def test_vector_encoders_take_rows_of_any_length(name: str) -> None:
    encoder = build(Seq2VecEncoder, name, SEQ2VEC[name])
    inputs, mask = batch()
    together = encoder(inputs, mask)
    for row, length in enumerate(LENGTHS):
        alone = encoder(inputs[row : row + 1, :length], mask[row : row + 1, :length])
        assert alone.shape == (1, encoder.get_output_dim()) and alone.isfinite().all()
        if name not in COUNTS_PADDING:
            torch.testing.assert_close(alone[0], together[row], atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize("encoder", SEQ2VEC)
def test_a_word_has_the_same_vector_beside_any_others(encoder: str) -> None:
    embedder = build(
        TokenEmbedder,
        "character_encoding",
        {
            "embedding": {"embedding_dim": 8, "num_embeddings": 9},
            "encoder": {"type": encoder, **SEQ2VEC[encoder]},
        },
    )
    characters = torch.randint(1, 9, (4, 2, 7)).masked_fill(
        torch.arange(7) >= torch.tensor([[3, 1], [0, 7], [5, 2], [0, 0]]).unsqueeze(2), 0
    )
    together = embedder(characters)
    for text, word, length in ((0, 0, 3), (0, 1, 1), (1, 1, 7), (2, 0, 5), (2, 1, 2), (3, 0, 0)):
        alone = embedder(characters[text : text + 1, word : word + 1, :length])
        torch.testing.assert_close(alone[0, 0], together[text, word], atol=2e-6, rtol=1e-4)
    assert embedder(characters[:2, :0]).shape == (2, 0, embedder.get_output_dim())
    assert embedder(characters[:2, :0, :0]).shape == (2, 0, embedder.get_output_dim())


@pytest.mark.parametrize("name", ["embedding", "bag_of_word_counts", "pass_through"])
@pytest.mark.parametrize("length", [0, 1])
def test_token_embedders_take_short_texts(name: str, length: int) -> None:
    vocab = Vocabulary(counter={"tokens": {"a": 1, "b": 1}})
    options: dict[str, dict[str, Any]] = {
        "embedding": {"embedding_dim": 3, "projection_dim": 2},
        "bag_of_word_counts": {"projection_dim": 2},
        "pass_through": {"hidden_dim": 2},
    }
    embedder = build(TokenEmbedder, name, options[name], vocab=vocab)
    ids = torch.tensor([[2, 3], [3, 2]])[:, :length]
    tokens = torch.randn(2, length, 2) if name == "pass_through" else ids
    embedded = embedder(tokens)
    assert embedded.shape == ((2, 2) if name == "bag_of_word_counts" else (2, length, 2))
    assert embedded.isfinite().all()


@pytest.mark.parametrize("length", [0, 1])
def test_pretrained_transformers_take_short_texts(tiny_transformer: str, length: int) -> None:
    matched = build(TokenEmbedder, "pretrained_transformer", {"model_name": tiny_transformer})
    ids, mask = torch.full((2, length), 5), torch.ones(2, length, dtype=torch.bool)
    assert matched(ids, mask).shape == (2, length, 8)
    mismatched = build(TokenEmbedder, "pretrained_transformer_mismatched", {"model_name": tiny_transformer})
    # Two special tokens around the pieces; a text without words has no spans.
    pieces = torch.tensor([[2, *[5] * length, 3]] * 2)
    offsets = torch.ones(2, length, 2, dtype=torch.long)
    embedded = mismatched(pieces, mask, offsets, torch.ones_like(pieces, dtype=torch.bool))
    assert embedded.shape == (2, length, 8) and embedded.isfinite().all()
    pooler = build(Seq2VecEncoder, "bert_pooler", {"pretrained_model": tiny_transformer})
    assert pooler(torch.randn(2, length, 8), mask).shape == (2, 8)


@pytest.mark.parametrize("length", [0, 1])
def test_elmo_takes_short_texts(elmo_files: Any, length: int) -> None:
    options = {"options_file": elmo_files.options, "weight_file": elmo_files.weights}
    embedder = build(TokenEmbedder, "elmo_token_embedder", options)
    characters = torch.randint(1, 200, (2, length, 50))
    assert embedder(characters).shape == (2, length, embedder.get_output_dim())


@pytest.mark.parametrize("name", SPANS)
def test_span_extractors_take_short_texts_and_no_spans(name: str) -> None:
    extractor = build(SpanExtractor, name, {"input_dim": 8, **SPANS[name]})
    inputs, mask = batch()
    together = extractor(inputs[:2], torch.tensor([[[0, 2]], [[0, 0]]]), mask[:2])
    alone = extractor(inputs[1:2, :1], torch.tensor([[[0, 0]]]), mask[1:2, :1])
    torch.testing.assert_close(alone[0], together[1])
    for length in (0, 3):
        none = extractor(inputs[:2, :length], torch.zeros(2, 0, 2, dtype=torch.long), mask[:2, :length])
        assert none.shape == (2, 0, extractor.get_output_dim())


@pytest.mark.parametrize("name", ATTENTIONS)
def test_attentions_take_any_number_of_rows(name: str) -> None:
    attention = build(Attention, name, ATTENTIONS[name])
    inputs, mask = batch()
    vector = torch.randn(len(LENGTHS), 8)
    together = attention(vector, inputs.masked_fill(~mask.unsqueeze(2), 0), mask)
    for row, length in enumerate(LENGTHS):
        own = slice(row, row + 1)
        alone = attention(vector[own], inputs[own, :length], mask[own, :length])
        torch.testing.assert_close(alone[0], together[row, :length])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", SEQ2SEQ)
def test_sequence_encoders_take_masks_of_any_type(name: str, dtype: torch.dtype) -> None:
    encoder = build(Seq2SeqEncoder, name, SEQ2SEQ[name])
    inputs, mask = batch()
    assert torch.equal(encoder(inputs, mask.to(dtype)), encoder(inputs, mask))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", SEQ2VEC)
def test_vector_encoders_take_masks_of_any_type(name: str, dtype: torch.dtype) -> None:
    encoder = build(Seq2VecEncoder, name, SEQ2VEC[name])
    inputs, mask = batch()
    assert torch.equal(encoder(inputs, mask.to(dtype)), encoder(inputs, mask))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", SPANS)
def test_span_extractors_take_masks_of_any_type(name: str, dtype: torch.dtype) -> None:
    extractor = build(SpanExtractor, name, {"input_dim": 8, **SPANS[name]})
    inputs, mask = batch()
    spans, real = torch.tensor([[[0, 2], [1, 1]], [[0, 0], [0, 5]]]), torch.tensor([[1, 1], [1, 0]]).bool()
    expected = extractor(inputs[:2], spans, mask[:2], real)
    assert not expected[~real].any()
    assert torch.equal(extractor(inputs[:2], spans, mask[:2].to(dtype), real.to(dtype)), expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ATTENTIONS)
def test_attentions_take_masks_of_any_type(name: str, dtype: torch.dtype) -> None:
    attention = build(Attention, name, ATTENTIONS[name])
    inputs, mask = batch()
    vector = torch.randn(len(LENGTHS), 8)
    assert torch.equal(attention(vector, inputs, mask.to(dtype)), attention(vector, inputs, mask))


# For a config of each registered class that is named above: every size of 0, and every dropout outside of 0 to 1.
WRONG = [
    (base, name, key, value)
    for base, configs in ((Seq2SeqEncoder, SEQ2SEQ), (Seq2VecEncoder, SEQ2VEC), (Attention, ATTENTIONS))
    for name in configs
    for key, value in (
        ("input_size", 0), ("hidden_size", -1), ("num_layers", 0), ("dropout", 2), ("input_dim", 0),
        ("embedding_dim", 0), ("num_filters", 0), ("ngram_filter_sizes", [2, 0]), ("dropout_prob", 1.5),
        ("recurrent_dropout_probability", -0.1), ("layer_dropout_probability", 3e11), ("input_dropout", 2),
        ("num_attention_heads", 0), ("filters", [[0, 3]]), ("vector_dim", 0), ("tensor_1_dim", 0),
    )
    if key in inspect.signature(base.by_name(name)).parameters
]  # fmt: skip


@pytest.mark.parametrize(("base", "name", "key", "value"), WRONG)
def test_sizes_and_dropouts_out_of_range_are_refused_by_key(
    base: Any, name: str, key: str, value: object
) -> None:
    options = {**{Seq2SeqEncoder: SEQ2SEQ, Seq2VecEncoder: SEQ2VEC, Attention: ATTENTIONS}[base][name]}
    expected = "a number from 0 to 1" if "drop" in key else "1 or more"
    with pytest.raises(ConfigurationError, match=f"{key}.*expected {expected}"):
        base.from_params(Params({"type": name, **options, key: value}))


def test_a_text_longer_than_a_transformer_takes(tiny_transformer: str) -> None:
    embedder = build(TokenEmbedder, "pretrained_transformer", {"model_name": tiny_transformer})
    ids = torch.full((1, 513), 5)
    with pytest.raises(ConfigurationError, match="513 word pieces, and .* takes 512: give .* max_length"):
        embedder(ids, torch.ones_like(ids).bool())


@pytest.mark.parametrize("name", sorted(set(SEQ2SEQ) - {"pass_through", "feedforward"}))
def test_all_layers_end_with_what_is_returned_without_them(name: str) -> None:
    options = dict(SEQ2SEQ[name])
    if "num_layers" in options:
        options["num_layers"] = 3
    inputs, mask = batch()
    encoder = build(Seq2SeqEncoder, name, options)
    all_layers = build(Seq2SeqEncoder, name, {**options, "return_all_layers": True})
    layers = all_layers(inputs, mask)
    assert len(layers) == encoder.num_layers == all_layers.num_layers
    torch.testing.assert_close(layers[-1], encoder(inputs, mask))
    assert all(layer.shape[:2] == mask.shape and not layer[~mask].any() for layer in layers)
    empty = all_layers(inputs[:, :0], mask[:, :0])
    assert [layer.shape[:2] for layer in empty] == [(4, 0)] * len(layers)


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn", "alternating_lstm", "stacked_bidirectional_lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_layer_is_what_a_lower_encoder_returns(name: str, bidirectional: bool) -> None:
    options: dict[str, Any] = {**LSTM, "num_layers": 3}
    if name in ("lstm", "gru", "rnn"):
        options["bidirectional"] = bidirectional
    deep = build(Seq2SeqEncoder, name, {**options, "return_all_layers": True})
    inputs, mask = batch()
    for depth, layer in enumerate(deep(inputs, mask), start=1):
        lower = build(Seq2SeqEncoder, name, {**options, "num_layers": depth})
        lower.load_state_dict(deep.state_dict(), strict=False)
        torch.testing.assert_close(layer, lower(inputs, mask))
    without_mask = deep(inputs, None)
    torch.testing.assert_close(without_mask[0], deep(inputs, torch.ones_like(mask))[0])


def test_words_are_dropped_together() -> None:
    torch.manual_seed(3)
    embedder = TokenEmbedder.from_params(
        Params({"type": "dropout_embedding", "word_dropout": 0.5, "embedding_dim": 3, "num_embeddings": 50})
    )
    ids = torch.arange(50).repeat(2, 1)
    embedded = embedder(ids)
    is_dropped = (embedded == 0).all(dim=2)
    assert torch.equal(is_dropped[0], is_dropped[1]) and 0.25 < is_dropped.float().mean() < 0.75
    torch.testing.assert_close(embedded[0][~is_dropped[0]], 2 * embedder.weight[~is_dropped[0]])
    embedder.eval()
    assert torch.equal(embedder(ids)[0], embedder.weight)


@pytest.mark.parametrize(
    ("base", "name"),
    [(Seq2SeqEncoder, name) for name in SEQ2SEQ] + [(Seq2VecEncoder, name) for name in SEQ2VEC],
)
def test_half_precision_by_autocast(base: Any, name: str) -> None:
    encoder = build(base, name, (SEQ2SEQ if base is Seq2SeqEncoder else SEQ2VEC)[name])
    inputs, mask = batch()
    inputs = inputs.masked_fill(~mask.unsqueeze(2), 0).requires_grad_()
    expected = encoder(inputs, mask)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = encoder(inputs, mask)
    torch.testing.assert_close(outputs.float(), expected, atol=0.1, rtol=0.1)
    outputs.float().sum().backward()
    assert inputs.grad is not None and inputs.grad.isfinite().all()
