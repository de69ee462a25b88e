"""The names of weights, and where they matter the shapes, on which saved archives depend."""

from collections.abc import Callable

import pytest
from torch import nn

from nlpreg.data import Vocabulary
from nlpreg.models import (
    BasicClassifier,
    CrfTagger,
    LanguageModel,
    MaskedLanguageModel,
    NextTokenLM,
    SimpleTagger,
)
from nlpreg.modules import (
    BiMpmMatching,
    ConditionalRandomField,
    FeedForward,
    GatedSum,
    Highway,
    LayerNorm,
    Maxout,
    ScalarMix,
    SoftmaxLoss,
    TimeDistributed,
)
from nlpreg.modules.attention import (
    AdditiveAttention,
    BilinearAttention,
    DotProductAttention,
    LinearAttention,
)
from nlpreg.modules.augmented_lstm import AugmentedLstm, AugmentedLSTMCell, BiAugmentedLstm
from nlpreg.modules.conditional_random_field import (
    ConditionalRandomFieldWeightEmission,
    ConditionalRandomFieldWeightLannoy,
    ConditionalRandomFieldWeightTrans,
)
from nlpreg.modules.elmo_lstm import ElmoLstm
from nlpreg.modules.language_model_heads import LinearLanguageModelHead
from nlpreg.modules.lstm_cell_with_projection import LstmCellWithProjection
from nlpreg.modules.masked_layer_norm import MaskedLayerNorm
from nlpreg.modules.matrix_attention import BilinearMatrixAttention, LinearMatrixAttention
from nlpreg.modules.sampled_softmax_loss import SampledSoftmaxLoss
from nlpreg.modules.seq2seq_encoders import (
    AugmentedLstmSeq2SeqEncoder,
    BidirectionalLanguageModelTransformer,
    ComposeEncoder,
    FeedForwardEncoder,
    GatedCnnEncoder,
    GruSeq2SeqEncoder,
    LstmSeq2SeqEncoder,
    PassThroughEncoder,
    PytorchTransformer,
    RnnSeq2SeqEncoder,
    StackedAlternatingLstmSeq2SeqEncoder,
    StackedBidirectionalLstmSeq2SeqEncoder,
)
from nlpreg.modules.seq2vec_encoders import (
    BagOfEmbeddingsEncoder,
    CnnEncoder,
    CnnHighwayEncoder,
    LstmSeq2VecEncoder,
    StackedBidirectionalLstmSeq2VecEncoder,
)
from nlpreg.modules.span_extractors import (
    BidirectionalEndpointSpanExtractor,
    EndpointSpanExtractor,
    MaxPoolingSpanExtractor,
    SelfAttentiveSpanExtractor,
)
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
from nlpreg.modules.token_embedders import BagOfWordCountsTokenEmbedder, Embedding, TokenCharactersEncoder
from nlpreg.nn import Activation

VOCAB = Vocabulary({"tokens": {"a": 3, "b": 2, "c": 1}, "labels": {"O": 3, "B-X": 2}})  # 5 words, 2 labels


def ff(activation: str = "relu", width: int = 4) -> FeedForward:
    return FeedForward(4, 1, width, Activation.by_name(activation)())


def embedder() -> BasicTextFieldEmbedder:
    return BasicTextFieldEmbedder({"tokens": Embedding(4, vocab=VOCAB)})


def lstm(bidirectional: bool = False) -> LstmSeq2SeqEncoder:
    return LstmSeq2SeqEncoder(4, 3, bidirectional=bidirectional)


def linear(*names: str) -> str:
    return " ".join(f"{name}.weight {name}.bias" for name in names)


def cells(*names: str) -> str:
    return linear(*(f"{name}.cell.{part}_linearity" for name in names for part in ("input", "state")))


def rnn(prefix: str, *layers: str) -> str:
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return " ".join(f"{prefix}{kind}_{layer}" for layer in layers for kind in kinds)


def unbiased_cells(prefix: str, num_layers: int) -> str:
    names = (f"{prefix}{way}_layer_{i}.cell" for i in range(num_layers) for way in ("forward", "backward"))
    return " ".join(f"{name}.input_linearity.weight {linear(f'{name}.state_linearity')}" for name in names)


def lm_transformer(way: str) -> str:
    layer = f"_{way}_transformer.layers.0"
    norms = [f"{layer}.sublayer.0.norm", f"{layer}.sublayer.1.norm", f"_{way}_transformer.norm"]
    return " ".join(
        [
            linear(*(f"{layer}.self_attn.linears.{i}" for i in range(4))),
            linear(f"{layer}.feed_forward.w_1", f"{layer}.feed_forward.w_2"),
            *(f"{norm}.gamma {norm}.beta" for norm in norms),
        ]
    )


CRF = "transitions:3,3 _constraint_mask:5,5 start_transitions:3 end_transitions:3"
TAGGER = (
    f"text_field_embedder.token_embedder_tokens.weight:5,4 {rnn('encoder._module.', 'l0')} "
    "tag_projection_layer._module.weight:2,3 tag_projection_layer._module.bias:2"
)
LM = "_last_average_loss:1 _text_field_embedder.token_embedder_tokens.weight:5,4 "
HEAD = "_text_field_embedder.token_embedder_tokens.weight:5,4 _language_model_head.linear.weight:5,4 "

WEIGHTS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "embedding": (lambda: Embedding(4, 7), "weight:7,4"),
    "projected embedding": (
        lambda: Embedding(4, 7, projection_dim=3),
        "weight:7,4 _projection.weight:3,4 _projection.bias:3",
    ),
    "character_encoding": (
        lambda: TokenCharactersEncoder(Embedding(4, 7), CnnEncoder(4, 2, (2,))),
        "_embedding._module.weight:7,4 " + linear("_encoder._module.conv_layer_0"),
    ),
    "bag_of_word_counts": (
        lambda: BagOfWordCountsTokenEmbedder(VOCAB, projection_dim=2),
        "_projection.weight:2,5 _projection.bias:2",
    ),
    "basic": (embedder, "token_embedder_tokens.weight:5,4"),
    "lstm": (
        lambda: LstmSeq2SeqEncoder(4, 3, 2, bidirectional=True),
        rnn("_module.", "l0", "l0_reverse", "l1", "l1_reverse"),
    ),
    "gru": (lambda: GruSeq2SeqEncoder(4, 3), rnn("_module.", "l0")),
    "rnn": (lambda: RnnSeq2SeqEncoder(4, 3), rnn("_module.", "l0")),
    "lstm to a vector": (lambda: LstmSeq2VecEncoder(4, 3), rnn("_module.", "l0")),
    "augmented_lstm": (lambda: AugmentedLstmSeq2SeqEncoder(4, 3), cells("_module")),
    "alternating_lstm": (
        lambda: StackedAlternatingLstmSeq2SeqEncoder(4, 3, 2),
        cells("_module.layer_0", "_module.layer_1"),
    ),
    "stacked_bidirectional_lstm": (
        lambda: StackedBidirectionalLstmSeq2SeqEncoder(4, 3, 2),
        unbiased_cells("_module.", 2),
    ),
    "stacked to a vector": (
        lambda: StackedBidirectionalLstmSeq2VecEncoder(4, 3, 1),
        unbiased_cells("_module.", 1),
    ),
    "pass_through": (lambda: PassThroughEncoder(3), ""),
    "feedforward": (lambda: FeedForwardEncoder(ff()), linear("_feedforward._linear_layers.0")),
    "compose": (
        lambda: ComposeEncoder([FeedForwardEncoder(ff()), FeedForwardEncoder(ff())]),
        linear("encoder0._feedforward._linear_layers.0", "encoder1._feedforward._linear_layers.0"),
    ),
    "pytorch_transformer": (
        lambda: PytorchTransformer(8, 1, 16, positional_encoding="embedding"),
        "_positional_embedding.weight:512,8 _transformer.layers.0.self_attn.in_proj_weight:24,8 _transformer.layers.0.self_attn.in_proj_bias:24 "
        + linear(
            *(
                f"_transformer.layers.0.{name}"
                for name in ("self_attn.out_proj", "linear1", "linear2", "norm1", "norm2")
            )
        ),
    ),
    "gated-cnn-encoder": (
        lambda: GatedCnnEncoder(4, [[[2, 4]], [[2, 4], [2, 4, 2]]]),
        " ".join(
            f"_{way}_residual_blocks.{place}.{name}"
            for way in ("forward", "backward")
            for place in ("0._convolutions.0", "1._convolutions.0", "1._convolutions.1")
            for name in ("weight_g", "weight_v", "bias")
        ),
    ),
    "bidirectional_language_model_transformer": (
        lambda: BidirectionalLanguageModelTransformer(8, 16, 1),
        f"_position.positional_encoding:1,5000,8 {lm_transformer('forward')} {lm_transformer('backward')}",
    ),
    "cnn": (
        lambda: CnnEncoder(4, 2, (2, 3), output_dim=5),
        linear("conv_layer_0", "conv_layer_1", "projection_layer"),
    ),
    "cnn-highway": (
        lambda: CnnHighwayEncoder(4, [[1, 2], [2, 3]], 2, 6, do_layer_norm=True),
        linear("char_conv_0", "char_conv_1", "_highways._layers.0", "_highways._layers.1", "_projection")
        + " _layer_norm.gamma _layer_norm.beta",
    ),
    "boe": (lambda: BagOfEmbeddingsEncoder(4), ""),
    "cell with a highway": (
        lambda: AugmentedLSTMCell(3, 2),
        "input_linearity.weight:12,3 input_linearity.bias:12 state_linearity.weight:10,2 state_linearity.bias:10",
    ),
    "cell without": (
        lambda: AugmentedLSTMCell(3, 2, use_highway=False, use_bias=False),
        "input_linearity.weight:8,3 state_linearity.weight:8,2 state_linearity.bias:8",
    ),
    "AugmentedLstm": (lambda: AugmentedLstm(3, 2), linear("cell.input_linearity", "cell.state_linearity")),
    "BiAugmentedLstm": (
        lambda: BiAugmentedLstm(3, 2, 2, bidirectional=True),
        cells("forward_layers.0", "forward_layers.1", "backward_layers.0", "backward_layers.1"),
    ),
    "LstmCellWithProjection": (
        lambda: LstmCellWithProjection(3, 2, 4),
        "input_linearity.weight:16,3 state_linearity.weight:16,2 state_linearity.bias:16 state_projection.weight:2,4",
    ),
    "ElmoLstm": (
        lambda: ElmoLstm(3, 3, 4, 1),
        " ".join(
            f"{way}_layer_0.{name}"
            for way in ("forward", "backward")
            for name in (
                "input_linearity.weight",
                "state_linearity.weight",
                "state_linearity.bias",
                "state_projection.weight",
            )
        ),
    ),
    "crf": (lambda: ConditionalRandomField(3), CRF),
    "crf without ends": (
        lambda: ConditionalRandomField(3, include_start_end_transitions=False),
        "transitions:3,3 _constraint_mask:5,5",
    ),
    "crf emission": (
        lambda: ConditionalRandomFieldWeightEmission(3, [1.0, 2.0, 3.0]),
        CRF + " label_weights:3",
    ),
    "crf emission_transition": (
        lambda: ConditionalRandomFieldWeightTrans(3, [1.0, 2.0, 3.0]),
        CRF + " label_weights:3",
    ),
    "crf lannoy": (lambda: ConditionalRandomFieldWeightLannoy(3, [1.0, 2.0, 3.0]), CRF + " label_weights:3"),
    "FeedForward": (ff, linear("_linear_layers.0")),
    "FeedForward with weights in its activation": (
        lambda: ff("prelu"),
        linear("_linear_layers.0") + " _activations.0.weight",
    ),
    "Maxout": (lambda: Maxout(4, 1, 3, 2), "_linear_layers.0.weight:6,4 _linear_layers.0.bias:6"),
    "Highway": (
        lambda: Highway(4, 2),
        "_layers.0.weight:8,4 _layers.0.bias:8 _layers.1.weight:8,4 _layers.1.bias:8",
    ),
    "GatedSum": (lambda: GatedSum(4), "_gate.weight:1,8 _gate.bias:1"),
    "LayerNorm": (lambda: LayerNorm(4), "gamma:4 beta:4"),
    "MaskedLayerNorm": (lambda: MaskedLayerNorm(4), "gamma:1,1,4 beta:1,1,4"),
    "ScalarMix": (lambda: ScalarMix(2), "scalar_parameters.0:1 scalar_parameters.1:1 gamma:1"),
    "TimeDistributed": (lambda: TimeDistributed(nn.Linear(2, 2)), linear("_module")),
    "SoftmaxLoss": (lambda: SoftmaxLoss(7, 3), "softmax_w:3,7 softmax_b:7"),
    "SampledSoftmaxLoss": (lambda: SampledSoftmaxLoss(7, 3, 2), "softmax_w:7,3 softmax_b:7"),
    "sparse SampledSoftmaxLoss": (
        lambda: SampledSoftmaxLoss(7, 3, 2, sparse=True),
        "softmax_w.weight:7,3 softmax_b.weight:7,1",
    ),
    "bilinear attention": (lambda: BilinearAttention(3, 4), "_weight_matrix:3,4 _bias:1"),
    "additive attention": (lambda: AdditiveAttention(3, 4), "_w_matrix:3,3 _u_matrix:4,3 _v_vector:3,1"),
    "linear attention": (lambda: LinearAttention(3, 3, "x,y,x*y"), "_weight_vector:9 _bias:1"),
    "dot_product attention": (DotProductAttention, ""),
    "bilinear matrix attention": (lambda: BilinearMatrixAttention(3, 4), "_weight_matrix:3,4 _bias:1"),
    "bilinear matrix attention with labels": (
        lambda: BilinearMatrixAttention(3, 4, label_dim=2),
        "_weight_matrix:2,3,4 _bias:1",
    ),
    "linear matrix attention": (lambda: LinearMatrixAttention(3, 3), "_weight_vector:6 _bias:1"),
    "spans with widths": (
        lambda: EndpointSpanExtractor(4, num_width_embeddings=3, span_width_embedding_dim=2),
        "_span_width_embedding.weight:3,2",
    ),
    "spans with exclusive starts": (
        lambda: EndpointSpanExtractor(4, use_exclusive_start_indices=True),
        "_start_sentinel:1,1,4",
    ),
    "bidirectional_endpoint": (
        lambda: BidirectionalEndpointSpanExtractor(4),
        "_start_sentinel:1,1,2 _end_sentinel:1,1,2",
    ),
    "self_attentive": (
        lambda: SelfAttentiveSpanExtractor(4),
        "_global_attention._module.weight:1,4 _global_attention._module.bias:1",
    ),
    "max_pooling": (lambda: MaxPoolingSpanExtractor(4), ""),
    "linear head": (lambda: LinearLanguageModelHead(VOCAB, 3, "tokens"), "linear.weight:5,3 linear.bias:5"),
    "bimpm": (
        lambda: BiMpmMatching(2, 3, is_forward=True),
        " ".join(
            f"{kind}_match_weights{end}:3,2"
            for kind in ("full", "maxpool", "attentive", "max_attentive")
            for end in ("", "_reversed")
        ),
    ),
    "language_model": (
        lambda: LanguageModel(VOCAB, embedder(), lstm()),
        LM + "_softmax_loss.softmax_w:3,5 _softmax_loss.softmax_b:5 " + rnn("_contextualizer._module.", "l0"),
    ),
    "sampled language_model": (
        lambda: LanguageModel(VOCAB, embedder(), lstm(True), num_samples=2, bidirectional=True),
        LM
        + "_softmax_loss.softmax_w:5,3 _softmax_loss.softmax_b:5 "
        + rnn("_contextualizer._module.", "l0", "l0_reverse"),
    ),
    "sparse language_model": (
        lambda: LanguageModel(VOCAB, embedder(), lstm(), num_samples=2, sparse_embeddings=True),
        LM
        + "_softmax_loss.softmax_w.weight:5,3 _softmax_loss.softmax_b.weight:5,1 "
        + rnn("_contextualizer._module.", "l0"),
    ),
    "next_token_lm": (
        lambda: NextTokenLM(
            VOCAB, embedder(), LinearLanguageModelHead(VOCAB, 4, "tokens"), FeedForwardEncoder(ff())
        ),
        HEAD
        + "_language_model_head.linear.bias:5 "
        + linear("_contextualizer._feedforward._linear_layers.0"),
    ),
    "masked_language_model": (
        lambda: MaskedLanguageModel(VOCAB, embedder(), LinearLanguageModelHead(VOCAB, 4, "tokens")),
        HEAD + "_language_model_head.linear.bias:5",
    ),
    "simple_tagger": (lambda: SimpleTagger(VOCAB, embedder(), lstm()), TAGGER),
    "crf_tagger": (
        lambda: CrfTagger(VOCAB, embedder(), lstm(), label_weights={"O": 0.5}),
        TAGGER
        + " crf.transitions:2,2 crf._constraint_mask:4,4 crf.start_transitions:2 crf.end_transitions:2 crf.label_weights:2",
    ),
    "basic_classifier": (
        lambda: BasicClassifier(VOCAB, embedder(), LstmSeq2VecEncoder(4, 3), FeedForwardEncoder(ff())),
        f"_text_field_embedder.token_embedder_tokens.weight:5,4 {linear('_seq2seq_encoder._feedforward._linear_layers.0')} {rnn('_seq2vec_encoder._module.', 'l0')} _classification_layer.weight:2,3 _classification_layer.bias:2",
    ),
}
"""What is built, and the names of its weights, with `:shape` where it matters."""


@pytest.mark.parametrize("thing", WEIGHTS)
def test_weights_have_the_names_and_shapes_of_archives(thing: str) -> None:
    build, names = WEIGHTS[thing]
    expected = {name: shape for name, _, shape in (entry.partition(":") for entry in names.split())}
    weights = {name: ",".join(map(str, weight.shape)) for name, weight in build().state_dict().items()}
    assert weights.keys() == expected.keys()
    assert {name: weights[name] for name, shape in expected.items() if shape} == {
        name: shape for name, shape in expected.items() if shape
    }
