import pytest

from nlpreg.data import Batch, Instance, Vocabulary
from nlpreg.data.fields import TextField
from nlpreg.data.token_indexers import SubwordIndexer
from nlpreg.data.tokenizers import SubwordTokenizer
from nlpreg.data.tokenizers.subword_tokenizer import train_subwords

pytest.importorskip("tokenizers")

LINES = ["the lowest newest lower tower", "low lower lowest"] * 20


@pytest.fixture
def path(tmp_path):
    train_subwords(LINES, 40).save(str(tmp_path / "t.json"))
    return str(tmp_path / "t.json")


def test_every_subword_has_an_id_and_frequent_ones_low_ids(path):
    tokenizer, indexer = SubwordTokenizer(path), SubwordIndexer(path)
    texts = [tokenizer.split_words("lower lower low"), tokenizer.split_words("lower")]
    instances = [
        Instance({"text": TextField.from_words([*words, "</S>"], {"tokens": indexer})}) for words in texts
    ]
    vocab = Vocabulary.from_instances(instances)
    pieces = tokenizer.tokenizer.get_vocab()
    assert set(pieces) | {"</S>", "@@PADDING@@", "@@UNKNOWN@@"} == set(vocab.get_token_to_index_vocabulary())
    # the unknown token is an entry once
    assert vocab.get_vocab_size() == len(pieces) + 2
    assert vocab.get_token_from_index(2) == texts[1][0]
    batch = Batch(instances)
    batch.index_instances(vocab)
    ids = batch.as_tensor_dict()["text"]["tokens"]["tokens"]
    assert [vocab.get_token_from_index(i) for i in ids[0].tolist()] == [*texts[0], "</S>"]


def test_one_by_one_is_the_same(path):
    tokenizer, indexer = SubwordTokenizer(path), SubwordIndexer(path)
    counted = []
    for field in (TextField(tokenizer.tokenize("lower tower"), {"tokens": indexer}),):
        counter = Vocabulary.from_instances([Instance({"text": field})])
        counted.append(counter.get_token_to_index_vocabulary())
    words = TextField.from_words(tokenizer.split_words("lower tower"), {"tokens": indexer})
    assert (
        Vocabulary.from_instances([Instance({"text": words})]).get_token_to_index_vocabulary() == counted[0]
    )
