"""Language models: generation with a cache and without, scoring in batches and one by one, softmaxes; measured in turn.

python benchmarks/lm.py [--output benchmarks/results/lm.md]
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from reporting import milliseconds, parser, publish, seconds_in_turn, table, times

from nlpreg.common import Params
from nlpreg.data import Vocabulary
from nlpreg.data.dataset_readers import SimpleLanguageModelingDatasetReader
from nlpreg.data.tokenizers import WhitespaceTokenizer
from nlpreg.models import Model
from nlpreg.models.generation import GenerationOptions
from nlpreg.modules.seq2seq_encoders import Seq2SeqEncoder
from nlpreg.predictors import LanguageModelPredictor
from nlpreg.predictors.generator import Generator
from nlpreg.predictors.scorer import Scorer

SECTIONS = ("generation", "scoring", "softmax")
ENCODERS = {
    "lstm": {"type": "lstm", "num_layers": 2},
    "transformer_lm": {"type": "transformer_lm", "num_layers": 4, "num_attention_heads": 4},
}
SOFTMAXES = ("softmax", "tied_softmax", "adaptive_softmax", "sampled_softmax")


def make_model(
    encoder: str, width: int, num_words: int, device: torch.device, softmax: str = "softmax"
) -> Model:
    """A language model that is not trained."""
    torch.manual_seed(0)
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace([f"w{i}" for i in range(num_words)])
    names = ("input_size", "hidden_size") if encoder == "lstm" else ("input_dim",)
    config = {
        "type": "causal_language_model",
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": width}}},
        "contextualizer": {**ENCODERS[encoder], **dict.fromkeys(names, width)},
        "softmax": {"type": softmax, **({"num_samples": 64} if softmax == "sampled_softmax" else {})},
    }
    return Model.from_params(Params(config), vocab=vocab).to(device)


def reader() -> SimpleLanguageModelingDatasetReader:
    """Words between spaces."""
    return SimpleLanguageModelingDatasetReader(tokenizer=WhitespaceTokenizer())


def generation_section(options: argparse.Namespace) -> str:
    """Tokens a second for texts of growing length; without a cache the encoder reads everything again."""
    width, num_words, lengths = (8, 50, (4, 8)) if options.quick else (128, 5000, (64, 256, 1024))
    rows = []
    for encoder in ENCODERS:
        model = make_model(encoder, width, num_words, options.device)
        generator = Generator(model, reader())
        encoder_class = type(model.contextualizer)
        cached = encoder_class.step
        for length in lengths:
            settings = GenerationOptions(max_tokens=length, temperature=0)
            works = {
                "cache": _generating(generator, settings, encoder_class, cached),
                "again": _generating(generator, settings, encoder_class, Seq2SeqEncoder.step),
            }
            try:
                seconds = seconds_in_turn(works, options.repeats, options.device)
            finally:
                encoder_class.step = cached
            rates = [f"{length / seconds[name]:.0f}" for name in works]
            rows.append([encoder, str(length), *rates, times(seconds["again"] / seconds["cache"])])
    headings = ["encoder", "tokens", "with cache, tokens/s", "without", "ratio"]
    return f"## Generation of one text, width {width}\n\n{table(headings, rows)}"


def _generating(
    generator: Generator, settings: GenerationOptions, encoder_class: Any, step: Any
) -> Callable[[], object]:
    """Generation by an encoder that reads the next words in this way."""

    def work() -> object:
        encoder_class.step = step
        return generator.generate("w1 w2", settings)

    return work


def scoring_section(options: argparse.Namespace) -> str:
    """Sentences a second by `Scorer` and by the predictor, which reads one after another."""
    width, num_words, num_sentences = (8, 50, 5) if options.quick else (64, 5000, 400)
    draw = random.Random(0)
    sentences = [
        " ".join(f"w{draw.randrange(num_words)}" for _ in range(draw.randint(1, 40)))
        for _ in range(num_sentences)
    ]
    rows = []
    for encoder in ENCODERS:
        model = make_model(encoder, width, num_words, options.device)
        scorer, predictor = Scorer(model, reader()), LanguageModelPredictor(model, reader())
        works: dict[str, Callable[[], object]] = {
            "batches": lambda made=scorer: list(made.score_many(sentences)),
            "one": lambda made=predictor: [made.predict(sentence) for sentence in sentences],
        }
        seconds = seconds_in_turn(works, options.repeats, options.device)
        rates = [f"{num_sentences / seconds[name]:.0f}" for name in works]
        rows.append([encoder, *rates, times(seconds["one"] / seconds["batches"])])
    headings = ["encoder", "in batches, sentences/s", "one by one", "ratio"]
    return f"## Scoring of {num_sentences} sentences, width {width}\n\n{table(headings, rows)}"


def softmax_section(options: argparse.Namespace) -> str:
    """An update's forward and backward pass with each softmax."""
    width, num_words, shape = (8, 70, (2, 4)) if options.quick else (128, 20000, (16, 35))
    works: dict[str, Callable[[], object]] = {}
    for softmax in SOFTMAXES:
        model = make_model("lstm", width, num_words, options.device, softmax)
        ids = torch.randint(2, num_words, shape, device=options.device)
        works[softmax] = lambda made=model, source=ids: made(source={"tokens": source})["loss"].backward()
    seconds = seconds_in_turn(works, options.repeats, options.device)
    rows = [
        [name, milliseconds(seconds[name]), times(seconds["softmax"] / seconds[name])] for name in SOFTMAXES
    ]
    return (
        f"## Softmaxes over {num_words} words, an LSTM\n\n{table(['softmax', 'time', 'times as fast'], rows)}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line says."""
    options_parser = parser(__doc__)
    options_parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    options_parser.add_argument("--repeats", type=int, help="rounds of each measurement (default 5)")
    options = options_parser.parse_args(arguments)
    options.repeats = options.repeats or (1 if options.quick else 5)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    make = {"generation": generation_section, "scoring": scoring_section, "softmax": softmax_section}
    publish("Language models", [make[name](options) for name in options.sections], options)


if __name__ == "__main__":
    main()
