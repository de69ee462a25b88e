"""Taggers: the random field against `pytorch-crf`, training against a loop by hand, `nlpreg predict` against the bare model,
and the training of a tagger by counting.

python benchmarks/tagging.py [--data FOLDER] [--output benchmarks/results/tagging.md]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from crf_cases import crf_section
from reporting import parser, publish, seconds_in_turn, table, times
from trainer_cases import GRADIENT_NORM, BareLoop, Case, ReadyBatches, make_trainer

from nlpreg.commands.command_line import exit_status
from nlpreg.common import Params
from nlpreg.common.meta import META_NAME, Meta
from nlpreg.data import Batch, Instance, Vocabulary
from nlpreg.data.dataset_readers import DatasetReader
from nlpreg.models import Model, archive_model
from nlpreg.training import Checkpointer

SECTIONS = ("crf", "training", "tagging", "counting")
BATCH_SIZE = 32
TREEBANK = Path(__file__).parents[1] / "training_configs" / "data"


def config_of(model: str, quick: bool) -> dict[str, Any]:
    """Reader and model of a tagger of ordinary size: words, a CNN over characters, two layers of LSTM."""
    words, filters, hidden, widths = (4, 4, 4, [2]) if quick else (100, 64, 200, [2, 3, 4])
    encoder = {"type": "cnn", "embedding_dim": 16, "num_filters": filters, "ngram_filter_sizes": widths}
    characters = {
        "type": "character_encoding",
        "embedding": {"embedding_dim": 16, "vocab_namespace": "token_characters"},
        "encoder": encoder,
    }
    return {
        "dataset_reader": {
            "type": "conllu",
            "token_indexers": {
                "tokens": {"type": "single_id", "lowercase_tokens": True},
                "token_characters": {"type": "characters", "min_padding_length": 4},
            },
        },
        "model": {
            "type": model,
            "text_field_embedder": {
                "token_embedders": {"tokens": {"embedding_dim": words}, "token_characters": characters}
            },
            "encoder": {
                "type": "lstm",
                "input_size": words + filters * len(widths),
                "hidden_size": hidden,
                "num_layers": 2,
                "bidirectional": True,
            },
        },
    }


class Tagger:
    """A tagger with its data, ready to be trained or asked.

    Args:
        model: "simple_tagger" or "crf_tagger".
        file: a file in the CoNLL-U format.
        num_sentences: number of sentences; the file is repeated until there are as many.
        options: of the command line.
    """

    def __init__(self, model: str, file: Path, num_sentences: int, options: argparse.Namespace) -> None:
        self.name = model
        self.config = config_of(model, options.quick)
        reader = DatasetReader.from_params(Params(self.config).duplicate()["dataset_reader"])
        blocks = [block for block in file.read_text(encoding="utf-8").split("\n\n") if block.strip()]
        self.blocks = [blocks[number % len(blocks)] for number in range(num_sentences)]
        sentences = list(reader.read(str(file)))
        for sentence in sentences:
            reader.apply_token_indexers(sentence)
        self.vocab = Vocabulary.from_instances(sentences)
        # sorted within groups of batches, as a bucket sampler and `nlpreg predict` do
        self.instances = [sentences[number % len(sentences)] for number in range(num_sentences)]
        self.device: torch.device = options.device

    def make_model(self) -> Model:
        """A new model, with the weights that chance gives."""
        params = Params(self.config).duplicate()["model"]
        model: Model = Model.from_params(params, vocab=self.vocab)
        return model.to(self.device)

    def batches(self) -> Iterator[dict[str, Any]]:
        """All sentences as batches of like lengths, on the device."""
        from nlpreg.nn.util import move_to_device

        group = 16 * BATCH_SIZE
        for first in range(0, len(self.instances), group):
            ordered = sorted(self.instances[first : first + group], key=_num_words)
            for batch in _ready_batches(ordered, self.vocab, BATCH_SIZE):
                yield move_to_device(batch, self.device)

    def archive(self, folder: Path) -> Path:
        """Pack an untrained model, which is as fast as a trained one."""
        torch.save(self.make_model().state_dict(), folder / "best.th")
        self.vocab.save_to_files(str(folder / "vocabulary"))
        Meta.new().to_file(str(folder / META_NAME))
        (folder / "config.json").write_text(json.dumps(self.config), encoding="utf-8")
        return Path(archive_model(str(folder)))


def training_section(options: argparse.Namespace) -> str:
    """Blocks of the trainer's steps and of a loop by hand over the same batches, in turn."""
    num_sentences = 8 if options.quick else 10 * BATCH_SIZE
    rows = []
    for name in ("simple_tagger", "crf_tagger"):
        tagger = Tagger(name, options.data / "train.conllu", num_sentences, options)
        case = Case(name, tagger.make_model, list(tagger.batches()), GRADIENT_NORM)
        bare = BareLoop(case, options.device)
        loader = ReadyBatches(case.batches, options.repeats + 1, options.device, bare.run)
        with tempfile.TemporaryDirectory() as folder:
            make_trainer(case, loader, Checkpointer(folder), options.device).train()
        pairs = list(zip(loader.seconds, bare.seconds, strict=True))[1:]
        ours, theirs = (num_sentences / statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(theirs / ours for ours, theirs in pairs)
        rows.append([name, f"{ours:,.0f}", f"{theirs:,.0f}", times(ratio)])
    note = (
        f"Sentences a second, medians over {options.repeats} blocks of each, in turn. The loop has the same model, optimizer, "
        "clipping and batches, and nothing else. To be reached: 0.97."
    )
    header = ["model", "nlpreg's trainer", "loop by hand", "speed by the loop"]
    return f"## Training\n\n{note}\n\n{table(header, rows)}"


def tagging_section(options: argparse.Namespace) -> str:
    """`nlpreg predict` from a CoNLL-U file to JSON lines against the model alone over batches that are ready."""
    num_sentences = 8 if options.quick else 1024
    rows = []
    for name in ("simple_tagger", "crf_tagger"):
        tagger = Tagger(name, options.data / "dev.conllu", num_sentences, options)
        model = tagger.make_model().eval()
        batches = [{"tokens": batch["tokens"]} for batch in tagger.batches()]
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent)
            text = folder / "input.conllu"
            text.write_text("\n\n".join(tagger.blocks) + "\n\n", encoding="utf-8")
            arguments = ["predict", str(tagger.archive(folder)), str(text), "--input", "conllu"]
            arguments += ["--output-file", str(folder / "output.jsonl"), "--silent"]
            empty = folder / "empty.conllu"
            empty.write_text("# no sentence\n\n", encoding="utf-8")
            works: dict[str, Callable[[], object]] = {
                "predict": partial(_predict, arguments),
                "start": partial(_predict, [*arguments[:2], str(empty), *arguments[3:]]),
                "bare": partial(_tag, model, batches),
            }
            spacy_tagger = _spacy_tagger(tagger)
            if spacy_tagger is not None:
                works["spacy"] = spacy_tagger
            seconds = seconds_in_turn(works, options.repeats, options.device)
        # loading the archive does not count
        ours = num_sentences / max(seconds["predict"] - seconds["start"], 1e-9)
        theirs = num_sentences / seconds["bare"]
        spacy_speed = f"{num_sentences / seconds['spacy']:,.0f}" if "spacy" in seconds else "not installed"
        rows.append([name, f"{ours:,.0f}", f"{theirs:,.0f}", times(ours / theirs), spacy_speed])
    note = (
        f"Sentences a second over {num_sentences} sentences, batches of {BATCH_SIZE}, medians over {options.repeats} rounds, "
        "in turn. `nlpreg predict` reads a CoNLL-U file and writes JSON lines; loading the archive is not counted. The bare "
        "model gets batches that are ready and its tags become lists. spaCy's tagger is its default one, of width 96. To be "
        "reached: 0.7."
    )
    header = ["model", "`nlpreg predict`", "bare model", "speed by the bare model", "spaCy"]
    return f"## Tagging\n\n{note}\n\n{table(header, rows)}"


def counting_section(options: argparse.Namespace) -> str:
    """CPU time of each step of training a `tnt_tagger`, and of tagging with it."""
    reader = DatasetReader.from_params(
        Params({"type": "conllu", "max_instances": 8 if options.quick else None})
    )
    steps: dict[str, list[float]] = {}
    for _ in range(options.repeats):
        clock = _Clock(steps)
        train = list(reader.read(str(options.data / "train.conllu")))
        for instance in train:
            reader.apply_token_indexers(instance)
        clock.lap("reading the training part")
        vocab = Vocabulary.from_instances(train)
        clock.lap("vocabulary")
        batches = _ready_batches(train, vocab, 256)
        clock.lap("indexing and batches")
        model = Model.from_params(Params({"type": "tnt_tagger"}), vocab=vocab).eval()
        for batch in batches:
            model.count(**batch)
        model.finish_counting()
        model.tables()
        clock.lap("counting, with the tables made from the counts")
        texts = [instance["metadata"]["words"] for instance in reader.read(str(options.data / "dev.conllu"))]
        dev = [reader.text_to_instance(words) for words in sorted(texts, key=len)]
        for instance in dev:
            reader.apply_token_indexers(instance)
        ready = _ready_batches(dev, vocab, 64)
        clock.lap("")  # not counted
        _tag(model, ready)
        clock.lap("tagging the development part")
    seconds = {name: statistics.median(values) for name, values in steps.items() if name}
    words = {"reading the training part": train, "tagging the development part": dev}
    rows = []
    for name, value in seconds.items():
        num_words = sum(_num_words(instance) for instance in words.get(name, train))
        rows.append([name, f"{num_words:,}", f"{value:.2f} s", f"{num_words / value:,.0f}"])
    note = (
        f"`tnt_tagger`, CPU time of each step, medians over {options.repeats} rounds. Tagging goes from instances as padded "
        "batches of 64, sorted by length, to tags as strings. To be reached: training in 5 s, 100,000 words tagged a second."
    )
    header = ["step", "words", "CPU time", "words a second"]
    return f"## Training by counting\n\n{note}\n\n{table(header, rows)}"


class _Clock:
    """Adds the CPU time since the last lap to the steps."""

    def __init__(self, steps: dict[str, list[float]]) -> None:
        self.steps = steps
        self.last = time.process_time()

    def lap(self, name: str) -> None:
        now = time.process_time()
        self.steps.setdefault(name, []).append(now - self.last)
        self.last = time.process_time()


def _num_words(instance: Instance) -> int:
    return len(instance["metadata"]["words"])


def _ready_batches(instances: list[Instance], vocab: Vocabulary, batch_size: int) -> list[dict[str, Any]]:
    batches = []
    for start in range(0, len(instances), batch_size):
        batch = Batch(instances[start : start + batch_size])
        batch.index_instances(vocab)
        batches.append(batch.as_tensor_dict())
    return batches


def _predict(arguments: list[str]) -> None:
    if exit_status("nlpreg", arguments) != 0:
        raise RuntimeError(f"nlpreg {' '.join(arguments)}: failed")


@torch.no_grad()
def _tag(model: Model, batches: list[dict[str, Any]]) -> None:
    for batch in batches:
        model.make_output_human_readable(model(**batch))["tags"]


def _spacy_tagger(tagger: Tagger) -> Callable[[], object] | None:
    """spaCy's tagger over the same words, if spaCy is there; untrained, which is as fast."""
    if importlib.util.find_spec("spacy") is None:
        return None
    import spacy
    from spacy.tokens import Doc
    from spacy.training import Example

    nlp = spacy.blank("en")
    component = nlp.add_pipe("tagger")
    texts = [instance["metadata"]["words"] for instance in tagger.instances]
    for tag in tagger.vocab.get_token_to_index_vocabulary("labels"):
        component.add_label(tag)
    example = Example.from_dict(Doc(nlp.vocab, texts[0]), {"tags": ["X"] * len(texts[0])})
    nlp.initialize(lambda: [example])

    def work() -> None:
        for document in nlp.pipe((Doc(nlp.vocab, words) for words in texts), batch_size=BATCH_SIZE):
            [token.tag_ for token in document]

    return work


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line says."""
    start = time.perf_counter()
    options_parser = parser(__doc__)
    options_parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    options_parser.add_argument("--repeats", type=int, help="rounds of each measurement (default 15)")
    options_parser.add_argument(
        "--data", type=Path, default=TREEBANK, help="folder with train.conllu and dev.conllu"
    )
    options = options_parser.parse_args(arguments)
    options.repeats = options.repeats or (1 if options.quick else 15)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    make: dict[str, Callable[[], str]] = {
        "crf": lambda: crf_section(options.quick, options.repeats, options.device),
        "training": lambda: training_section(options),
        "tagging": lambda: tagging_section(options),
        "counting": lambda: counting_section(options),
    }
    sections = [make[name]() for name in options.sections]
    publish("Taggers", sections, options)
    print(f"measured in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
