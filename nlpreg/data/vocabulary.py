"""The vocabulary: which strings the model knows, and their ids."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence

from nlpreg.common import cached_transformers
from nlpreg.common.memory import seldom_garbage_collection
from nlpreg.common.registrable import Registrable
from nlpreg.common.tqdm import Tqdm
from nlpreg.data.corpus import count_instances
from nlpreg.data.instance import Instance
from nlpreg.data.vocabulary_building import (
    check_min_count,
    check_padding_unchanged,
    is_padded_by,
    items_to_keep,
    read_pretrained_words,
)
from nlpreg.data.vocabulary_entries import (
    DEFAULT_OOV_TOKEN,
    DEFAULT_PADDING_TOKEN,
    UnknownTokenError,
    VocabularyEntries,
)
from nlpreg.data.vocabulary_files import (
    NAMESPACE_PADDING_FILE,
    find_vocabulary_folder,
    lock_of,
    namespace_files,
    read_patterns,
)

__all__ = [
    "DEFAULT_NON_PADDED_NAMESPACES",
    "DEFAULT_OOV_TOKEN",
    "DEFAULT_PADDING_TOKEN",
    "NAMESPACE_PADDING_FILE",
    "UnknownTokenError",
    "Vocabulary",
]

logger = logging.getLogger(__name__)

DEFAULT_NON_PADDED_NAMESPACES = ("*tags", "*labels")


class Vocabulary(VocabularyEntries, Registrable):
    """Ids for strings, in namespaces: words, characters and each kind of label have ids of their own.

    A padded namespace starts with the padding token (id 0) and the token for everything unknown (id 1); in a
    non-padded one, such as labels, ids start from 0 and nothing is unknown. Ids grow in the order of addition
    and never change.

    As a rule a vocabulary is made from data by `from_instances`, which the arguments here serve as well.

    Args:
        counter: how often each item occurs, by namespace. The most frequent item gets the first id; items
            that occur equally often keep the order in which they were first seen.
        min_count: by namespace, leave out items that occur less often.
        max_vocab_size: by namespace, or one number for all: consider only so many of the most frequent items.
            The padding and unknown entries come on top.
        non_padded_namespaces: names, or `*suffix`, of namespaces without padding and unknown entries.
        pretrained_files: by namespace, a file of word vectors (`EmbeddingsTextFile`). An item that has a
            vector is kept even if it is rare.
        only_include_pretrained_words: leave out items without a vector, where there is a file.
        tokens_to_add: by namespace, tokens that get an id whether they occur or not, after all others.
        min_pretrained_embeddings: by namespace, add so many of the first words of the file of vectors,
            whether they occur or not; -1 for all.
        padding_token: the entry with id 0 of padded namespaces.
        oov_token: the entry for everything unknown.

    Raises:
        ConfigurationError: `min_count` names a namespace that does not occur.
    """

    default_implementation = "from_instances"

    def __init__(
        self,
        counter: dict[str, dict[str, int]] | None = None,
        min_count: dict[str, int] | None = None,
        max_vocab_size: int | dict[str, int] | None = None,
        non_padded_namespaces: Iterable[str] = DEFAULT_NON_PADDED_NAMESPACES,
        pretrained_files: dict[str, str] | None = None,
        only_include_pretrained_words: bool = False,
        tokens_to_add: dict[str, list[str]] | None = None,
        min_pretrained_embeddings: dict[str, int] | None = None,
        padding_token: str | None = DEFAULT_PADDING_TOKEN,
        oov_token: str | None = DEFAULT_OOV_TOKEN,
    ) -> None:
        super().__init__(non_padded_namespaces, padding_token, oov_token)
        self._retained_counter: dict[str, dict[str, int]] | None = None
        self._extend(
            counter,
            min_count,
            max_vocab_size,
            self._non_padded_namespaces,
            pretrained_files,
            only_include_pretrained_words,
            tokens_to_add,
            min_pretrained_embeddings,
        )

    @classmethod
    def from_instances(
        cls,
        instances: Iterable[Instance],
        min_count: dict[str, int] | None = None,
        max_vocab_size: int | dict[str, int] | None = None,
        non_padded_namespaces: Iterable[str] = DEFAULT_NON_PADDED_NAMESPACES,
        pretrained_files: dict[str, str] | None = None,
        only_include_pretrained_words: bool = False,
        tokens_to_add: dict[str, list[str]] | None = None,
        min_pretrained_embeddings: dict[str, int] | None = None,
        padding_token: str | None = DEFAULT_PADDING_TOKEN,
        oov_token: str | None = DEFAULT_OOV_TOKEN,
    ) -> Vocabulary:
        """A vocabulary of what occurs in these instances.

        Args:
            instances: what to count; the other arguments are those of the class.
        """
        return cls(
            _count(instances),
            min_count,
            max_vocab_size,
            non_padded_namespaces,
            pretrained_files,
            only_include_pretrained_words,
            tokens_to_add,
            min_pretrained_embeddings,
            padding_token,
            oov_token,
        )

    @classmethod
    def from_files(
        cls,
        directory: str | os.PathLike[str],
        padding_token: str | None = DEFAULT_PADDING_TOKEN,
        oov_token: str | None = DEFAULT_OOV_TOKEN,
    ) -> Vocabulary:
        """A vocabulary that was saved in a folder, or in an archive of such a folder or of a model.

        Args:
            directory: the folder or archive, a path or URL.
            padding_token: that of the saved vocabulary, which the files do not tell.
            oov_token: the same for unknown tokens.

        Raises:
            FileNotFoundError: there is nothing at that path.
            ConfigurationError: it holds no vocabulary.
        """
        folder = find_vocabulary_folder(directory)
        logger.info("loading the vocabulary in %s", folder)
        with lock_of(folder):
            vocab = cls(
                non_padded_namespaces=read_patterns(folder), padding_token=padding_token, oov_token=oov_token
            )
            for namespace, path in namespace_files(folder).items():
                is_padded = is_padded_by(vocab._non_padded_namespaces, namespace)
                vocab.set_from_file(str(path), is_padded, vocab._oov_token, namespace)
        return vocab

    @classmethod
    def from_files_and_instances(
        cls,
        instances: Iterable[Instance],
        directory: str,
        padding_token: str | None = DEFAULT_PADDING_TOKEN,
        oov_token: str | None = DEFAULT_OOV_TOKEN,
        min_count: dict[str, int] | None = None,
        max_vocab_size: int | dict[str, int] | None = None,
        non_padded_namespaces: Iterable[str] = DEFAULT_NON_PADDED_NAMESPACES,
        pretrained_files: dict[str, str] | None = None,
        only_include_pretrained_words: bool = False,
        tokens_to_add: dict[str, list[str]] | None = None,
        min_pretrained_embeddings: dict[str, int] | None = None,
    ) -> Vocabulary:
        """A saved vocabulary, whose ids stay, extended by what occurs in these instances.

        Args:
            instances: what to count.
            directory: folder or archive of the saved vocabulary; the other arguments are those of the class.
        """
        vocab = cls.from_files(directory, padding_token, oov_token)
        vocab._extend(
            _count(instances),
            min_count,
            max_vocab_size,
            non_padded_namespaces,
            pretrained_files,
            only_include_pretrained_words,
            tokens_to_add,
            min_pretrained_embeddings,
        )
        return vocab

    @classmethod
    def empty(cls) -> Vocabulary:
        """A vocabulary without entries, for models that bring their own."""
        return cls()

    @classmethod
    def from_pretrained_transformer(
        cls, model_name: str, namespace: str = "tokens", oov_token: str | None = None
    ) -> Vocabulary:
        """The vocabulary of a transformers tokenizer, with its own ids, in one namespace.

        Args:
            model_name: name or folder of the model.
            namespace: the namespace, which is not padded.
            oov_token: what unknown tokens become; by default the tokenizer's own.
        """

        tokenizer = cached_transformers.get_tokenizer(model_name)
        vocab = cls(non_padded_namespaces=[namespace], oov_token=oov_token or tokenizer.unk_token)
        vocab.add_transformer_vocab(tokenizer, namespace)
        return vocab

    @classmethod
    def from_pretrained_transformer_and_instances(
        cls,
        instances: Iterable[Instance],
        transformers: dict[str, str],
        min_count: dict[str, int] | None = None,
        max_vocab_size: int | dict[str, int] | None = None,
        non_padded_namespaces: Iterable[str] = DEFAULT_NON_PADDED_NAMESPACES,
        pretrained_files: dict[str, str] | None = None,
        only_include_pretrained_words: bool = False,
        tokens_to_add: dict[str, list[str]] | None = None,
        min_pretrained_embeddings: dict[str, int] | None = None,
        padding_token: str | None = DEFAULT_PADDING_TOKEN,
        oov_token: str | None = DEFAULT_OOV_TOKEN,
    ) -> Vocabulary:
        """A vocabulary of these instances, extended by those of transformers models.

        Args:
            instances: what to count.
            transformers: name or folder of a model by namespace; the others are those of the class.
        """
        vocab = cls.from_instances(
            instances,
            min_count,
            max_vocab_size,
            non_padded_namespaces,
            pretrained_files,
            only_include_pretrained_words,
            tokens_to_add,
            min_pretrained_embeddings,
            padding_token,
            oov_token,
        )
        for namespace, model_name in transformers.items():
            vocab.extend_from_vocab(cls.from_pretrained_transformer(model_name, namespace))
        return vocab

    def extend_from_instances(self, instances: Iterable[Instance]) -> None:
        """Add everything that occurs in these instances; existing ids stay as they are."""
        self._extend(_count(instances), non_padded_namespaces=self._non_padded_namespaces)

    def extend_from_vocab(self, vocab: Vocabulary) -> None:
        """Add every token of another vocabulary, in the order of its ids, and its non-padded namespaces."""
        self._non_padded_namespaces |= vocab._non_padded_namespaces
        for namespace in vocab._index_to_token:
            tokens = vocab.get_index_to_token_vocabulary(namespace)
            self.add_tokens_to_namespace([tokens[index] for index in sorted(tokens)], namespace)

    def print_statistics(self) -> None:
        """Print sizes and, of what was counted last, the most frequent, longest and shortest items."""
        print(self)
        if not self._retained_counter:
            logger.info("no counts to show: the vocabulary was loaded or made by hand")
            return
        for namespace, counts in self._retained_counter.items():
            by_count = sorted(counts, key=counts.__getitem__, reverse=True)
            by_length = sorted(counts, key=len, reverse=True)
            for title, items in (
                ("most frequent", by_count[:10]),
                ("longest", by_length[:10]),
                ("shortest", by_length[:-11:-1]),
            ):
                print(f"\n\tTop 10 {title} items of the namespace '{namespace}':")
                for item in items:
                    print(f"\t\t{item!r}\t\tlength: {len(item)}\tcount: {counts[item]}")

    @seldom_garbage_collection()
    def _extend(
        self,
        counter: dict[str, dict[str, int]] | None = None,
        min_count: dict[str, int] | None = None,
        max_vocab_size: int | dict[str, int] | None = None,
        non_padded_namespaces: Iterable[str] = DEFAULT_NON_PADDED_NAMESPACES,
        pretrained_files: dict[str, str] | None = None,
        only_include_pretrained_words: bool = False,
        tokens_to_add: dict[str, list[str]] | None = None,
        min_pretrained_embeddings: dict[str, int] | None = None,
    ) -> None:
        """Add what was counted, within the limits, and what is asked for."""
        min_count, tokens_to_add = min_count or {}, tokens_to_add or {}
        counts = counter or {}
        check_min_count(min_count, counter)
        patterns = set(non_padded_namespaces)
        extended = self.get_namespaces() & {*counts, *tokens_to_add}
        check_padding_unchanged(extended, self._non_padded_namespaces, patterns)
        self._non_padded_namespaces |= patterns
        self._retained_counter = counter
        limits = max_vocab_size if isinstance(max_vocab_size, dict) else dict.fromkeys(counts, max_vocab_size)
        for namespace, items in counts.items():
            words: Sequence[str] = ()
            if file_uri := (pretrained_files or {}).get(namespace):
                words = read_pretrained_words(file_uri)
            kept = items_to_keep(
                items,
                limits.get(namespace),
                min_count.get(namespace, 1),
                set(words) if file_uri else None,
                only_include_pretrained_words,
            )
            wanted = (min_pretrained_embeddings or {}).get(namespace, 0)
            self.add_tokens_to_namespace(kept, namespace)
            self.add_tokens_to_namespace(list(words if wanted < 0 else words[:wanted]), namespace)
        for namespace, tokens in tokens_to_add.items():
            self.add_tokens_to_namespace(tokens, namespace)


def _count(instances: Iterable[Instance]) -> dict[str, dict[str, int]]:
    """How often every item of these instances occurs, by namespace."""
    logger.info("counting the items of the instances for the vocabulary")
    return count_instances(Tqdm.tqdm(instances, desc="building vocab"))


# A vocabulary is its own base: each way to make one is a name that configs use.
Vocabulary.register("from_instances", constructor="from_instances")(Vocabulary)
Vocabulary.register("from_files", constructor="from_files")(Vocabulary)
Vocabulary.register("extend", constructor="from_files_and_instances")(Vocabulary)
Vocabulary.register("empty", constructor="empty")(Vocabulary)
Vocabulary.register("from_pretrained_transformer", constructor="from_pretrained_transformer")(Vocabulary)
Vocabulary.register(
    "from_pretrained_transformer_and_instances", constructor="from_pretrained_transformer_and_instances"
)(Vocabulary)
