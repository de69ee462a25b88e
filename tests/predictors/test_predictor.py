import json
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params
from nlpreg.data import DatasetReader, Instance
from nlpreg.data.tokenizers import Token, WhitespaceTokenizer
from nlpreg.models import Archive, Model, SimpleTagger
from nlpreg.predictors import Predictor, SentenceTaggerPredictor


@pytest.fixture
def predictor(tagger: SimpleTagger, tagging_reader: DatasetReader) -> SentenceTaggerPredictor:
    return SentenceTaggerPredictor(tagger, tagging_reader, tokenizer=WhitespaceTokenizer())


def labelled(predictor: Predictor, words: str, tags: list[str]) -> Instance:
    instance = predictor._dataset_reader.text_to_instance([Token(word) for word in words.split()], tags)
    predictor._dataset_reader.apply_token_indexers(instance)
    return instance


def test_lines(predictor: Predictor) -> None:
    assert predictor.load_line('{"a": [1, null]}\n') == {"a": [1, None]}
    assert predictor.dump_line({"a": "é"}) == '{"a": "\\u00e9"}\n'
    assert predictor.dump_line({"a": [float("nan")]}) == '{"a": ["NaN"]}\n'


def test_predictions_are_json(predictor: Predictor) -> None:
    result = predictor.predict_json({"sentence": "the dog ate"})
    assert json.loads(predictor.dump_line(result)) == result
    assert len(result["tags"]) == 3 and isinstance(result["logits"][0][0], float)


def test_a_batch_is_as_good_as_one_by_one(predictor: Predictor) -> None:
    inputs = [{"sentence": text} for text in ("the dog ate the apple", "Zoë", "unknown words here")]
    together = predictor.predict_batch_json(inputs)
    for single, one_of_many in zip(map(predictor.predict_json, inputs), together, strict=True):
        length = len(single["words"])
        assert one_of_many["words"] == single["words"]
        assert one_of_many["tags"][:length] == single["tags"]
        assert numpy.allclose(one_of_many["logits"][:length], single["logits"], atol=1e-6)


@pytest.mark.parametrize("frozen", [True, False])
def test_evaluation_mode(frozen: bool, tagger: SimpleTagger, tagging_reader: DatasetReader) -> None:
    tagger.train()
    SentenceTaggerPredictor(tagger, tagging_reader, frozen=frozen)
    assert tagger.training is not frozen


def test_a_predictor_for_instances_only(tagger: SimpleTagger, tagging_reader: DatasetReader) -> None:
    predictor = Predictor(tagger, tagging_reader)
    with pytest.raises(NotImplementedError, match="Predictor cannot make instances from JSON"):
        predictor.predict_json({"sentence": "a"})
    instance = tagging_reader.text_to_instance([Token("dog")])
    assert len(predictor.predict_instance(instance)["tags"]) == 1
    with pytest.raises(RuntimeError, match="Predictor cannot turn predictions into labels"):
        predictor.predictions_to_labeled_instances(instance, {})


def test_gradients(predictor: Predictor, tagger: SimpleTagger) -> None:
    weight = tagger.text_field_embedder.token_embedder_tokens.weight
    weight.requires_grad_(False)
    kept = torch.ones_like(tagger.tag_projection_layer._module.weight)
    tagger.tag_projection_layer._module.weight.grad = kept
    instances = [
        labelled(predictor, "the dog", ["O", "U-PER"]),
        labelled(predictor, "apple", ["O"]),
    ]
    gradients, outputs = predictor.get_gradients(instances)
    assert list(gradients) == ["grad_input_1"]
    found = gradients["grad_input_1"]
    assert found.shape == (2, 2, 4)
    assert numpy.allclose(found[1, 1], 0)  # padding
    # the same by a difference quotient: move the embedding of "dog", which occurs once
    index = tagger.vocab.get_token_index("dog")
    assert outputs["loss"].dim() == 0

    def loss() -> float:
        return float(tagger(**_tensors(instances, tagger))["loss"])

    step = 1e-2
    with torch.no_grad():
        weight[index, 2] += step
        above = loss()
        weight[index, 2] -= 2 * step
        below = loss()
        weight[index, 2] += step
    assert found[0, 1, 2] == pytest.approx((above - below) / (2 * step), rel=1e-2, abs=1e-4)
    assert weight.requires_grad is False and weight.grad is None
    assert tagger.tag_projection_layer._module.weight.grad is kept


def _tensors(instances: list[Instance], model: Model) -> dict[str, Any]:
    from nlpreg.data import Batch

    batch = Batch(instances)
    batch.index_instances(model.vocab)
    return batch.as_tensor_dict()


def test_gradients_need_an_embedding(tagging_reader: DatasetReader, tagger: SimpleTagger) -> None:
    class Bare(Model):
        def __init__(self) -> None:
            super().__init__(tagger.vocab)
            self.linear = torch.nn.Linear(1, 1)

    predictor = SentenceTaggerPredictor(Bare(), tagging_reader)
    with pytest.raises(RuntimeError, match="override SentenceTaggerPredictor.get_interpretable_layer"):
        predictor.get_interpretable_layer()
    with pytest.raises(RuntimeError, match="get_interpretable_text_field_embedder"):
        predictor.get_interpretable_text_field_embedder()


def test_capturing_internals(predictor: Predictor) -> None:
    with predictor.capture_model_internals(r"encoder(\._module)?|tag_projection_layer") as internals:
        predictor.predict_json({"sentence": "the dog"})
    names = [part["name"].partition("(")[0] for part in internals.values()]
    assert names == ["LstmSeq2SeqEncoder", "LSTM", "TimeDistributed"] or len(names) >= 2
    assert all(json.dumps(part["output"]) for part in internals.values())
    before = dict(internals)
    predictor.predict_json({"sentence": "ate"})
    assert internals == before  # the hooks are gone


def archive_of(model: Model, reader: DatasetReader, other: DatasetReader | None = None) -> Archive:
    return Archive(model, Params({"model": {"type": "simple_tagger"}}), reader, other or reader, None)


def test_from_archive(tagger: SimpleTagger, tagging_reader: DatasetReader) -> None:
    other = type(tagging_reader)()
    archive = archive_of(tagger, tagging_reader, other)
    predictor = Predictor.from_archive(archive)
    assert isinstance(predictor, SentenceTaggerPredictor)  # the model's own
    assert predictor._dataset_reader is other
    assert Predictor.from_archive(archive, dataset_reader_to_load="train")._dataset_reader is tagging_reader
    assert Predictor.from_archive(archive, frozen=False)._model.training
    assert not Predictor.from_archive(archive)._model.training

    class Mine(SentenceTaggerPredictor):
        pass

    assert type(Mine.from_archive(archive)) is Mine
    assert type(Mine.from_archive(archive, "sentence_tagger")) is SentenceTaggerPredictor
    tagger.default_predictor = None
    assert type(Predictor.from_archive(archive)) is Predictor


def test_arguments_of_the_constructor(tagger: SimpleTagger, tagging_reader: DatasetReader) -> None:
    archive = archive_of(tagger, tagging_reader)
    predictor = SentenceTaggerPredictor.from_archive(
        archive, extra_args={"tokenizer": "whitespace", "language": "xx"}
    )
    assert isinstance(predictor._tokenizer, WhitespaceTokenizer) and predictor._language == "xx"
    tokenizer = WhitespaceTokenizer()
    assert (
        SentenceTaggerPredictor.from_archive(archive, extra_args={"tokenizer": tokenizer})._tokenizer
        is tokenizer
    )
    with pytest.raises(ConfigurationError, match="takes no argument 'langauge'; did you mean \"language\""):
        SentenceTaggerPredictor.from_archive(archive, extra_args={"langauge": "xx"})
    with pytest.raises(ConfigurationError, match="language"):
        SentenceTaggerPredictor.from_archive(archive, extra_args={"language": 3})
    with pytest.raises(ConfigurationError, match="nothing_such"):
        Predictor.from_archive(archive, "nothing_such")


def test_from_path(tmp_path: Path, tagger: SimpleTagger) -> None:
    config = {
        "dataset_reader": {"type": "sequence_tagging"},
        "model": {
            "type": "simple_tagger",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
            "encoder": {"type": "lstm", "input_size": 4, "hidden_size": 3},
        },
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    tagger.vocab.save_to_files(tmp_path / "vocabulary")
    torch.save(tagger.state_dict(), tmp_path / "best.th")
    predictor = Predictor.from_path(tmp_path, import_plugins=False, tokenizer={"type": "whitespace"})
    expected = SentenceTaggerPredictor(tagger, predictor._dataset_reader, tokenizer=WhitespaceTokenizer())
    sentence = {"sentence": "the dog ate"}
    assert predictor.predict_json(sentence)["logits"] == expected.predict_json(sentence)["logits"]
