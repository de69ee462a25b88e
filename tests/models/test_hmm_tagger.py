import itertools
from collections import Counter

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params
from nlpreg.models.hmm_tagger import HmmTagger
from nlpreg.models.model import Model

LENGTHS = [4, 2, 1]


def make_tagger(vocab, seed=0, **arguments):
    torch.manual_seed(seed)
    initializer = {"regexes": [[".*", {"type": "normal", "std": 2.0}]]}
    config = {"type": "hmm_tagger", "initializer": initializer, "unknown_word_chance": 0.0, **arguments}
    return Model.from_params(Params(config), vocab=vocab)


def joint(tagger, words, tags):
    """log P(words, tags) of one sentence, factor by factor."""
    start = tagger.start_scores.softmax(0)
    transitions = tagger.transition_scores.softmax(1)
    emissions = tagger.emission_scores.softmax(1)
    probability = start[tags[0]]
    for before, after in itertools.pairwise(tags):
        probability = probability * transitions[before, after]
    for word, tag in zip(words, tags, strict=True):
        probability = probability * emissions[tag, word]
    return (probability * transitions[tags[-1], -1]).log()


@pytest.mark.parametrize("seed", range(3))
def test_best_tags_and_loss_against_all_tags(tag_vocab, tokens, tags, seed):
    tagger = make_tagger(tag_vocab, seed)
    output = tagger(tokens, tags)
    total = 0.0
    for row, length in enumerate(LENGTHS):
        words = tokens["tokens"]["tokens"][row, :length].tolist()
        paths = list(itertools.product(range(5), repeat=length))
        scores = torch.stack([joint(tagger, words, path) for path in paths])
        best = int(scores.argmax())
        assert output["tags"][row].tolist() == [*paths[best], *[0] * (4 - length)]
        torch.testing.assert_close(output["log_probability"][row], scores[best].detach())
        total = total - joint(tagger, words, tags[row, :length].tolist())
    torch.testing.assert_close(output["loss"], total / sum(LENGTHS))
    assert output["batch_weight"].item() == sum(LENGTHS)


def test_probabilities_of_all_sentences_and_tags_sum_to_one(tag_vocab):
    tagger = make_tagger(tag_vocab)
    total = 0.0
    vocab_size = tag_vocab.get_vocab_size()
    for length in (1, 2):  # and the rest is P(more than two words)
        words = torch.cartesian_prod(*[torch.arange(vocab_size)] * length).view(-1, length)
        for path in itertools.product(range(5), repeat=length):
            tags = torch.tensor(path).expand(len(words), length)
            total += (
                tagger.joint_log_probability(words, tags, torch.ones_like(words, dtype=torch.bool))
                .exp()
                .sum()
            )
    transitions = tagger.transition_scores.softmax(1)[:, :-1]
    longer = tagger.start_scores.softmax(0) @ transitions @ transitions
    torch.testing.assert_close(total + longer.sum(), torch.tensor(1.0))


def test_training_finds_the_relative_frequencies(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab)
    optimizer = torch.optim.Adam(tagger.parameters(), lr=0.3)
    for _ in range(250):
        optimizer.zero_grad()
        tagger(tokens, tags)["loss"].backward()
        optimizer.step()
    pairs, tag_counts = Counter(), Counter()
    for row, length in enumerate(LENGTHS):
        path = [*tags[row, :length].tolist(), 5]  # 5 is the end
        pairs.update(itertools.pairwise(path))
        tag_counts.update(path[:-1])
    transitions = tagger.transition_scores.softmax(1)
    for (before, after), count in pairs.items():
        assert transitions[before, after].item() == pytest.approx(count / tag_counts[before], abs=0.02)
    assert tagger.start_scores.softmax(0)[0].item() == pytest.approx(1 / 3, abs=0.02)
    assert tagger.emission_scores.softmax(1)[3, 5].item() == pytest.approx(1 / 2, abs=0.02)
    assert tagger.eval()(tokens)["tags"].tolist() == tags.tolist()


def test_unknown_words_are_met_in_training_only(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab, unknown_word_chance=0.5)
    losses = {tagger(tokens, tags)["loss"].item() for _ in range(8)}
    assert len(losses) > 1
    tagger.eval()
    assert len({tagger(tokens, tags)["loss"].item() for _ in range(4)}) == 1


def test_readable_outputs_and_metrics(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab, label_encoding="BIO")
    output = tagger(tokens, tags, metadata=[{"words": ["w"] * n} for n in LENGTHS])
    right = (output["tags"] == tags)[output["mask"]].double().mean().item()
    readable = tagger.make_output_human_readable(output)
    assert [len(path) for path in readable["tags"]] == LENGTHS
    assert set(itertools.chain(*readable["tags"])) <= {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"}
    metrics = tagger.get_metrics(reset=True)
    assert metrics["accuracy"] == pytest.approx(right)
    assert "f1-measure-overall" in metrics


def test_a_sentence_without_words_adds_nothing(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab)
    ids = tokens["tokens"]["tokens"]
    more = {"tokens": {"tokens": torch.cat([ids, torch.zeros(1, 4, dtype=torch.long)])}}
    with_empty = tagger(more, torch.cat([tags, torch.zeros(1, 4, dtype=torch.long)]))
    torch.testing.assert_close(with_empty["loss"], tagger(tokens, tags)["loss"])
    assert with_empty["tags"][3].tolist() == [0, 0, 0, 0]


def test_bad_chance(tag_vocab):
    with pytest.raises(ConfigurationError, match="unknown_word_chance: expected a number from 0"):
        HmmTagger(tag_vocab, unknown_word_chance=1.0)
