import copy
import itertools
import math

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Batch, Vocabulary
from nlpreg.data.dataset_readers import ConlluDatasetReader
from nlpreg.data.dataset_readers.dataset_utils import bio_tags_to_spans
from nlpreg.models import Model, TaggerEnsemble
from nlpreg.models.tagging import ProbabilisticTagger
from nlpreg.modules import ConditionalRandomField
from nlpreg.modules.conditional_random_field import allowed_transitions

READER = ConlluDatasetReader(further_columns=["feats"])
SENTENCES = [
    (["the", "dog", "Rex", "barks"], ["O", "B-X", "I-X", "O"], ["_", "Number=Sing", "_", "Tense=Pres"]),
    (["cats"], ["B-X"], ["Number=Plur"]),
]
PARTS = {
    "text_field_embedder": {"token_embedders": {"tokens": {"embedding_dim": 4}}},
    "encoder": {"type": "lstm", "input_size": 4, "hidden_size": 3},
}
TAGGERS = {
    "simple_tagger": {"type": "simple_tagger", **PARTS},
    "crf_tagger": {"type": "crf_tagger", **PARTS},
    "crf_with_encoding": {
        "type": "crf_tagger",
        "label_encoding": "BIO",
        "confidences": True,
        "top_k": 2,
        **PARTS,
    },
    "multi_tagger": {"type": "multi_tagger", "heads": {"tags": {}, "feats": {"type": "features"}}, **PARTS},
}


def instances(name):
    made = [
        READER.text_to_instance(words, tags, {"feats": feats} if name == "multi_tagger" else None)
        for words, tags, feats in SENTENCES
    ]
    for instance in made:
        READER.apply_token_indexers(instance)
    return made


def members_of(name, vocab, number=3):
    members = []
    for seed in range(number):
        torch.manual_seed(seed)
        members.append(Model.from_params(Params(copy.deepcopy(TAGGERS[name])), vocab=vocab).eval())
        for parameter in members[-1].parameters():  # further apart than initial values are
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter)
    return members


@pytest.mark.parametrize("name", TAGGERS)
def test_probabilities_are_the_mean_of_the_members(name):
    vocab = Vocabulary.from_instances(instances(name))
    members = members_of(name, vocab)
    ensemble = TaggerEnsemble(vocab, members)
    batch = Batch(instances(name))
    batch.index_instances(vocab)
    fields = batch.as_tensor_dict()
    words = {"tokens": fields["tokens"], "metadata": fields["metadata"]}
    outputs = [member(**words) for member in members]
    expected = {
        field: sum(
            member.tag_probabilities(output)[field] for member, output in zip(members, outputs, strict=True)
        )
        / 3
        for field in members[0].tag_probabilities(outputs[0])
    }
    found = ensemble(**fields)
    assert "loss" not in found
    mask = fields["tokens"]["tokens"]["tokens"] > 0
    if name == "multi_tagger":
        for field in expected:
            torch.testing.assert_close(found["_probabilities"][field], expected[field])
    else:
        probabilities = found["logits"].exp() * mask.unsqueeze(2)
        torch.testing.assert_close(probabilities, expected["tags"].float() * mask.unsqueeze(2))
    if name != "crf_with_encoding":  # whose constraints may rule the most probable tags out
        names = vocab.get_index_to_token_vocabulary("labels")
        best = expected["tags"].argmax(-1)
        tags = ensemble.make_output_human_readable(found)["tags"]
        assert tags == [
            [names[i] for i in row[:length]] for row, length in zip(best.tolist(), (4, 1), strict=True)
        ]
        right = (best == fields["tags"])[mask].double().mean().item()
        metrics = ensemble.get_metrics(reset=True)
        assert metrics["tags_accuracy" if name == "multi_tagger" else "accuracy"] == pytest.approx(right)


@pytest.mark.parametrize("name", TAGGERS)
def test_one_member_is_itself(name):
    vocab = Vocabulary.from_instances(instances(name))
    (member,) = members_of(name, vocab, 1)
    alone = member.forward_on_instances(instances(name))
    member.get_metrics(reset=True)
    ensemble = TaggerEnsemble(vocab, [member]).eval()
    for one, other in zip(alone, ensemble.forward_on_instances(instances(name)), strict=True):
        assert one.keys() == other.keys()
        for found, expected in zip(other.get("top_k_tags", ()), one.get("top_k_tags", ()), strict=True):
            assert found["tags"] == expected["tags"]
            assert found["probability"] == pytest.approx(expected["probability"], abs=1e-5)
        if not name.startswith("crf"):  # the best sequence need not be that of the most probable tags
            assert one["tags"] == other["tags"]
        assert one.get("feats") == other.get("feats")


@pytest.mark.parametrize("top_k", [2, 100])
def test_sequences_and_spans_have_the_mean_of_the_probabilities(monkeypatch, top_k):
    monkeypatch.setitem(TAGGERS["crf_with_encoding"], "top_k", top_k)
    vocab = Vocabulary.from_instances(instances("crf_with_encoding"))
    members = members_of("crf_with_encoding", vocab)
    ensemble = TaggerEnsemble(vocab, members).eval()
    batch = Batch(instances("crf_with_encoding"))
    batch.index_instances(vocab)
    fields = batch.as_tensor_dict()
    names = vocab.get_index_to_token_vocabulary("labels")
    allowed = set(allowed_transitions("BIO", names))
    logits = [member(fields["tokens"])["logits"].double() for member in members]
    for row, (length, found) in enumerate(
        zip((4, 1), ensemble.forward_on_instances(instances("crf_with_encoding")), strict=True)
    ):
        means = {}
        for member, scores in zip(members, logits, strict=True):
            crf, paths = member.crf, {}
            for path in itertools.product(range(len(names)), repeat=length):
                if set(itertools.pairwise((len(names), *path, len(names) + 1))) <= allowed:
                    score = crf.start_transitions[path[0]] + crf.end_transitions[path[-1]]
                    score = score + sum(scores[row, t, tag] for t, tag in enumerate(path))
                    score = score + sum(crf.transitions[a, b] for a, b in itertools.pairwise(path))
                    paths[tuple(names[tag] for tag in path)] = score.exp().item()
            total = sum(paths.values())
            for path, value in paths.items():
                means[path] = means.get(path, 0.0) + value / total / len(members)
        best = found["top_k_tags"]
        assert len(best) == min(top_k, len(means))
        for entry in best:
            expected = means[tuple(entry["tags"])]
            assert entry["probability"] == pytest.approx(expected, rel=1e-4, abs=1e-9)
            assert entry["score"] == pytest.approx(math.log(expected), rel=1e-3)
        probabilities = [entry["probability"] for entry in best]
        assert probabilities == sorted(probabilities, reverse=True)
        for span in found["spans"]:
            whole = (span["label"], (span["start"], span["end"]))
            expected = sum(p for path, p in means.items() if whole in bio_tags_to_spans(list(path)))
            assert span["confidence"] == pytest.approx(expected, rel=1e-4)
        assert len(found["spans"]) == len(bio_tags_to_spans(found["tags"]))


def test_tags_of_marginals_keep_to_the_constraints():
    torch.manual_seed(1)
    labels = {0: "O", 1: "B-X", 2: "I-X", 3: "B-Y", 4: "I-Y"}
    allowed = allowed_transitions("BIO", labels)
    crf = ConditionalRandomField(5, allowed)
    marginals = torch.rand(6, 4, 5).softmax(-1)
    lengths = [4, 3, 2, 1, 4, 0]
    mask = torch.arange(4) < torch.tensor(lengths).unsqueeze(1)
    for row, (found, length) in enumerate(zip(crf.tags_of_marginals(marginals, mask), lengths, strict=True)):
        paths = [
            path
            for path in itertools.product(range(5), repeat=length)
            if set(itertools.pairwise((5, *path, 6))) <= set(allowed) or not length
        ]
        best = max(paths, key=lambda path: sum(marginals[row, t, tag].log() for t, tag in enumerate(path)))
        assert tuple(found) == best


def test_wrong_members():
    vocab = Vocabulary.from_instances(instances("simple_tagger"))
    (simple,), (crf,) = members_of("simple_tagger", vocab, 1), members_of("crf_tagger", vocab, 1)
    with pytest.raises(
        ConfigurationError, match="members.1: expected taggers of one class.*CrfTagger beside SimpleTagger"
    ):
        TaggerEnsemble(vocab, [simple, crf])
    with pytest.raises(ConfigurationError, match="expected at least one tagger"):
        TaggerEnsemble(vocab, [])
    with pytest.raises(ConfigurationError, match="train its members, then pack them with `nlpreg ensemble`"):
        TaggerEnsemble(vocab, [simple]).check_before_training()
    with pytest.raises(NotImplementedError, match="has no tag_probabilities"):
        ProbabilisticTagger(vocab, simple.text_field_embedder, simple.encoder).tag_probabilities({})
    with pytest.raises(NotImplementedError, match="has no choose"):
        ProbabilisticTagger(vocab, simple.text_field_embedder, simple.encoder).choose({}, {}, {})


def test_certain_members_that_disagree_are_not_in_a_tie():
    vocab = Vocabulary.from_instances(instances("crf_tagger"))
    members = members_of("crf_tagger", vocab, 2)
    batch = Batch(instances("crf_tagger"))
    batch.index_instances(vocab)
    words = batch.as_tensor_dict()["tokens"]
    for tag, (member, score) in enumerate(zip(members, (22.0, 25.0), strict=True)):
        for parameter in member.parameters():
            torch.nn.init.zeros_(parameter)
        with torch.no_grad():
            member.tag_projection_layer._module.bias[tag] = score
    for order in (members, members[::-1]):
        assert TaggerEnsemble(vocab, order).eval()(tokens=words)["tags"] == [[1] * 4, [1]]


def test_sentences_without_words_have_no_probabilities():
    crf = ConditionalRandomField(3)
    logits, mask = torch.zeros(2, 0, 3), torch.zeros(2, 0, dtype=torch.bool)
    assert crf.marginals(logits, mask).shape == (2, 0, 3)
    assert crf.tags_of_marginals(logits, mask) == [[], []]
    assert crf.log_partition(logits, mask).tolist() == [0.0, 0.0]
    assert crf.log_probability_of_sets(logits, logits.bool(), mask).tolist() == [0.0, 0.0]
