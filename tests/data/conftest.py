"""Small vocabularies and corpora for the tests of the data layer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlpreg.data import Instance, TokenIndexer, Vocabulary
from nlpreg.data.fields import LabelField, SequenceLabelField, TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer


@pytest.fixture
def vocab() -> Vocabulary:
    """Words, characters and labels of a few sentences."""
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(["the", "dog", "barks", "."])
    vocab.add_tokens_to_namespace(list("thedogbarks."), "token_characters")
    vocab.add_tokens_to_namespace(["DET", "NOUN", "VERB", "PUNCT"], "labels")
    return vocab


@pytest.fixture
def indexers() -> dict[str, TokenIndexer]:
    """Ids of words and of their characters."""
    return {"tokens": SingleIdTokenIndexer(), "chars": TokenCharactersIndexer(min_padding_length=2)}


@pytest.fixture
def make_instance(indexers: dict[str, TokenIndexer]) -> Callable[..., Instance]:
    """Makes a tagged sentence."""

    def make(words: str, tags: str | None = None, label: str | None = None) -> Instance:
        text = TextField.from_words(words.split(), indexers)
        fields: dict[str, Any] = {"text": text}
        if tags is not None:
            fields["tags"] = SequenceLabelField(tags.split(), text)
        if label is not None:
            fields["label"] = LabelField(label, "topic_labels")
        return Instance(fields)

    return make


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a word piece tokenizer in the manner of BERT, with a vocabulary of a few words."""
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "the",
        "dog",
        "bark",
        "##s",
        "a",
        "b",
        "1",
        "2",
        ".",
        "é",
    ]
    ids = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    folder = tmp_path_factory.mktemp("tiny_bert")
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    return folder
