"""`nlpreg generate`: continue texts with an archived language model."""

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nlpreg.commands import options as command_options
from nlpreg.commands.predict import input_lines, output_lines, text_under
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError, check_at_least
from nlpreg.common.sanitize import json_text

if TYPE_CHECKING:
    from nlpreg.models.generation import GenerationOptions
    from nlpreg.predictors.generator import Generator


@Subcommand.register("generate")
class Generate(Subcommand):
    """Continue texts with an archived language model (language_model, next_token_lm).

    A prompt on the command line is continued on the terminal, token by token. Prompts in a file, one JSON object per
    line such as {"prompt": "Once upon a"}, give one JSON object per line with prompt, text, tokens, log_probability and
    finished ("end", "stop" or "length").

    examples:
      nlpreg generate out/model.tar.gz --prompt "Once upon a" --max-tokens 50 --top-p 0.9
      nlpreg generate out/model.tar.gz --prompt "Once upon a" --num 5 --seed 1
      nlpreg generate out/model.tar.gz --prompt "Once upon a" --beams 5
      nlpreg generate out/model.tar.gz --prompts prompts.jsonl --greedy --output-file texts.jsonl
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        command_options.add_archive_options(parser)
        parser.add_argument(
            "--prompt",
            action="append",
            metavar="TEXT",
            help="continue this text; may be given more than once",
        )
        parser.add_argument(
            "--prompts",
            metavar="FILE",
            help="continue the prompts in these JSON lines, a path or URL, also compressed; - for standard input",
        )
        parser.add_argument("--output-file", metavar="FILE", help="write JSON lines there")
        parser.add_argument("--json", action="store_true", help="print JSON lines for --prompt, too")
        _add_choice_options(parser)
        parser.add_argument(
            "--stop",
            action="append",
            default=[],
            metavar="TEXT",
            help="end a continuation before this text; may be given more than once",
        )
        parser.add_argument(
            "--allow-unknown", action="store_true", help="let the unknown word be generated, too"
        )
        parser.add_argument(
            "--batch-size", type=int, default=16, metavar="N", help="prompts that are continued at once"
        )
        command_options.add_overrides_option(parser)
        parser.set_defaults(func=generate_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Check paths and options before slow modules are imported."""
        command_options.check_archive(args.archive_file, args.weights_file)
        if args.prompts is not None and args.prompt is not None:
            raise ConfigurationError("--prompt: give prompts on the command line or in --prompts, not both")
        if args.prompts not in (None, "-"):
            command_options.check_file(args.prompts, "--prompts")
        check_at_least(1, **{"--batch-size": args.batch_size})
        if args.greedy and args.temperature is not None:
            raise ConfigurationError(
                "--greedy: the most likely token does not depend on --temperature; give only one of them"
            )
        command_options.check_output_file(
            args.output_file, args.archive_file, args.weights_file, args.prompts
        )


def _add_choice_options(subparser: argparse.ArgumentParser) -> None:
    """Add the options of decoding."""
    choice = subparser.add_argument_group("choice of tokens")
    choice.add_argument("--max-tokens", type=int, metavar="N", help="largest number of tokens (100)")
    choice.add_argument(
        "--min-tokens", type=int, metavar="N", help="smallest number of tokens before an end (0)"
    )
    choice.add_argument("--num", type=int, metavar="N", help="number of continuations of each prompt (1)")
    choice.add_argument(
        "--greedy", action="store_true", help="take the most likely token at every step (greedy decoding)"
    )
    choice.add_argument(
        "--temperature",
        type=float,
        metavar="X",
        help="above 1 for more surprising texts, below 1 for safer ones (1)",
    )
    choice.add_argument("--top-k", type=int, metavar="N", help="sample from the N most likely tokens only")
    choice.add_argument(
        "--top-p",
        type=float,
        metavar="X",
        help="sample from the smallest set of tokens with total probability X",
    )
    choice.add_argument(
        "--min-p",
        type=float,
        metavar="X",
        help="sample from tokens at least X times as likely as the most likely one",
    )
    choice.add_argument(
        "--repetition-penalty",
        type=float,
        metavar="X",
        help="factor on log probabilities of tokens used before (1)",
    )
    choice.add_argument(
        "--no-repeat-ngram",
        dest="no_repeat_ngram_size",
        type=int,
        metavar="N",
        help="n-grams of this size occur only once",
    )
    choice.add_argument(
        "--beams",
        dest="num_beams",
        type=int,
        metavar="N",
        help="search for the most likely text with N beams",
    )
    choice.add_argument("--seed", type=int, metavar="N", help="random seed, for reproducible texts")


def options_from_args(args: argparse.Namespace) -> "GenerationOptions":
    """Convert parsed arguments to options of decoding; options that were not given have their defaults."""
    from nlpreg.models.generation import GenerationOptions

    taken = command_options.arguments_for(GenerationOptions, args)
    given = {name: value for name, value in taken.items() if value is not None}
    return GenerationOptions(**{**given, "temperature": 0.0} if args.greedy else given)


def generate_from_args(args: argparse.Namespace) -> None:
    """Run the command with parsed arguments."""
    from nlpreg.predictors.generator import Generator

    options = options_from_args(args)
    generator = Generator.from_path(
        args.archive_file, args.cuda_device, args.overrides, args.weights_file, args.allow_unknown
    )
    prompts = args.prompt if args.prompts is None else _prompts(args.prompts)
    if prompts is None:
        prompts = [""]
    if args.prompts is not None or args.json or args.output_file:
        with output_lines(args.output_file) as file:
            out = sys.stdout if file is None else file
            for texts in generator.generate_many(prompts, options, args.stop, args.batch_size):
                for text in texts:
                    # one call per line, so that an interrupted command leaves complete lines
                    out.write(json_text(dataclasses.asdict(text)) + "\n")
                out.flush()
        return
    for number, prompt in enumerate(prompts):
        if number:
            print()
        _show(generator, prompt, options, args.stop)


def _show(generator: "Generator", prompt: str, options: "GenerationOptions", stop: list[str]) -> None:
    """Print a prompt and its continuations; a single continuation is printed token by token."""
    if options.num > 1 or options.num_beams is not None:
        for text in generator.generate(prompt, options, stop):
            print(prompt + text.text, flush=True)
        return
    try:
        print(prompt, end="", flush=True)
        for piece in generator.stream(prompt, options, stop):
            print(piece, end="", flush=True)
    finally:
        print(flush=True)  # an interrupted text ends its line, too


def _prompts(input_file: str) -> Iterator[str]:
    """The prompts in JSON lines.

    Raises:
        ConfigurationError: a line is not a JSON object with a text under `prompt`.
    """
    for place, line in input_lines(input_file):
        prompt = text_under("prompt", line)
        if prompt is None:
            raise ConfigurationError(
                f'{place}: expected an object such as {{"prompt": "Once upon a"}}, got {line.strip()[:80]!r}'
            )
        yield prompt
