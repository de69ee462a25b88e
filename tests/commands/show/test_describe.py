from typing import Any

import pytest

from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.show.describe import description_text
from nlpreg.common.config.describe import describe_class, registries
from nlpreg.common.config.registry import REGISTRY
from nlpreg.common.plugins import import_builtin_parts


def described(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main("nlpreg", ["describe", name]) == 0
    return capsys.readouterr().out


def test_an_encoder(capsys: pytest.CaptureFixture[str]) -> None:
    text = described("seq2seq_encoder:lstm", capsys)
    assert text.startswith("seq2seq_encoder:lstm\nnlpreg.modules.seq2seq_encoders.")
    assert "\nrequired\n  input_size: int\n      width of each input vector" in text
    assert "  bidirectional: bool = false\n" in text
    assert text.endswith("example\n  { type: 'lstm', input_size: 100, hidden_size: 100 }\n")


def test_a_model_says_what_nlpreg_passes(capsys: pytest.CaptureFixture[str]) -> None:
    text = described("crf_tagger", capsys)
    assert "passed by nlpreg: vocab" in text
    assert "label_encoding: 'BIO' or 'IOB1' or 'BIOUL' or 'BMES' = null" in text


def test_a_class_by_its_full_name(capsys: pytest.CaptureFixture[str]) -> None:
    text = described("nlpreg.models.simple_tagger.SimpleTagger", capsys)
    assert "\nrequired\n  text_field_embedder: TextFieldEmbedder" in text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lstm", 'several registries have a "lstm"; say which one: '),
        ("seq2seq_encoder:lstmm", 'did you mean "lstm"'),
        ("seq2seq_encodr:lstm", 'there is no registry "seq2seq_encodr"; did you mean "seq2seq_encoder"'),
        ("crf_taggr", 'nothing is registered as "crf_taggr"; did you mean "crf_tagger"'),
    ],
)
def test_names_that_are_wrong(name: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["describe", name]) == 2
    assert message in capsys.readouterr().err


def test_everything_that_is_registered_can_be_described() -> None:
    import_builtin_parts()
    for base in registries().values():
        for name in REGISTRY[base]:
            assert "\nexample\n" in description_text(describe_class(base, name))


def test_a_class_that_takes_anything(capsys: pytest.CaptureFixture[str]) -> None:
    from nlpreg.modules import Seq2SeqEncoder

    @Seq2SeqEncoder.register("planted_open")
    class Open(Seq2SeqEncoder):
        """Takes what it gets.

        # Parameters

        size : `int`
            How large.
        """

        def __init__(self, size: int, **kwargs: Any) -> None:
            super().__init__()
            self.rest = kwargs

    text = described("seq2seq_encoder:planted_open", capsys)
    assert "  size: int\n      How large." in text
    assert "Other keys are passed on as they are." in text
