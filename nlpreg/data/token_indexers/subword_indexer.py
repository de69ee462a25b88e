"""Ids of subwords, all of which are in the vocabulary."""

from collections.abc import Mapping

from nlpreg.data.fields.field import VocabCounter
from nlpreg.data.token_indexers.single_id_token_indexer import SingleIdTokenIndexer
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers.subword_tokenizer import read_subwords, subwords_from_json
from nlpreg.data.tokenizers.token_class import Token


@TokenIndexer.register("subword")
class SubwordIndexer(SingleIdTokenIndexer):
    """Gives each token of a `subword` tokenizer one id, and adds every subword to the vocabulary, whether it occurs or not.

    With `single_id` instead, subwords that do not occur in the training data would be unknown.

    Args:
        model_path: as for the tokenizer.
        namespace: namespace of the vocabulary. Ids are ordered by frequency, as for words.
        token_min_padding_length: pad to this many tokens at least.
        serialization_dir: folder of the training run, or of its archive.

    Shape:
        `{"tokens": (num_tokens,)}`.

    Raises:
        ImportError, ConfigurationError: as for `SubwordTokenizer`.
    """

    def __init__(
        self,
        model_path: str,
        namespace: str = "tokens",
        token_min_padding_length: int = 0,
        serialization_dir: str | None = None,
    ) -> None:
        super().__init__(namespace, token_min_padding_length=token_min_padding_length)
        self.model_path = model_path
        entries = subwords_from_json(read_subwords(model_path, serialization_dir)).get_vocab()
        self._pieces: list[str] = sorted(entries, key=entries.__getitem__)

    def count_vocab_items(self, token: Token, counter: VocabCounter) -> None:
        """Count the token, and every subword once."""
        self._count_pieces(counter)
        super().count_vocab_items(token, counter)

    def count_words(self, counts: Mapping[str, int], counter: VocabCounter) -> None:
        """Count distinct tokens, and every subword once."""
        self._count_pieces(counter)
        super().count_words(counts, counter)

    def _count_pieces(self, counter: VocabCounter) -> None:
        totals = counter[str(self.namespace)]
        # if the last one is there, all are
        if self._pieces and self._pieces[-1] not in totals:
            for piece in self._pieces:
                totals[piece] = totals.get(piece, 0) + 1
