"""What holds for every metric: its state can be saved in the middle, and two ranks give what one process gives.

Run as a script, this file is one rank: `test_every_metric.py RANK FOLDER`.
"""

import inspect
import json
import math
import os
import subprocess
import sys
from datetime import timedelta

import pytest
import torch

from nlpreg.common.runtime.process import end_process, stay_on_this_machine
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.training import metrics
from nlpreg.training.metrics import Metric, local_metrics

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-C-LOC", "I-C-LOC"]


def _vocabulary():
    vocabulary = Vocabulary(non_padded_namespaces=["tags"])
    vocabulary.add_tokens_to_namespace(TAGS, "tags")
    return vocabulary


def _generator(seed):
    return torch.Generator().manual_seed(seed)


def _numbers(seed):
    return torch.randn(2, 9, generator=_generator(seed)).unbind(0)


def _binary(seed):
    return torch.rand(9, generator=_generator(seed)), torch.randint(
        0, 2, (9,), generator=_generator(seed + 1)
    )


def _classes(seed):
    return torch.randn(9, 4, generator=_generator(seed)), torch.randint(
        0, 4, (9,), generator=_generator(seed + 1)
    )


def _multi_label(seed):
    return torch.rand(9, 4, generator=_generator(seed)), torch.rand(
        9, 4, generator=_generator(seed + 1)
    ) > 0.5


def _sequences(seed):
    return tuple(torch.randint(0, 4, (2, 3, 7), generator=_generator(seed)))


def _rows(seed):
    return tuple(torch.randint(0, 2, (2, 9, 2), generator=_generator(seed)))


def _beams(seed):
    predictions = torch.randint(0, 3, (5, 4, 2), generator=_generator(seed))
    return predictions, torch.randint(0, 3, (5, 2), generator=_generator(seed + 1))


def _parses(seed):
    return tuple(torch.randint(0, 3, (4, 5, 3), generator=_generator(seed)))


def _tags(seed, num_tags=7):
    scores = torch.randn(5, 8, num_tags, generator=_generator(seed))
    return scores, torch.randint(0, num_tags, (5, 8), generator=_generator(seed + 1))


# name -> (makes the metric, makes the arguments of a call from a seed)
CASES = {
    "average": (metrics.Average, lambda seed: (torch.tensor(seed * 0.1),)),
    "average weighted": (metrics.Average, lambda seed: (torch.tensor(seed * 0.1), torch.tensor(seed))),
    "perplexity": (metrics.Perplexity, lambda seed: (torch.tensor(seed * 0.1), seed)),
    "categorical_accuracy": (metrics.CategoricalAccuracy, _classes),
    "categorical_accuracy top 2": (lambda: metrics.CategoricalAccuracy(top_k=2), _classes),
    "categorical_accuracy ties": (lambda: metrics.CategoricalAccuracy(tie_break=True), _classes),
    "boolean_accuracy": (metrics.BooleanAccuracy, _rows),
    "sequence_accuracy": (metrics.SequenceAccuracy, _beams),
    "fbeta": (lambda: metrics.FBetaMeasure(average="weighted"), _classes),
    "f1": (lambda: metrics.F1Measure(positive_label=1), _classes),
    "fbeta_verbose": (metrics.FBetaVerboseMeasure, _classes),
    "fbeta_multi_label": (metrics.FBetaMultiLabelMeasure, _multi_label),
    "f1_multi_label": (lambda: metrics.F1MultiLabelMeasure(average="micro"), _multi_label),
    "span_f1": (lambda: metrics.SpanBasedF1Measure(_vocabulary()), lambda seed: _tags(seed, 5)),
    "span_f1 continued": (lambda: metrics.SpanBasedF1Measure(_vocabulary()), _tags),
    "attachment_scores": (metrics.AttachmentScores, _parses),
    "auc": (metrics.Auc, _binary),
    "entropy": (metrics.Entropy, lambda seed: (torch.randn(3, 4, generator=_generator(seed)),)),
    "mean_absolute_error": (metrics.MeanAbsoluteError, _numbers),
    "covariance": (metrics.Covariance, _numbers),
    "pearson_correlation": (metrics.PearsonCorrelation, _numbers),
    "spearman_correlation": (metrics.SpearmanCorrelation, _numbers),
    "unigram_recall": (metrics.UnigramRecall, _beams),
    "bleu": (lambda: metrics.BLEU(ngram_weights=(0.5, 0.5)), _sequences),
    "rouge": (metrics.ROUGE, _sequences),
}
SEEDS_OF_RANK = [[10, 20, 30], [40]]
SEEDS = [seed for seeds in SEEDS_OF_RANK for seed in seeds]


def _value_after(name, seeds):
    make, arguments = CASES[name]
    metric = make()
    for seed in seeds:
        metric(*arguments(seed))
    return _flat(metric.get_metric())


def _flat(value):
    """The numbers of a metric's value by name."""
    if isinstance(value, dict):
        return {
            f"{name}/{key}": number for name, inner in value.items() for key, number in _flat(inner).items()
        }
    if isinstance(value, list):
        return {str(position): number for position, number in enumerate(value)}
    return {"": value}


def _measure_as_rank(rank, folder):
    stay_on_this_machine()
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=len(SEEDS_OF_RANK),
        timeout=timedelta(seconds=60),
    )
    values = {name: _value_after(name, SEEDS_OF_RANK[rank]) for name in CASES}
    values["all on one rank"] = {name: _value_after(name, SEEDS if rank == 0 else []) for name in CASES}
    with local_metrics():
        values["local"] = _value_after("average", SEEDS_OF_RANK[rank])
    with open(f"{folder}/{rank}.json", "w", encoding="utf-8") as file:
        json.dump(values, file)
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def values_of_ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(rank), str(folder)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(len(SEEDS_OF_RANK))
    ]
    try:
        errors = [process.communicate(timeout=120)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate(timeout=30)
    assert [process.returncode for process in processes] == [0, 0], errors
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(len(SEEDS_OF_RANK))]


def test_every_registered_metric_is_covered():
    covered = {name.split()[0] for name in CASES}
    ours = {
        name
        for name in Metric.list_available()
        if Metric.by_name(name).__module__.startswith("nlpreg.training.metrics.")
    }
    assert covered == ours - {"evalb"}  # which needs an external program


@pytest.mark.parametrize("name", CASES)
def test_two_ranks_give_what_one_process_gives(name, values_of_ranks):
    expected = _value_after(name, SEEDS)
    for values in values_of_ranks:
        assert values[name] == pytest.approx(expected, abs=1e-12)
    assert CASES[name][0]().supports_distributed


@pytest.mark.parametrize("name", CASES)
def test_a_rank_without_data(name, values_of_ranks):
    expected = _value_after(name, SEEDS)
    for values in values_of_ranks:
        assert values["all on one rank"][name] == pytest.approx(expected, abs=1e-12)


def test_a_rank_by_itself(values_of_ranks):
    for rank, values in enumerate(values_of_ranks):
        assert values["local"] == pytest.approx(_value_after("average", SEEDS_OF_RANK[rank]))


@pytest.mark.parametrize("name", CASES)
def test_going_on_from_a_saved_state(name, tmp_path):
    make, arguments = CASES[name]
    first, second = make(), make()
    for seed in SEEDS[:2]:
        first(*arguments(seed))
    torch.save(first.state_dict(), tmp_path / "state")
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    for seed in SEEDS[2:]:
        first(*arguments(seed))
        second(*arguments(seed))
    assert _flat(second.get_metric()) == _flat(first.get_metric()) == _value_after(name, SEEDS)


@pytest.mark.parametrize("name", CASES)
def test_reset_brings_back_the_beginning(name):
    make, arguments = CASES[name]
    metric = make()
    metric(*arguments(1))
    metric.get_metric(reset=True)
    metric(*arguments(2))
    assert _flat(metric.get_metric()) == _value_after(name, [2])


MASKED = [
    name
    for name, (make, _) in CASES.items()
    if "mask" in inspect.signature(make().__call__).parameters and name != "bleu"  # which refuses masks
]


def _mask_for(arguments):
    shape = arguments[1].shape if len(arguments) > 1 else arguments[0].shape[:-1]
    mask = torch.rand(shape, generator=_generator(5)) > 0.3
    return mask.sort(dim=-1, descending=True).values  # padding comes last


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64, torch.float32, torch.float64])
@pytest.mark.parametrize("name", MASKED)
def test_a_mask_may_be_of_any_type(name, dtype):
    make, arguments = CASES[name]
    values = []
    for mask_type in (torch.bool, dtype):
        metric = make()
        for seed in SEEDS:
            batch = arguments(seed)
            metric(*batch, mask=_mask_for(batch).to(mask_type))
        values.append(_flat(metric.get_metric()))
    assert values[0] == values[1]


# What has no value over nothing; the others have a number.
NAN_OVER_NOTHING = {"mean_absolute_error", "spearman_correlation"}


def _check_value_over_nothing(name, metric, values):
    found = _flat(metric.get_metric())
    assert found.keys() <= values.keys()  # fewer where a label that was not seen has no value
    is_right = math.isnan if name in NAN_OVER_NOTHING else math.isfinite
    assert all(map(is_right, found.values())), found


@pytest.mark.parametrize(
    "name", [name for name in CASES if name not in ("average", "average weighted", "perplexity")]
)
def test_batches_without_rows(name):
    make, arguments = CASES[name]
    metric = make()
    for _ in range(2):
        metric(*(argument[:0] for argument in arguments(1)))
    _check_value_over_nothing(name, metric, _value_after(name, SEEDS))
    metric(*arguments(2))
    assert _flat(metric.get_metric()) == _value_after(name, [2])


@pytest.mark.parametrize(
    "name", ["boolean_accuracy", "sequence_accuracy", "span_f1", "attachment_scores", "bleu", "rouge"]
)
def test_rows_without_words(name):
    make, arguments = CASES[name]
    metric = make()
    metric(
        *(
            argument[..., :0, :] if name == "span_f1" and argument.dim() == 3 else argument[..., :0]
            for argument in arguments(1)
        )
    )
    assert all(math.isfinite(value) for value in _flat(metric.get_metric()).values())


# spearman_correlation counts masked pairs as zeros
@pytest.mark.parametrize("name", [name for name in MASKED if name != "spearman_correlation"])
def test_batches_all_of_whose_items_are_masked(name):
    make, arguments = CASES[name]
    metric = make()
    batch = arguments(1)
    metric(*batch, mask=torch.zeros_like(_mask_for(batch)))
    _check_value_over_nothing(name, metric, _value_after(name, SEEDS))


if __name__ == "__main__":
    _measure_as_rank(int(sys.argv[1]), sys.argv[2])
    end_process(0)
