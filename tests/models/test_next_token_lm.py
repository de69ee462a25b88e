import math

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params
from nlpreg.data import Vocabulary
from nlpreg.models.model import Model
from nlpreg.models.next_token_lm import NextTokenLM
from nlpreg.modules.language_model_heads import LanguageModelHead
from nlpreg.modules.seq2seq_encoders import Seq2SeqEncoder
from nlpreg.modules.text_field_embedders import TextFieldEmbedder
from nlpreg.nn.beam_search import BeamSearch
from nlpreg.nn.beam_search_generators import BeamSearchGenerator


class Appending(BeamSearchGenerator):
    """Puts each prediction behind the words so far; for texts without padding."""

    def validate_text_field_embedder(self, text_field_embedder):
        self.seen = text_field_embedder

    def prepare_step_input(self, predictions, state):
        state["tokens"] = torch.cat([state["tokens"], predictions.unsqueeze(1)], dim=1)
        return {"tokens": {"tokens": state["tokens"]}}


def make_model(vocab, contextualizer=True, head_width=None, **arguments):
    torch.manual_seed(0)
    embedder = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}
    width = head_width or (3 if contextualizer else 4)
    return NextTokenLM(
        vocab,
        TextFieldEmbedder.from_params(Params(embedder), vocab=vocab),
        LanguageModelHead.from_params(
            Params({"type": "linear", "input_dim": width, "vocab_namespace": "tokens"}), vocab=vocab
        ),
        Seq2SeqEncoder.from_params(Params({"type": "lstm", "input_size": 4, "hidden_size": 3}))
        if contextualizer
        else None,
        target_namespace="tokens",
        **arguments,
    )


def alone(tokens, row):
    words = tokens["tokens"]["tokens"][row]
    return {"tokens": {"tokens": words[words > 0].unsqueeze(0)}}


@pytest.mark.parametrize("contextualizer", [True, False])
def test_prediction_follows_the_last_word_of_each_text(tag_vocab, tokens, contextualizer):
    model = make_model(tag_vocab, contextualizer)
    together = model(tokens)
    assert together["probabilities"].shape == (3, 5)
    assert together["top_indices"].shape == (3, 5, 1)
    for row in range(3):
        single = alone(tokens, row)
        states = model._text_field_embedder(single)
        if contextualizer:
            states = model._contextualizer(states, single["tokens"]["tokens"] > 0)
        expected = model._language_model_head(states[0, -1]).softmax(-1).topk(5)
        torch.testing.assert_close(together["probabilities"][row], expected.values)
        assert together["top_indices"][row, :, 0].tolist() == expected.indices.tolist()


def test_loss_and_perplexity(tag_vocab, tokens):
    model = make_model(tag_vocab)
    targets = torch.tensor([[4], [5], [6]])
    output = model(tokens, {"tokens": {"tokens": targets}})
    scores = model._next_token_scores(tokens)
    expected = -scores.log_softmax(-1)[range(3), targets[:, 0]].mean()
    torch.testing.assert_close(output["loss"], expected)
    output["loss"].backward()
    model(alone(tokens, 0), {"tokens": {"tokens": torch.tensor([4])}})
    single = -scores.log_softmax(-1)[0, 4]
    assert model.get_metrics(reset=True) == {
        "perplexity": pytest.approx(math.exp((3 * expected + single).item() / 4), rel=1e-5)
    }
    with pytest.raises(ValueError, match=r"target_ids: expected the shape \(B,\) or"):
        model(tokens, {"tokens": {"tokens": targets.unsqueeze(-1)}})


def test_readable_outputs(tag_vocab, tokens):
    model = make_model(tag_vocab, n_best=2)
    output = model.make_output_human_readable(model(tokens))
    assert output["tokens"][0] == ["the", "dog", "ate", "apple"]
    assert [[len(steps) for steps in text] for text in output["top_tokens"]] == [[1, 1]] * 3
    assert output["top_tokens"][0][0][0] == tag_vocab.get_token_from_index(
        output["top_indices"][0, 0, 0].item()
    )


def test_beam_search_against_all_continuations(tag_vocab, tokens):
    size = tag_vocab.get_vocab_size()
    search = BeamSearch(end_index=0, max_steps=2, beam_size=size, per_node_beam_size=size)
    model = make_model(tag_vocab, beam_search_generator=Appending(search)).eval()
    text = alone(tokens, 0)
    with torch.no_grad():
        output = model(text)
        first = model._next_token_scores(text).softmax(-1)[0]
        pairs = {(0, 0): first[0].item()}  # the end, which goes on for ever
        for word in range(1, size):
            longer = torch.cat([text["tokens"]["tokens"], torch.tensor([[word]])], dim=1)
            second = model._next_token_scores({"tokens": {"tokens": longer}}).softmax(-1)[0]
            pairs.update({(word, other): (first[word] * second[other]).item() for other in range(size)})
    best = dict(sorted(pairs.items(), key=lambda item: -item[1])[:size])
    found = dict(
        zip(map(tuple, output["top_indices"][0].tolist()), output["probabilities"][0].tolist(), strict=True)
    )
    assert found == pytest.approx(best, rel=1e-4)
    assert model.make_output_human_readable(output)["top_tokens"][0][0] == [
        tag_vocab.get_token_from_index(word) for word in output["top_indices"][0, 0].tolist()
    ]


@pytest.mark.parametrize("oov_token", ["@@UNKNOWN@@", "<unk>"])
def test_unknown_words_of_a_scored_text(oov_token):
    vocab = Vocabulary({"tokens": {"dog": 1}}, oov_token=oov_token)
    ids = torch.tensor([[2, 1, 2], [1, 0, 0]])
    _, is_unknown = make_model(vocab).word_log_probabilities({"tokens": {"tokens": ids}})
    assert torch.equal(is_unknown, ids == 1)


def test_a_text_without_tokens_does_not_depend_on_what_the_contextualizer_gives_for_it(tag_vocab):
    class Undefined(torch.nn.Module):
        def forward(self, inputs, mask):
            return inputs[..., :3].masked_fill(~mask.unsqueeze(2), torch.nan)

    model = make_model(tag_vocab)
    model._contextualizer = Undefined()
    ids = torch.tensor([[1, 2], [0, 0]])
    found = model({"tokens": {"tokens": ids}})["probabilities"]
    assert torch.equal(found[1:], model({"tokens": {"tokens": ids[1:, :0]}})["probabilities"])


@pytest.mark.parametrize("contextualizer", [True, False])
def test_head_of_another_width_is_refused(tag_vocab, contextualizer):
    with pytest.raises(ConfigurationError, match="the input of language_model_head has width 7"):
        make_model(tag_vocab, contextualizer, head_width=7)


def test_from_a_config(tag_vocab):
    config = {
        "type": "next_token_lm",
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
        "contextualizer": {"type": "lstm", "input_size": 5, "hidden_size": 3},
        "language_model_head": {"type": "linear", "input_dim": 3, "vocab_namespace": "tokens"},
    }
    with pytest.raises(ConfigurationError, match="the input of contextualizer has width 5"):
        Model.from_params(Params(config), vocab=tag_vocab)
    config["contextualizer"]["input_size"] = 4
    model = Model.from_params(Params(config), vocab=tag_vocab)
    assert {name.split(".")[0] for name in model.state_dict()} == {
        "_text_field_embedder",
        "_contextualizer",
        "_language_model_head",
    }
