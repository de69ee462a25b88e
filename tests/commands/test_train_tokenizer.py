import argparse
import gzip
import json

import pytest

from nlpreg.commands import TrainTokenizer
from nlpreg.common.checks import ConfigurationError
from nlpreg.data.tokenizers import SubwordTokenizer

pytest.importorskip("tokenizers")


def run(*arguments):
    subparsers = argparse.ArgumentParser().add_subparsers()
    args = TrainTokenizer().add_subparser(subparsers).parse_args([str(one) for one in arguments])
    TrainTokenizer().validate(args)
    args.func(args)


@pytest.mark.parametrize("model", ["bpe", "unigram", "byte-level"])
def test_train_and_use(tmp_path, capsys, model):
    (tmp_path / "a.txt").write_text("the lower tower\n" * 50)
    with gzip.open(tmp_path / "b.gz", "wt") as file:
        file.write("naïve widest newest\n" * 50)
    output = tmp_path / "t.json"
    size = 300 if model == "byte-level" else 40
    run(
        tmp_path / "a.txt",
        tmp_path / "b.gz",
        "-o",
        output,
        "--model",
        model,
        "--vocab-size",
        size,
        "--lowercase",
    )
    printed = capsys.readouterr().out
    assert json.dumps({"type": "subword", "model_path": str(output)}) in printed
    tokenizer = SubwordTokenizer(str(output))
    assert tokenizer.detokenize(tokenizer.split_words("The WIDEST tower")) == "the widest tower"
    with pytest.raises(ConfigurationError, match="exists already; choose another file or add --force"):
        run(tmp_path / "a.txt", "-o", output)
    run(tmp_path / "a.txt", "-o", output, "-f", "--vocab-size", "30")


def test_bad_sizes(tmp_path):
    (tmp_path / "a.txt").write_text("a\n")
    with pytest.raises(ConfigurationError, match="--vocab-size: expected 1 or more, got 0"):
        run(tmp_path / "a.txt", "-o", tmp_path / "t.json", "--vocab-size", 0)
