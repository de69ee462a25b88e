"""`nlpreg train-tokenizer`: learn subwords from text."""

import argparse
import json
import os
from collections.abc import Iterator

from nlpreg.commands.options import check_output_file
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError, check_at_least

MODELS = ("bpe", "unigram", "byte-level")


@Subcommand.register("train-tokenizer")
class TrainTokenizer(Subcommand):
    """Learn subwords from text files and write them as a tokenizer.json.

    The tokenizer and the token indexer "subword" read that file. Needs the extra: pip install 'nlpreg[subwords]'.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument(
            "data", metavar="TEXT", nargs="+", help="text files, compressed ones, patterns or URLs"
        )
        parser.add_argument(
            "-o", "--output", metavar="FILE", default="tokenizer.json", help="the file to write"
        )
        parser.add_argument(
            "--model",
            choices=MODELS,
            default="bpe",
            help="byte-pair encoding of words, a unigram language model, or byte-pair encoding of bytes",
        )
        parser.add_argument("--vocab-size", type=int, default=8000, help="number of subwords")
        parser.add_argument(
            "--min-frequency", type=int, default=2, help="do not merge pairs that are less frequent"
        )
        parser.add_argument("--lowercase", action="store_true", help="lower-case texts first")
        parser.add_argument(
            "--special-tokens", metavar="TOKEN", nargs="+", default=[], help="tokens that are never split"
        )
        parser.add_argument("-f", "--force", action="store_true", help="replace FILE if it exists")
        parser.set_defaults(func=train_tokenizer_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Check paths and numbers before slow modules are imported."""
        check_output_file(args.output, *args.data)
        if os.path.exists(args.output) and not args.force:
            raise ConfigurationError(f"{args.output}: exists already; choose another file or add --force")
        check_at_least(1, **{"--vocab-size": args.vocab_size})


def train_tokenizer_from_args(args: argparse.Namespace) -> None:
    """Run the command with parsed arguments."""
    from nlpreg.common.files import atomic_write
    from nlpreg.data.dataset_readers.dataset_utils.text_files import find_files
    from nlpreg.data.tokenizers.subword_tokenizer import train_subwords

    files = find_files(args.data)

    def lines() -> Iterator[str]:
        for file in files:
            for _, line in file.lines():
                yield line

    tokenizer = train_subwords(
        lines(),
        args.vocab_size,
        args.model,
        lowercase=args.lowercase,
        special_tokens=args.special_tokens,
        min_frequency=args.min_frequency,
    )
    with atomic_write(args.output, "w") as file:
        file.write(tokenizer.to_str(pretty=True))
    section = {"type": "subword", "model_path": args.output}
    print(
        f"{args.output}: {tokenizer.get_vocab_size()} subwords\nTo use them, put this into a dataset reader:\n"
        f'"tokenizer": {json.dumps(section)}, "token_indexers": {{"tokens": {json.dumps(section)}}}'
    )
