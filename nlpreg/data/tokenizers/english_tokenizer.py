"""English words and sentences by rules, without a model."""

import itertools
import re
from collections.abc import Iterator

from nlpreg.data.tokenizers.sentence_splitter import SentenceSplitter
from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.tokenizers.tokenizer import Tokenizer


def _words(text: str) -> list[str]:
    """The words of a list that is written as one text."""
    return text.split()


# Abbreviations that keep their full stop; a single letter with a full stop is treated as an initial.
_ABBREVIATIONS = _words("""
    mr mrs ms dr prof rev gen col capt lt sgt sen rep gov hon pres supt st mt ft jr sr inc ltd co corp
    bros dept dist est univ assn assoc jan feb mar apr jun jul aug sept sep oct nov dec etc vs viz cf al
    approx appt apt ave blvd rd ext fig no nos vol pp ed eds
""")

# The sentence continues after these, unless the text ends.
_TITLES = _words("""
    mr mrs ms dr prof rev gen col capt lt sgt sen rep gov hon pres st mt ft vs no nos vol
""")

# Prefixes that stay with their word, and words that are written with hyphens as one.
_PREFIXES = "e|re|co|non|pre|un|ex|de|anti|semi|sub|multi|mis|bi|pro|uh|x"

_CLITIC = r"n['’]t|['’](?:s|re|ve|ll|d|m)"

# Words that are split into two, and the position of the split.
_JOINED = {
    "cannot": 3, "gonna": 3, "gotta": 3, "wanna": 3, "lemme": 3, "gimme": 3, "dunno": 2,
    "dont": 2, "doesnt": 4, "didnt": 3, "cant": 2, "couldnt": 5, "wouldnt": 5, "shouldnt": 6, "isnt": 2, "wasnt": 3,
    "arent": 3, "werent": 4, "havent": 4, "hasnt": 3, "hadnt": 3, "wont": 2, "im": 1, "ive": 1, "thats": 4, "whats": 4,
    "youre": 3, "theyre": 4, "hes": 2, "shes": 3, "theres": 5,
}  # fmt: skip

_TOKEN = re.compile(
    rf"""
      (?:https?://|ftp://|www\.)[^\s<>"“”]*[^\s<>"“”.,;:!?'’)\]}}]          # addresses of the web
    | [\w.+-]+@[\w-]+(?:\.[\w-]+)+                                          # of mail
    | (?:[\w-]+\.)+(?:com|org|net|edu|gov|htm|html|co\.uk|doc|pdf|xls|txt|jpg|info|us|uk)(?:/[\w/.~-]*\w/?)?(?!\w)
    | [<>]?[:;=8][-o*']?[)\](\[dDpP/|\\](?![\w)])|<3(?!\d)|\^[_.]?\^|:-?D(?!\w) # faces
    | (?:[^\W\d_]\.){{2,}}(?:[^\W\d_](?![\w]))?                             # U.S., e.g., a.m.
    | (?:{"|".join(_ABBREVIATIONS)})\.(?=\S|\s)(?!\.)                       # Mr., Inc., but not at the end of a text
    | [^\W\d_]\.(?=\s+[A-Z])                                                # initials
    | (?<![\w-])(?:\d{{3}}-)?\d{{3}}-\d{{4}}(?![\w-])                         # telephone numbers
    | [#$£€]?(?=\d)\d+(?:[.,:/]\d+)*(?:(?:st|nd|rd|th|s)(?!\w))?            # numbers, dates, times, 1st, 90s
    | \.\d+
    | (?:(?:{_PREFIXES})-)?[^\W\d_]\w*(?:&[^\W\d_]+)*(?:['’][^\W\d_]+)*     # words, with what follows an apostrophe
    | ['’](?:em|tis|twas|til|cause|[stdm]|re|ve|ll|n)(?!\w)                 # contractions that stand alone
    | ['’]\d{{2}}s?(?!\w)                                                   # '90s
    | [.?!]+(?<=..)|-{{2,}}|[*]+|=+|_+|~+|<+|>+|``|''|‘’|’’|,{{2,}}|/{{2,}}
    | \S
    """,
    re.VERBOSE | re.IGNORECASE,
)
_WITH_CLITIC = re.compile(rf"(.+?)({_CLITIC})$", re.IGNORECASE)
_AMOUNT = re.compile(r"([#$£€])(\d.*)")
_UNIT = re.compile(
    r"(?<![\w.])(\d+(?:[.,:]\d+)*)(am|pm|a\.m\.|p\.m\.|km|kg|lbs?|mg|mm|cm|ft|mph|hrs?|mins?|yrs?|k)(?!\w)",
    re.IGNORECASE,
)


@Tokenizer.register("english")
class EnglishTokenizer(Tokenizer):
    """Splits English text into words by rules, as the English Web Treebank of Universal Dependencies does.

    Punctuation marks, currency symbols and the parts of hyphenated words are separate tokens; contractions are two tokens
    (do n't, it 's); URLs, e-mail addresses, numbers, times, abbreviations and emoticons are one token.

    Source: https://universaldependencies.org/en/tokenization.html
    """

    def tokenize(self, text: str) -> list[Token]:
        """Tokens with their text and the offsets of their characters."""
        return [Token(text[start:end], start, end) for start, end in _spans(text)]

    def split_words(self, text: str) -> list[str]:
        """The texts of the tokens."""
        return [text[start:end] for start, end in _spans(text)]


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Where each word of a text begins and ends."""
    for match in _TOKEN.finditer(text):
        start = match.start()
        for length in _parts(match.group()):
            yield start, start + length
            start += length


def _parts(match: str) -> list[int]:
    """The lengths of the tokens in a match."""
    if found := _AMOUNT.match(match) or _UNIT.match(match):
        return [len(found[1]), len(found[2])]
    if cut := _JOINED.get(match.lower(), 0):
        return [cut, len(match) - cut]
    clitics: list[int] = []
    while found := _WITH_CLITIC.match(match):  # there may be several clitics: I 'd 've
        clitics.insert(0, len(found[2]))
        match = found[1]
    return [len(match), *clitics]


_PARAGRAPH_END = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"[.?!…]+")
_CLOSING = re.compile(r"""["'”’)\]]+|''""")

# After an abbreviation that is not a title, such a word begins a sentence.
_STARTERS = _words("""
    the a an this that these those he she it we you they i in on at if but and so there when what who
    how
""")


@SentenceSplitter.register("english")
class EnglishSentenceSplitter(SentenceSplitter):
    """Splits English text into sentences by rules: after full stops, question and exclamation marks, and at blank lines.

    The full stop of an abbreviation or an initial ends a sentence only before a word that often begins sentences.
    """

    def split_sentences(self, text: str) -> list[str]:
        """The sentences, without white space around them."""
        sentences: list[str] = []
        for paragraph in _PARAGRAPH_END.split(text):
            bounds = itertools.pairwise([0, *_sentence_ends(paragraph), None])
            sentences += [paragraph[start:end].strip() for start, end in bounds]
        return [sentence for sentence in sentences if sentence]


def _sentence_ends(text: str) -> Iterator[int]:
    """Where the sentences of a paragraph end, except the last one."""
    spans = list(_spans(text))
    words = [text[start:end] for start, end in spans]
    index = 0
    while index < len(words) - 1:
        word = words[index]
        is_mark = bool(_SENTENCE_END.fullmatch(word))
        is_abbreviation = not is_mark and word.endswith(".") and len(word) > 1
        index += 1
        if not is_mark and not is_abbreviation:
            continue
        # closing quotation marks and brackets belong to the sentence
        while (
            index < len(words) and _CLOSING.fullmatch(words[index]) and spans[index - 1][1] == spans[index][0]
        ):
            index += 1
        if index == len(words):
            return
        end, following = spans[index - 1][1], words[index]
        if end == spans[index][0] or following[0].islower():
            continue  # no space after it, or the sentence continues
        if is_abbreviation and (word[:-1].lower() in _TITLES or following.lower() not in _STARTERS):
            continue
        yield end
