"""Word pieces of a tiny transformer, whole and cut into segments."""

import itertools

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.token_embedders import PretrainedTransformerEmbedder, TokenEmbedder

transformers = pytest.importorskip("transformers")

CLS, SEP = 2, 3
MASK = torch.tensor([[True] * 4, [True, True, True, False]])
IDS = torch.tensor([[CLS, 5, 6, SEP], [CLS, 7, SEP, 0]])


@pytest.fixture
def model(tiny_transformer):
    return transformers.AutoModel.from_pretrained(tiny_transformer).eval()


def build(name, **options):
    return TokenEmbedder.from_params(
        Params({"type": "pretrained_transformer", "model_name": name, **options})
    ).eval()


def test_the_last_layer(tiny_transformer, model):
    embedder = build(tiny_transformer)
    assert embedder.get_output_dim() == 8
    expected = model(IDS, attention_mask=MASK.long()).last_hidden_state
    torch.testing.assert_close(embedder(IDS, MASK), expected)
    assert all(name.startswith("transformer_model.") for name in embedder.state_dict())


def test_a_mix_of_all_layers(tiny_transformer, model):
    embedder = build(tiny_transformer, last_layer_only=False)
    layers = model(IDS, attention_mask=MASK.long(), output_hidden_states=True).hidden_states
    torch.testing.assert_close(embedder(IDS, MASK), (layers[1] + layers[2]) / 2)
    assert "_scalar_mix.gamma" in embedder.state_dict()


def test_types(tiny_transformer, model):
    embedder = build(tiny_transformer)
    types = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 0]])
    expected = model(IDS, attention_mask=MASK.long(), token_type_ids=types).last_hidden_state
    torch.testing.assert_close(embedder(IDS, MASK, types), expected)
    torch.testing.assert_close(embedder(IDS, MASK, torch.zeros_like(types)), embedder(IDS, MASK))
    with pytest.raises(ValueError, match="expected ids below 2, the number that the model has, got 2"):
        embedder(IDS, MASK, 2 * types)


def segments(contents, max_length):
    """Ids of a text cut into segments, each with its own special tokens, and the ids of the whole."""
    step = max_length - 2
    pieces = [contents[start : start + step] for start in range(0, len(contents), step)] or [[]]
    return [[CLS, *piece, SEP] for piece in pieces], [CLS, *contents, SEP]


@pytest.mark.parametrize("sizes", [[9, 3, 6, 1], [6, 3], [7, 0, 5], [2, 1], [13, 12, 11, 10]])
def test_long_texts_are_cut_and_joined(tiny_transformer, sizes):
    max_length = 5
    whole, cut = build(tiny_transformer), build(tiny_transformer, max_length=max_length)
    texts = [[5 + (position * 3 + size) % 7 for position in range(size)] for size in sizes]
    parts = [segments(text, max_length) for text in texts]
    concatenated = [list(itertools.chain(*pieces)) for pieces, _ in parts]
    longest, longest_whole = max(map(len, concatenated)), max(len(ids) for _, ids in parts)
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in concatenated])
    mask = torch.arange(longest_whole) < torch.tensor([len(one) for _, one in parts]).unsqueeze(1)
    segment_mask = torch.arange(longest) < torch.tensor([len(row) for row in concatenated]).unsqueeze(1)

    found = cut(ids, mask, segment_concat_mask=segment_mask)
    assert found.shape == (len(texts), longest_whole, 8)
    for row, (pieces, one) in enumerate(parts):
        vectors = [whole(torch.tensor([piece]), torch.ones(1, len(piece)).bool())[0] for piece in pieces]
        expected = torch.cat([vectors[0][:1], *(vector[1:-1] for vector in vectors), vectors[-1][-1:]])
        torch.testing.assert_close(found[row, : len(one)], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("max_length", "overlap"), [(5, 2), (7, 4), (8, 3)])
@pytest.mark.parametrize("sizes", [[17, 3, 6, 1, 9], [13, 0, 12]])
def test_pieces_take_their_vector_from_the_middle_of_a_window(tiny_transformer, sizes, max_length, overlap):
    whole = build(tiny_transformer)
    embedder = build(tiny_transformer, max_length=max_length, overlap=overlap)
    texts = [[5 + (position * 3 + size) % 7 for position in range(size)] for size in sizes]
    rows = [list(itertools.chain(*segments(text, max_length)[0])) for text in texts]
    longest = max(map(len, rows))
    # behind the texts a row of padding alone
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in [*rows, []]])
    mask = torch.arange(max(sizes) + 2) < torch.tensor([[size + 2] for size in sizes] + [[0]])
    segment_mask = torch.arange(longest) < torch.tensor([[len(row)] for row in [*rows, []]])
    found = embedder(ids, mask, segment_concat_mask=segment_mask)
    assert found.shape == (*mask.shape, 8)

    width, step = max_length - 2, max_length - 2 - overlap
    for row, text in enumerate(texts):
        first_pieces = [0]
        while first_pieces[-1] + width < len(text):
            first_pieces.append(first_pieces[-1] + step)
        vectors = []
        for first in first_pieces:
            window = torch.tensor([[CLS, *text[first : first + width], SEP]])
            vectors.append(whole(window, window > 0)[0])
        torch.testing.assert_close(found[row, 0], vectors[0][0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found[row, len(text) + 1], vectors[-1][-1], atol=1e-5, rtol=1e-4)
        for place in range(len(text)):
            inside = {}
            for k, first in enumerate(first_pieces):
                if 0 <= place - first < width:
                    # how far away the nearer edge is that cuts the text off
                    left = len(text) if k == 0 else place - first
                    right = len(text) if k == len(first_pieces) - 1 else first + width - 1 - place
                    inside[k, place - first + 1] = min(left, right)
            possible = [vectors[k][at] for (k, at), seen in inside.items() if seen == max(inside.values())]
            assert any(
                torch.allclose(found[row, place + 1], vector, atol=1e-5, rtol=1e-4) for vector in possible
            ), (row, place)


def test_overlaps_that_cannot_be(tiny_transformer):
    for options in ({"overlap": 3}, {"overlap": 3, "max_length": 5}):
        with pytest.raises(ValueError, match="overlap: expected fewer word pieces than a segment"):
            build(tiny_transformer, **options)
    with pytest.raises(ConfigurationError, match="overlap"):
        build(tiny_transformer, overlap=-1, max_length=5)


def test_long_texts_need_their_padding_at_the_end(tiny_transformer):
    embedder = build(tiny_transformer, max_length=3)
    mask = torch.tensor([[True, False, True, True]])
    for one in (embedder, build(tiny_transformer, max_length=4, overlap=1)):
        with pytest.raises(ValueError, match="all of their padding at the end"):
            one(IDS[:1].repeat(1, 2), mask.repeat(1, 2), segment_concat_mask=mask.repeat(1, 2))


def test_frozen_and_in_evaluation_mode(tiny_transformer):
    embedder = build(tiny_transformer, train_parameters=False, eval_mode=True)
    assert not any(parameter.requires_grad for parameter in embedder.parameters())
    embedder.train()
    assert embedder.training and not embedder.transformer_model.training
    torch.testing.assert_close(embedder(IDS, MASK), embedder(IDS, MASK))
    trained = build(tiny_transformer).train()
    assert trained.transformer_model.training
    assert not torch.equal(trained(IDS, MASK), trained(IDS, MASK))


def test_a_part_of_the_model(tiny_transformer):
    embedder = build(tiny_transformer, sub_module="encoder")
    assert all(name.startswith("transformer_model.layer.") for name in embedder.state_dict())


def test_gradient_checkpointing_changes_no_number(tiny_transformer):
    plain, checkpointed = build(tiny_transformer), build(tiny_transformer, gradient_checkpointing=True)
    assert checkpointed.config.gradient_checkpointing is True
    for embedder in (plain, checkpointed):
        embedder(IDS, MASK).square().sum().backward()
    for one, other in zip(plain.parameters(), checkpointed.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_copies_are_independent(tiny_transformer):
    first, second = build(tiny_transformer), build(tiny_transformer)
    with torch.no_grad():
        first.transformer_model.embeddings.word_embeddings.weight.zero_()
    assert second.transformer_model.embeddings.word_embeddings.weight.any()


def test_the_table_of_pieces_follows_the_tokenizer(tiny_transformer, tmp_path):
    model = transformers.AutoModel.from_pretrained(tiny_transformer)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_transformer)
    tokenizer.add_tokens(["emu", "kiwi"])
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    embedder = PretrainedTransformerEmbedder(str(tmp_path))
    assert embedder.transformer_model.get_input_embeddings().num_embeddings == 14


def test_seams_for_subclasses(tiny_transformer):
    class Counting(PretrainedTransformerEmbedder):
        folded, unfolded = 0, 0

        def _number_of_token_type_embeddings(self):
            return super()._number_of_token_type_embeddings() - 1

        def _fold_long_sequences(self, token_ids, mask, type_ids=None):
            self.folded += 1
            return super()._fold_long_sequences(token_ids, mask, type_ids)

        def _unfold_long_sequences(self, embeddings, mask, batch_size, num_segment_concat_wordpieces):
            self.unfolded += 1
            return super()._unfold_long_sequences(embeddings, mask, batch_size, num_segment_concat_wordpieces)

    embedder = Counting(tiny_transformer, max_length=4).eval()
    # Two segments of two special tokens and two pieces each.
    ids = torch.tensor([[2, 5, 6, 3, 2, 7, 3, 0]])
    folded, mask, types = embedder._fold_long_sequences(ids, ids > 0, torch.ones_like(ids))
    assert folded.tolist() == [[2, 5, 6, 3], [2, 7, 3, 0]] and mask.tolist() == (folded > 0).tolist()
    assert types.shape == (2, 4)
    vectors = torch.arange(8.0).view(2, 4, 1)
    assert embedder._unfold_long_sequences(vectors, mask, 1, 8).flatten().tolist() == [0, 1, 2, 5, 6, 0]
    embedder(ids, torch.ones(1, 5).bool(), segment_concat_mask=ids > 0)
    assert (embedder.folded, embedder.unfolded) == (2, 2)
    with pytest.raises(ValueError, match="expected ids below 1"):
        embedder(ids[:, :4], torch.ones(1, 4).bool(), type_ids=torch.ones(1, 4, dtype=torch.long))


LORA = {"r": 2, "lora_alpha": 4, "target_modules": ["query", "value"]}


def test_adapters_alone_are_trained(tiny_transformer, model):
    pytest.importorskip("peft")
    torch.manual_seed(0)
    embedder = build(tiny_transformer, lora=LORA)
    # An adapter adds nothing before it is trained.
    expected = model(IDS, attention_mask=MASK.long()).last_hidden_state
    torch.testing.assert_close(embedder(IDS, MASK), expected)
    trained = {name for name, parameter in embedder.named_parameters() if parameter.requires_grad}
    assert len(trained) == 2 * 2 * 2  # two layers, query and value, two matrices each
    assert all(".lora_A." in name or ".lora_B." in name for name in trained)
    before = {name: parameter.clone() for name, parameter in embedder.named_parameters()}
    optimizer = torch.optim.SGD([p for p in embedder.parameters() if p.requires_grad], lr=1.0)
    for _ in range(2):  # in the first step only one of the two matrices has a gradient
        optimizer.zero_grad()
        embedder(IDS, MASK)[MASK].square().mean(1)[0].backward()
        optimizer.step()
    changed = {
        name for name, parameter in embedder.named_parameters() if not torch.equal(parameter, before[name])
    }
    assert changed and changed <= trained
    other = build(tiny_transformer, lora=LORA, load_weights=False)
    other.load_state_dict(embedder.state_dict())
    torch.testing.assert_close(other(IDS, MASK), embedder(IDS, MASK))


def test_adapters_of_modules_that_are_not_there(tiny_transformer):
    pytest.importorskip("peft")
    with pytest.raises(ValueError, match="Target modules .*nothing.* not found"):
        build(tiny_transformer, lora={"target_modules": ["nothing"]})
