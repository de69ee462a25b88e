import itertools
import math
from collections import Counter

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params
from nlpreg.common.util import prepare_environment
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.model import Model
from nlpreg.models.tnt_decoder import SuffixGuesser, word_shape
from nlpreg.models.tnt_tagger import best_paths_in, marginals_in
from nlpreg.training import CountingTrainer

TAGS = ["DET", "NOUN", "VERB"]
SENTENCES = [
    "the###DET dog###NOUN ate###VERB the###DET apple###NOUN",
    "everybody###NOUN read###VERB that###DET book###NOUN",
    "the###DET read###NOUN ate###VERB",
    "dog###NOUN",
]
OUTSIDE = len(TAGS)


def vocabulary():
    vocab = Vocabulary()
    for sentence in SENTENCES:
        vocab.add_tokens_to_namespace([pair.split("###")[0] for pair in sentence.split()])
    vocab.add_tokens_to_namespace(TAGS, "labels")
    return vocab


def batch_of(vocab, sentences):
    """Tokens, tags, and metadata of sentences with tags."""
    pairs = [[pair.split("###") for pair in sentence.split()] for sentence in sentences]
    length = max(map(len, pairs), default=0)
    words = [[vocab.get_token_index(w) for w, _ in row] + [0] * (length - len(row)) for row in pairs]
    tags = [[TAGS.index(t) for _, t in row] + [0] * (length - len(row)) for row in pairs]
    return {
        "tokens": {"tokens": {"tokens": torch.tensor(words, dtype=torch.long)}},
        "tags": torch.tensor(tags, dtype=torch.long),
        "metadata": [{"words": [w for w, _ in row]} for row in pairs],
    }


def make_tagger(vocab, trained=True, **options):
    tagger = Model.from_params(Params({"type": "tnt_tagger", **options}), vocab=vocab)
    if trained:
        for sentences in (SENTENCES[:2], SENTENCES[2:]):
            tagger.count(**batch_of(vocab, sentences))
        tagger.finish_counting()
    return tagger.eval()


def path_score(tagger, emissions, words, path):
    """The score of a sequence of tags, factor by factor; `emissions` (T, K)."""
    tables = tagger.tables()
    score = emissions[range(len(path)), path].sum()
    for a, b, c in zip([OUTSIDE, OUTSIDE, *path], [OUTSIDE, *path], [*path, OUTSIDE], strict=False):
        score = score + tables.trigrams[a, b, c]
    rows = tables.rows[words]
    for row, before, tag, after in zip(rows, [OUTSIDE, *path], path, [*path[1:], OUTSIDE], strict=False):
        score = score + tables.before[row, before, tag] + tables.after[row, tag, after]
    return score


NEW = ["the###DET dog###NOUN read###VERB", "Apples###NOUN ate###VERB", "that###DET"]


@pytest.mark.parametrize("top_k", [1, 4, 1000])
def test_paths_and_marginals_equal_enumeration(top_k):
    vocab = vocabulary()
    tagger = make_tagger(vocab, top_k=top_k, confidences=True)
    batch = batch_of(vocab, NEW)
    output = tagger(**batch)
    words = batch["tokens"]["tokens"]["tokens"]
    emissions = tagger._emissions(words, words > 0, batch["metadata"])
    for row, length in enumerate((3, 2, 1)):
        paths = list(itertools.product(range(3), repeat=length))
        of_sentence = emissions[row, :length]
        scores = torch.stack(
            [path_score(tagger, of_sentence, words[row, :length], list(path)) for path in paths]
        )
        probabilities = scores.softmax(0)
        best = scores.topk(min(top_k, len(paths)))
        assert output["tags"][row, :length].tolist() == list(paths[best.indices[0]])
        assert not output["tags"][row, length:].any()
        for position in range(length):
            tag = output["tags"][row, position]
            share = sum(p for p, path in zip(probabilities, paths, strict=True) if path[position] == tag)
            torch.testing.assert_close(output["confidences"][row, position], share)
        if top_k > 1:
            found = output["top_k_tags"][row]
            assert len({tuple(path) for path, _ in found}) == len(found) == len(best.indices)
            assert [tuple(path) for path, _ in found[:4]] == [paths[index] for index in best.indices[:4]]
            for (_, log_probability), index in zip(found, best.indices, strict=True):
                assert log_probability == pytest.approx(probabilities[index].log().item(), abs=1e-4)


def test_marginals_sum_to_one():
    vocab = vocabulary()
    tagger = make_tagger(vocab)
    batch = batch_of(vocab, NEW)
    words = batch["tokens"]["tokens"]["tokens"]
    mask = words > 0
    lattice = tagger._lattice(words, tagger._emissions(words, mask, batch["metadata"]))
    marginals, _ = marginals_in(lattice, mask.sum(1))
    torch.testing.assert_close(marginals.sum(2), mask.float())


def test_a_sentence_does_not_depend_on_its_batch():
    vocab = vocabulary()
    tagger = make_tagger(vocab, confidences=True)
    together = tagger.make_output_human_readable(tagger(**batch_of(vocab, NEW)))
    for row, sentence in enumerate(NEW):
        alone = tagger.make_output_human_readable(tagger(**batch_of(vocab, [sentence])))
        assert together["tags"][row] == alone["tags"][0]
        assert together["confidences"][row] == pytest.approx(alone["confidences"][0])


@pytest.mark.parametrize("top_k", [1, 2])
def test_sentences_without_words(top_k):
    vocab = vocabulary()
    tagger = make_tagger(vocab, top_k=top_k, confidences=True)
    output = tagger.make_output_human_readable(tagger(**batch_of(vocab, ["", NEW[0]])))
    assert output["tags"][0] == output["confidences"][0] == []
    assert len(output["tags"][1]) == 3
    alone = tagger.make_output_human_readable(tagger(**batch_of(vocab, [""])))
    assert alone["tags"] == [[]]
    for found in (output, alone):
        assert top_k == 1 or found["top_k_tags"][0] == [{"tags": [], "log_probability": 0.0}]


def test_counts_are_those_of_the_data():
    vocab = vocabulary()
    tagger = make_tagger(vocab)
    expected = Counter()
    for sentence in SENTENCES:
        pairs = [pair.split("###") for pair in sentence.split()]
        tags = [OUTSIDE, *(TAGS.index(tag) for _, tag in pairs), OUTSIDE]
        for position, (word, _) in enumerate(pairs):
            expected[(vocab.get_token_index(word), *tags[position : position + 3])] += 1
    assert {tuple(row[:4]): row[4] for row in tagger.counts.tolist()} == expected
    tagger.count(**batch_of(vocab, SENTENCES))
    tagger.finish_counting()
    assert {tuple(row[:4]): row[4] for row in tagger.counts.tolist()} == {
        k: 2 * v for k, v in expected.items()
    }


def test_it_learns_its_training_data():
    vocab = vocabulary()
    tagger = make_tagger(vocab)
    output = tagger(**batch_of(vocab, SENTENCES))
    assert torch.equal(output["tags"], batch_of(vocab, SENTENCES)["tags"])
    metrics = tagger.get_metrics(reset=True)
    assert metrics["accuracy"] == metrics["accuracy_known"] == 1.0
    assert "accuracy_unknown" not in metrics  # there was none
    tagger(**batch_of(vocab, NEW))
    assert 0 <= tagger.get_metrics(reset=True)["accuracy_unknown"] <= 1


def test_the_counts_are_the_weights():
    vocab = vocabulary()
    tagger, other = make_tagger(vocab), make_tagger(vocab, trained=False)
    with pytest.raises(
        ConfigurationError, match="has not been trained; train it with the trainer `counting`"
    ):
        other(**batch_of(vocab, NEW))
    other.load_state_dict(tagger.state_dict())
    assert other.state_dict().keys() == {"counts"}
    assert torch.equal(other(**batch_of(vocab, NEW))["tags"], tagger(**batch_of(vocab, NEW))["tags"])


def test_many_tags_do_without_trigrams(monkeypatch):
    monkeypatch.setattr("nlpreg.models.tnt_tagger._MAX_TAGS_FOR_TRIGRAMS", 2)
    vocab = vocabulary()
    tagger = make_tagger(vocab, confidences=True)
    assert tagger.tables().trigrams.shape == (1, 4, 4)
    output = tagger(**batch_of(vocab, SENTENCES))
    assert torch.equal(output["tags"], batch_of(vocab, SENTENCES)["tags"])


def test_rare_words_share_a_row_where_there_is_no_room(monkeypatch):
    monkeypatch.setattr("nlpreg.models.tnt_tagger._MAX_TABLE_ENTRIES", 2 * 4 * 3 * 2)
    tables = make_tagger(vocabulary()).tables()
    assert tables.before.shape == (3, 4, 3)
    assert sorted(set(tables.rows.tolist())) == [0, 1, 2]
    assert not tables.before[0].any()
    assert not tables.after[0].any()


def test_a_beam_of_one_takes_the_best_tag_of_each_word():
    vocab = vocabulary()
    tagger = make_tagger(vocab, beam_size=1)
    words = batch_of(vocab, NEW)["tokens"]["tokens"]["tokens"]
    scores = tagger.tables().words[words] + tagger.tables().priors
    known = words > 1
    assert torch.equal(tagger(**batch_of(vocab, NEW))["tags"][known], scores.argmax(2)[known])


def test_unknown_words_are_guessed_from_their_ends():
    words = ["walking", "talking", "sing", "walked", "talked", "NASA", "1999", "very"]
    counts = torch.zeros(len(words), 4)
    for row, tag in enumerate([0, 0, 0, 1, 1, 2, 3, 3]):
        counts[row, tag] = 1
    guess = SuffixGuesser.from_counts(words, counts.numpy(), max_length=4, rare=10, weight=0.3)
    probabilities = guess(["jumping", "jumped", "UNESCO", "2001", "", "x"])
    assert probabilities.argmax(1).tolist()[:4] == [0, 1, 2, 3]
    assert probabilities.sum(1) == pytest.approx([1.0] * 6)
    # successive abstraction by hand: all rare words, those of the shape, and the suffixes e, n, ...
    share = (counts.sum(0) + 0.1) / (counts.sum(0) + 0.1).sum()
    of_shape = torch.tensor([3, 2, 0, 1]) / 6
    expected = (of_shape + 0.3 * share) / 1.3
    assert guess(["x"])[0] == pytest.approx(expected.tolist())


def test_shapes():
    words = ["1a", "...", "NASA", "Anna", "A", "so-so", "so", "ß"]
    shapes = ["digit", "symbol", "capitals", "capitalized", "capitalized", "hyphenated", "other", "other"]
    assert [word_shape(word) for word in words] == shapes


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"guess_count": 0}, "guess_count: expected a number above 0"),
        ({"top_k": 0}, "top_k: expected 1 or more"),
        ({"max_suffix_length": -1}, "max_suffix_length: expected 0 or more"),
    ],
)
def test_bad_options(option, message):
    with pytest.raises(ConfigurationError, match=message):
        make_tagger(vocabulary(), **option)


def test_scores_of_paths_that_do_not_exist():
    vocab = vocabulary()
    tagger = make_tagger(vocab)
    words = batch_of(vocab, ["dog###NOUN"])["tokens"]["tokens"]["tokens"]
    lattice = tagger._lattice(words, tagger._emissions(words, words > 0, None))
    _, scores = best_paths_in(lattice, torch.tensor([1]), num_paths=5)
    assert [math.isinf(score) for score in scores[0].tolist()] == [False] * 3 + [True] * 2


def test_a_run_of_the_command_is_the_same_for_every_seed(tmp_path):
    from nlpreg.commands.train import train_model

    (tmp_path / "data.txt").write_text("\n".join(SENTENCES[:2]) + "\n", encoding="utf-8")
    config = {
        "dataset_reader": {"type": "sequence_tagging"},
        "train_data_path": str(tmp_path / "data.txt"),
        "validation_data_path": str(tmp_path / "data.txt"),
        "model": {"type": "tnt_tagger"},
        "data_loader": {"batch_size": 1},
        "trainer": {"type": "counting"},
    }
    counts = []
    for seed in (1, 2):
        params = Params({**config, "random_seed": seed, "numpy_seed": seed, "pytorch_seed": seed})
        prepare_environment(params)
        model = train_model(params, str(tmp_path / f"run{seed}"))
        counts.append(model.counts)
        loaded = Model.from_archive(str(tmp_path / f"run{seed}" / "model.tar.gz"))
        assert torch.equal(loaded.counts, model.counts)
    assert torch.equal(*counts)


def test_other_models_are_refused(tmp_path):
    with pytest.raises(
        ConfigurationError, match="counting trains models that count, such as tnt_tagger, and Linear"
    ):
        CountingTrainer(torch.nn.Linear(1, 1), [], tmp_path)
