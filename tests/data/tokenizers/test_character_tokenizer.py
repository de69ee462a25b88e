from nlpreg.data.tokenizers import CharacterTokenizer, Token


def test_characters() -> None:
    tokenizer = CharacterTokenizer()
    assert tokenizer.tokenize("aÉ 日") == [Token("a"), Token("É"), Token(" "), Token("日")]
    assert tokenizer.tokenize("") == []
    assert tokenizer.split_words("aÉ") == ["a", "É"]
    assert tokenizer.symbols("aÉ") == ["a", "É"]


def test_lower_case() -> None:
    tokenizer = CharacterTokenizer(lowercase_characters=True)
    assert [str(token) for token in tokenizer.tokenize("AÉ")] == ["a", "é"]
    assert tokenizer.split_words("AÉ") == ["a", "é"]


def test_bytes_are_ids_plus_one() -> None:
    tokenizer = CharacterTokenizer(byte_encoding="utf-8")
    assert tokenizer.tokenize("é") == [Token(text_id=0xC3 + 1), Token(text_id=0xA9 + 1)]
    assert tokenizer.split_words("é") is None


def test_start_and_end_tokens_of_both_kinds() -> None:
    tokenizer = CharacterTokenizer(byte_encoding="utf-8", start_tokens=[259, "<"], end_tokens=[260])
    tokens = tokenizer.tokenize("a")
    assert tokens == [
        Token(text_id=259, idx=0),
        Token("<", idx=0),
        Token(text_id=98),
        Token(text_id=260, idx=0),
    ]
    assert tokenizer.symbols("a") == [259, "<", 98, 260]
    assert CharacterTokenizer(start_tokens=["<"]).split_words("a") is None


def test_equality_by_value() -> None:
    assert CharacterTokenizer(start_tokens=["a"]) == CharacterTokenizer(start_tokens=["a"])
    assert CharacterTokenizer() != CharacterTokenizer(lowercase_characters=True)
    assert CharacterTokenizer() != "x"
