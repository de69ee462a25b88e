"""Language models: training against hand-written loops, generation with a cache and without, scoring in batches and one by
one, softmaxes and their memory, numbering of words; what is compared is measured in turn.

python benchmarks/lm.py [--output benchmarks/results/lm.md]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import configs
import large_corpus
import reference_language_models as by_hand
import torch
from reporting import milliseconds, parser, publish, seconds_in_turn, table, times
from softmax_memory import measure_in_process

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

SECTIONS = ("training", "generation", "scoring", "softmax", "memory", "indexing")
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


def training_config(name: str, text: Path) -> dict[str, Any]:
    """A config whose model `reference_language_models` has by hand."""
    width = by_hand.WIDTH
    tokens = {"type": "embedding", "embedding_dim": width}
    trainer = {"num_epochs": 1, "optimizer": {"type": "adam", "lr": 0.001}, "cuda_device": -1}
    data_reader = {"type": "simple_language_modeling", "tokenizer": "just_spaces"}
    loader: dict[str, Any]
    model: dict[str, Any] = {"text_field_embedder": {"token_embedders": {"tokens": tokens}}}
    if name == "transformer_lm":
        loader = {"type": "text_blocks", "batch_size": 12, "block_size": 64}
        layers, heads = by_hand.NUM_LAYERS, by_hand.NUM_HEADS
        sizes = {"input_dim": width, "num_layers": layers, "num_attention_heads": heads}
        model |= {"contextualizer": {"type": name, **sizes}, "softmax": "tied_softmax"}
    else:
        data_reader |= {"start_tokens": ["<S>"], "end_tokens": ["</S>"]}
        loader = {"batch_size": 20, "shuffle": True}
        model["contextualizer"] = {
            "type": "lstm", "input_size": width, "hidden_size": width, "bidirectional": "both" in name
        }  # fmt: skip
        if "tied" in name:
            model["softmax"] = "tied_softmax"
        if "both" in name:
            model["bidirectional"] = True
        if "sampled" in name:
            model["num_samples"] = by_hand.NUM_SAMPLES
    model["type"] = "causal_language_model" if "softmax" in model else "language_model"
    return {
        "dataset_reader": data_reader,
        "train_data_path": str(text),
        "vocabulary": {"max_vocab_size": {"tokens": 5000}},
        "model": model,
        "data_loader": loader,
        "trainer": trainer,
    }


def write_sentences(path: Path, num_sentences: int) -> None:
    """Sentences of 5 to 40 words of which the n-th most frequent occurs in proportion to 1 / n."""
    draw = random.Random(0)
    words = [f"w{rank}" for rank in range(1, 10_001)]
    weights = [1 / rank for rank in range(1, 10_001)]
    with open(path, "w", encoding="ascii") as file:
        for _ in range(num_sentences):
            file.write(" ".join(draw.choices(words, weights, k=draw.randint(5, 40))) + "\n")


def training_section(options: argparse.Namespace) -> str:
    """Blocks of `nlpreg train` and of hand-written loops over the same batches, which they get as ready tensors."""
    runs = {}
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "text.txt")
        write_sentences(text, 200 if options.quick else 4000)
        # All are slow to start.
        for name in ("lm_both_sampled", "transformer_lm") if options.quick else by_hand.NAMES:
            config = Path(folder, f"{name}.json")
            config.write_text(json.dumps(training_config(name, text)), encoding="utf-8")
            runs[name] = configs.run_in_turn(config, Path(folder), options)
    note = (
        f"LSTMs and a transformer {by_hand.WIDTH} wide, over 5000 words. `plain` is what most people write, `best` leaves out "
        f"what costs time, see `reference_models.py`. Medians over {options.blocks} blocks in turn."
    )
    return f"## Training\n\n{note}\n\n{configs.turns_table(runs)}"


def memory_section(options: argparse.Namespace) -> str:
    """The peak of a softmax over many words, each in a process of its own."""
    num_words, num_states, width = (2000, 50, 8) if options.quick else (200_000, 700, 128)
    rows = []
    for kind in ("plain", "chunked", "adaptive"):
        found = measure_in_process(kind, num_states, num_words, width, options.device, options.threads)
        rows.append([kind, f"{found['mebibytes']:.0f} MiB", milliseconds(found["seconds"])])
    note = f"{num_states} states of {width}, forward and backward pass; over what weights and states take."
    return f"## Memory of a softmax over {num_words} words\n\n{note}\n\n{table(['softmax', 'peak', 'time'], rows)}"


def indexing_section(options: argparse.Namespace) -> str:
    """From a text to numbers, vocabulary and index, against splitting its lines."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = large_corpus.write_corpus(
            Path(folder, "text.txt"), 1_000_000 if options.quick else 60_000_000
        )
        parts = [
            large_corpus.data_part(corpus.path, "running_text") for _ in range(1 if options.quick else 3)
        ]
    best = {name: min(part[name] for part in parts) for name in parts[0]}
    steps = {
        "lines split": best["bare"],
        "numbering": best["numbers"],
        "numbering, vocabulary and index": best["numbers"] + best["vocabulary"] + best["index"],
    }
    rows = [
        [name, f"{corpus.num_words / seconds / 1e6:.2f} M words/s", times(steps["lines split"] / seconds)]
        for name, seconds in steps.items()
    ]
    note = f"{corpus.num_words / 1e6:.1f} million words, {large_corpus.DISTINCT_WORDS} distinct ones at most; best of {len(parts)}."
    return f"## Indexing\n\n{note}\n\n{table(['step', 'speed', 'by splitting'], rows)}"


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
            # Without a cache the time grows with the square of the length.
            repeats = max(1, min(options.repeats, 256 // length))
            try:
                seconds = seconds_in_turn(works, repeats, options.device)
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
    options_parser.add_argument(
        "--blocks", type=int, help="blocks of 10 updates to measure in turn (default 6)"
    )
    options = options_parser.parse_args(arguments)
    options.repeats = options.repeats or (1 if options.quick else 5)
    options.blocks = options.blocks or (1 if options.quick else 6)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    make = {
        "training": training_section,
        "generation": generation_section,
        "scoring": scoring_section,
        "softmax": softmax_section,
        "memory": memory_section,
        "indexing": indexing_section,
    }
    publish("Language models", [make[name](options) for name in options.sections], options)


if __name__ == "__main__":
    main()
