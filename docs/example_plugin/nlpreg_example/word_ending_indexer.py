"""A token indexer: ids of the last letters of words."""

from nlpreg.data import IndexedTokenList, Token, TokenIndexer, Vocabulary
from nlpreg.data.token_indexers.token_indexer import VocabCounter


@TokenIndexer.register("word_ending")
class WordEndingIndexer(TokenIndexer):
    """Gives each token the id of its ending, which in many languages says much about its part of speech.

    Args:
        length: number of letters.
        namespace: namespace of the vocabulary for the endings.
    """

    def __init__(self, length: int = 2, namespace: str = "word_endings") -> None:
        super().__init__()
        self.length = length
        self.namespace = namespace

    def count_vocab_items(self, token: Token, counter: VocabCounter) -> None:
        counter[self.namespace][self._ending(token)] += 1

    def tokens_to_indices(self, tokens: list[Token], vocabulary: Vocabulary) -> IndexedTokenList:
        # "tokens" is the name of the argument of the embedder's `forward`
        return {
            "tokens": [vocabulary.get_token_index(self._ending(token), self.namespace) for token in tokens]
        }

    def get_empty_token_list(self) -> IndexedTokenList:
        return {"tokens": []}

    def _ending(self, token: Token) -> str:
        return str(token.text)[-self.length :].lower()
