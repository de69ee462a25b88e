"""Every span extractor: its formula, its masks, its widths and its errors."""

from typing import Any

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.span_extractors import SpanExtractor
from nlpreg.nn.util import combine_tensors

torch.manual_seed(0)
SEQUENCE = torch.randn(2, 5, 4)
SPANS = torch.tensor([[[0, 1], [2, 4]], [[1, 2], [0, 0]]])
MASK = torch.tensor([[True] * 5, [True, True, True, False, False]])
SPAN_MASK = torch.tensor([[True, False], [True, True]])
NAMES = ["endpoint", "bidirectional_endpoint", "self_attentive", "max_pooling"]


def build(name: str, **options: Any) -> Any:
    return SpanExtractor.from_params(Params({"type": name, "input_dim": 4, **options}))


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_masked_spans(name: str) -> None:
    extractor = build(name, num_width_embeddings=6, span_width_embedding_dim=3)
    result = extractor(SEQUENCE, SPANS, MASK, SPAN_MASK)
    assert result.shape == (2, 2, extractor.get_output_dim())
    assert extractor.get_input_dim() == 4
    assert not result[0, 1].any()
    width = extractor._span_width_embedding.weight
    torch.testing.assert_close(result[0, 0, -3:], width[1])
    torch.testing.assert_close(result[1, 1, -3:], width[0])
    assert "_span_width_embedding.weight" in extractor.state_dict()


@pytest.mark.parametrize("name", NAMES)
def test_bucketed_widths(name: str) -> None:
    extractor = build(name, num_width_embeddings=6, span_width_embedding_dim=3, bucket_widths=True)
    sequence = torch.randn(1, 40, 4)
    result = extractor(sequence, torch.tensor([[[0, 5], [0, 39]]]))
    width = extractor._span_width_embedding.weight
    torch.testing.assert_close(result[0, 0, -3:], width[5])
    torch.testing.assert_close(result[0, 1, -3:], width[5])  # the last of six buckets


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", ["num_width_embeddings", "span_width_embedding_dim"])
def test_width_options_belong_together(name: str, option: str) -> None:
    with pytest.raises(ConfigurationError, match="give both"):
        build(name, **{option: 3})


@pytest.mark.parametrize("name", NAMES)
def test_padding_spans_may_have_negative_indices(name: str) -> None:
    spans = SPANS.clone()
    spans[0, 1] = -1
    expected = build(name)
    result = expected(SEQUENCE, spans, MASK, SPAN_MASK)
    torch.testing.assert_close(result, expected(SEQUENCE, SPANS, MASK, SPAN_MASK))


@pytest.mark.parametrize("name", NAMES)
def test_without_widths_the_output_is_the_span_alone(name: str) -> None:
    extractor = build(name)
    assert extractor(SEQUENCE, SPANS).size(-1) == extractor.get_output_dim()


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_without_spans(name: str) -> None:
    extractor = build(name, num_width_embeddings=6, span_width_embedding_dim=3, bucket_widths=True)
    no_spans = torch.zeros(2, 0, 2, dtype=torch.long)
    assert extractor(SEQUENCE, no_spans, MASK).shape == (2, 0, extractor.get_output_dim())


def test_endpoint() -> None:
    extractor = build("endpoint", combination="x,y,x*y")
    result = extractor(SEQUENCE, SPANS)
    expected = combine_tensors("x,y,x*y", [SEQUENCE[0, 2], SEQUENCE[0, 4]])
    torch.testing.assert_close(result[0, 1], expected)


def test_endpoint_with_exclusive_starts() -> None:
    extractor = build("endpoint", use_exclusive_start_indices=True)
    result = extractor(SEQUENCE, SPANS)
    torch.testing.assert_close(result[0, 0, :4], extractor._start_sentinel[0, 0])
    torch.testing.assert_close(result[0, 1, :4], SEQUENCE[0, 1])
    torch.testing.assert_close(result[0, 1, 4:], SEQUENCE[0, 4])
    assert extractor.state_dict()["_start_sentinel"].shape == (1, 1, 4)
    with pytest.raises(ValueError, match="begins before the sequence"):
        extractor(SEQUENCE, SPANS - 1)


def test_bidirectional_endpoint() -> None:
    extractor = build("bidirectional_endpoint", forward_combination="x,y", backward_combination="x,y")
    result = extractor(SEQUENCE, SPANS, MASK)
    start, end = extractor._start_sentinel[0, 0], extractor._end_sentinel[0, 0]
    forward, backward = SEQUENCE[..., :2], SEQUENCE[..., 2:]
    torch.testing.assert_close(
        result[0, 0], torch.cat([start, forward[0, 1], backward[0, 2], backward[0, 0]])
    )
    torch.testing.assert_close(result[0, 1], torch.cat([forward[0, 1], forward[0, 4], end, backward[0, 2]]))
    # The second sequence has three timesteps, so a span that ends at the third has nothing after it.
    torch.testing.assert_close(result[1, 0], torch.cat([forward[1, 0], forward[1, 2], end, backward[1, 1]]))


def test_bidirectional_endpoint_by_default_takes_differences() -> None:
    extractor = build("bidirectional_endpoint", use_sentinels=False)
    result = extractor(SEQUENCE, SPANS, MASK)
    assert extractor.get_output_dim() == 4
    torch.testing.assert_close(result[0, 0, :2], SEQUENCE[0, 1, :2])
    torch.testing.assert_close(result[0, 0, 2:], SEQUENCE[0, 2, 2:] - SEQUENCE[0, 0, 2:])
    assert not extractor.state_dict()


def test_bidirectional_endpoint_errors() -> None:
    with pytest.raises(ConfigurationError, match="must be even"):
        build("bidirectional_endpoint", input_dim=5)
    extractor = build("bidirectional_endpoint")
    for spans in (SPANS - 1, SPANS + 1):
        with pytest.raises(ValueError, match="outside its sequence"):
            extractor(SEQUENCE, spans, MASK)
    outside_its_own = torch.tensor([[[0, 0]], [[2, 3]]])
    with pytest.raises(ValueError, match="outside its sequence"):
        extractor(SEQUENCE, outside_its_own, MASK)


def test_self_attentive() -> None:
    extractor = build("self_attentive")
    result = extractor(SEQUENCE, SPANS)
    assert set(extractor.state_dict()) == {
        "_global_attention._module.weight",
        "_global_attention._module.bias",
    }
    inside = SEQUENCE[0, 2:5]
    weights = torch.softmax(extractor._global_attention._module(inside).squeeze(-1), 0)
    torch.testing.assert_close(result[0, 1], weights @ inside)


def test_max_pooling() -> None:
    extractor = build("max_pooling")
    result = extractor(SEQUENCE, SPANS, MASK)
    torch.testing.assert_close(result[0, 1], SEQUENCE[0, 2:5].max(0).values)
    cut = extractor(SEQUENCE, torch.tensor([[[1, 4]], [[1, 4]]]), MASK)
    torch.testing.assert_close(cut[1, 0], SEQUENCE[1, 1:3].max(0).values)
    torch.testing.assert_close(cut[0, 0], SEQUENCE[0, 1:5].max(0).values)


@pytest.mark.parametrize(
    ("span", "message"),
    [([0, 5], "outside"), ([-1, 2], "outside"), ([3, 2], "after its end"), ([3, 4], "masked")],
)
def test_max_pooling_refuses_impossible_spans(span: list[int], message: str) -> None:
    with pytest.raises(IndexError, match=message):
        build("max_pooling")(SEQUENCE, torch.tensor([[span], [span]]), MASK)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_width_of_the_sequence(name: str) -> None:
    with pytest.raises(ValueError, match="input_dim 4, got 3"):
        build(name)(SEQUENCE[..., :3], SPANS)


def test_the_embedding_of_widths_is_a_seam_for_subclasses() -> None:
    extractor = SpanExtractor.by_name("self_attentive")(4, num_width_embeddings=5, span_width_embedding_dim=3)
    assert extractor._span_width_embedding.get_output_dim() == 3
    assert SpanExtractor.by_name("self_attentive")(4)._span_width_embedding is None
    assert {name: tuple(w.shape) for name, w in extractor.state_dict().items() if "width" in name} == {
        "_span_width_embedding.weight": (5, 3)
    }
