"""Splitting into subwords learned from text, and learning them."""

import functools
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from nlpreg.common import cached_transformers
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.untrusted import check_resource
from nlpreg.common.digests import check_digests, record_digests
from nlpreg.common.file_utils import cached_path
from nlpreg.common.files import atomic_write, read_text
from nlpreg.common.imports import optional
from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.tokenizers.tokenizer import Tokenizer

SUBWORDS_FOLDER = "subwords"
"""Folder, in a run and in its archive, for the tokenizers that the run uses."""

# The vocabulary's own unknown token, so that both share one entry.
_UNKNOWN = "@@UNKNOWN@@"

SubwordModel = Literal["bpe", "unigram", "byte-level"]


@Tokenizer.register("subword")
class SubwordTokenizer(Tokenizer):
    """Splits texts with a tokenizer of the `tokenizers` package, such as one of `nlpreg train-tokenizer`.

    A run copies the tokenizer to its folder and its archive, so the archive is self-contained. No special tokens are added to
    a text.

    Args:
        model_path: a `tokenizer.json`, a folder with one, or the name of a model on the Hugging Face hub.
        serialization_dir: folder of the training run, or of its archive.

    Raises:
        ImportError: the `tokenizers` package is not installed (or `transformers`, for a model on the hub).
        ConfigurationError: there is no such tokenizer, or the file is not a tokenizer.
    """

    def __init__(self, model_path: str, serialization_dir: str | None = None) -> None:
        self.model_path = model_path
        self.json = read_subwords(model_path, serialization_dir)

    @property
    def tokenizer(self) -> Any:
        """The `tokenizers.Tokenizer`, loaded once per process."""
        return subwords_from_json(self.json)

    def tokenize(self, text: str) -> list[Token]:
        """Tokens with their text, their id in the tokenizer as `text_id`, and their character offsets."""
        encoded = self.tokenizer.encode(text, add_special_tokens=False)
        columns = zip(encoded.tokens, encoded.ids, encoded.offsets, strict=True)
        return [Token(piece, start, end, text_id=number) for piece, number, (start, end) in columns]

    def split_words(self, text: str) -> list[str]:
        """The texts of the tokens, to be looked up in the vocabulary."""
        pieces: list[str] = self.tokenizer.encode(text, add_special_tokens=False).tokens
        return pieces

    def detokenize(self, tokens: Sequence[str]) -> str:
        """The text of these tokens, decoded by the tokenizer."""
        decoder = self.tokenizer.decoder
        text: str = "".join(tokens) if decoder is None else decoder.decode(list(tokens))
        return text

    def __eq__(self, other: object) -> bool:
        return self.json == other.json if isinstance(other, SubwordTokenizer) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equal by value, and open to change


def read_subwords(model_path: str, serialization_dir: str | None = None) -> str:
    """The JSON of a tokenizer: from the copy in the run's folder, else from its source, which is then copied there.

    Args:
        model_path: as for `SubwordTokenizer`.
        serialization_dir: folder of the run.

    Raises:
        ConfigurationError: there is no such tokenizer, or the file is not a tokenizer.
    """
    if serialization_dir is None:
        return _checked(_read_source(model_path), model_path)
    # named after the value in the config, the only information about the source that an archive has
    digest = hashlib.blake2b(model_path.encode("utf-8"), digest_size=6).hexdigest()
    name = f"{SUBWORDS_FOLDER}/{digest}.json"
    kept = Path(serialization_dir, name)
    if kept.is_file():
        check_digests(serialization_dir, [name])
        return _checked(read_text(kept), str(kept))
    content = _checked(_read_source(model_path), model_path)
    if os.path.isdir(serialization_dir):
        kept.parent.mkdir(exist_ok=True)
        with atomic_write(kept, "w") as file:
            file.write(content)
        record_digests(serialization_dir, [name])
    return content


def _read_source(model_path: str) -> str:
    """The JSON of a tokenizer file, or of a tokenizer on the hub."""
    if "://" in model_path or os.path.exists(os.path.expanduser(model_path)):
        check_resource(model_path)
    if "://" in model_path or os.path.isfile(os.path.expanduser(model_path)):
        return read_text(cached_path(model_path))
    if os.path.isdir(os.path.expanduser(model_path)):
        path = Path(os.path.expanduser(model_path), "tokenizer.json")
        if path.is_file():
            return read_text(path)
    elif model_path.endswith(".json"):
        raise ConfigurationError(
            f"{model_path}: expected a tokenizer, found no such file; `nlpreg train-tokenizer TEXT {model_path}` creates one"
        )
    loaded = cached_transformers.get_tokenizer(model_path, use_fast=True)
    if not loaded.is_fast:
        raise ConfigurationError(
            f"{model_path}: its tokenizer has no fast form, which a subword tokenizer needs; use pretrained_transformer"
        )
    content: str = loaded.backend_tokenizer.to_str()
    return content


def _checked(content: str, name: str) -> str:
    try:
        subwords_from_json(content)
    except ImportError:
        raise
    except Exception as error:  # the package raises plain `Exception`
        raise ConfigurationError(
            f"{name}: expected a tokenizer.json of the tokenizers package, got something else ({error})"
        ) from error
    return content


@functools.lru_cache(maxsize=8)
def subwords_from_json(content: str) -> Any:
    """The `tokenizers.Tokenizer` that a JSON text describes."""
    tokenizers = optional("tokenizers", extra="subwords")
    tokenizer = tokenizers.Tokenizer.from_str(content)
    # a file may enable truncation and padding of every text
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def train_subwords(
    lines: Iterable[str],
    vocab_size: int,
    model: SubwordModel = "bpe",
    lowercase: bool = False,
    special_tokens: Sequence[str] = (),
    min_frequency: int = 2,
    show_progress: bool = False,
) -> Any:
    """Learn subwords from text.

    Args:
        lines: the text, including spaces and line ends.
        vocab_size: number of subwords, including special tokens and single characters.
        model: "bpe" (byte-pair encoding of words), "unigram" (the subwords of a unigram language model) or "byte-level"
            (byte-pair encoding of bytes: encoding is lossless, and nothing is unknown).
        lowercase: whether texts are lower-cased first.
        special_tokens: tokens that are never split, such as a separator of documents.
        min_frequency: for both kinds of byte-pair encoding, the minimum frequency of pairs to merge.
        show_progress: whether to show progress bars.

    Returns:
        A `tokenizers.Tokenizer`; its method `save` writes what `SubwordTokenizer` reads.

    Raises:
        ImportError: the `tokenizers` package is not installed.
        ValueError: `vocab_size` is too small for the single characters, or another model.
    """
    tokenizers = optional("tokenizers", extra="subwords")
    models, trainers, pre = tokenizers.models, tokenizers.trainers, tokenizers.pre_tokenizers
    is_byte_level = model == "byte-level"
    shared: dict[str, Any] = {
        "vocab_size": vocab_size,
        "show_progress": show_progress,
        "special_tokens": [*special_tokens] if is_byte_level else [_UNKNOWN, *special_tokens],
    }
    if is_byte_level:
        tokenizer = tokenizers.Tokenizer(models.BPE())
        alphabet = pre.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(initial_alphabet=alphabet, min_frequency=min_frequency, **shared)
    elif model == "bpe":
        tokenizer = tokenizers.Tokenizer(models.BPE(unk_token=_UNKNOWN, fuse_unk=True))
        trainer = trainers.BpeTrainer(min_frequency=min_frequency, **shared)
    elif model == "unigram":
        tokenizer = tokenizers.Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(unk_token=_UNKNOWN, **shared)
    else:
        raise ValueError(f"model: expected 'bpe', 'unigram' or 'byte-level', got {model!r}")
    tokenizer.pre_tokenizer = pre.ByteLevel(add_prefix_space=False) if is_byte_level else pre.Metaspace()
    decoders = tokenizers.decoders
    tokenizer.decoder = decoders.ByteLevel() if is_byte_level else decoders.Metaspace()
    if lowercase:
        tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer
