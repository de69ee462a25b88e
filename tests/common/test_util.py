import json
import logging
import subprocess
import sys
from datetime import timedelta

import pytest
import torch

from nlpreg.common import util
from nlpreg.common.util import (
    dump_metrics,
    flatten_filename,
    format_timedelta,
    get_frozen_and_tunable_parameter_names,
    int_to_device,
    log_frozen_and_tunable_parameter_names,
    nan_safe_tensor_divide,
)


def test_symbols():
    assert (util.START_SYMBOL, util.END_SYMBOL) == ("@start@", "@end@")


@pytest.mark.parametrize("name", ["util", "file_utils", "logging", "tqdm", "meta", "iteration"])
def test_importing_loads_neither_torch_nor_numpy(name):
    program = f"import sys, nlpreg.common.{name}; print(sorted({{'torch', 'numpy', 'spacy', 'fsspec'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def test_metrics_go_to_the_file_and_to_the_log(tmp_path, caplog):
    path = tmp_path / "metrics.json"
    with caplog.at_level(logging.INFO):
        dump_metrics(str(path), {"loss": 0.5, "epoch": 3}, log=True)
    assert json.loads(path.read_text()) == {"loss": 0.5, "epoch": 3}
    assert '\n  "loss": 0.5' in path.read_text()
    assert '"epoch": 3' in caplog.text
    dump_metrics(None, {})


def test_metrics_that_cannot_be_written_leave_the_old_ones(tmp_path):
    path = tmp_path / "metrics.json"
    dump_metrics(str(path), {"a": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        dump_metrics(str(path), {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.json"]


def test_flatten_filename():
    assert flatten_filename("a/b/c.txt") == "a_SLASH_b_SLASH_c.txt"


@pytest.mark.parametrize(
    ("span", "text"),
    [
        ({"days": 3, "hours": 5}, "3 days"),
        ({"days": 1}, "1 day"),
        ({"hours": 5, "minutes": 59}, "5 hours"),
        ({"hours": 1, "minutes": 20}, "1 hour, 20 mins"),
        ({"minutes": 42, "seconds": 59}, "42 mins"),
        ({"seconds": 3}, "0 mins"),
    ],
)
def test_format_timedelta(span, text):
    assert format_timedelta(timedelta(**span)) == text


def test_int_to_device():
    assert int_to_device(-1) == torch.device("cpu")
    assert int_to_device(2) == torch.device("cuda", 2)
    assert int_to_device(torch.device("cpu")) == torch.device("cpu")


def test_division_by_zero_is_zero():
    result = nan_safe_tensor_divide(torch.tensor([1.0, 0.0, 3.0]), torch.tensor([0.0, 0.0, 2.0]))
    assert result.tolist() == [0.0, 0.0, 1.5]


def test_division_by_zero_has_a_gradient():
    numerator = torch.tensor([1.0, 4.0], requires_grad=True)
    nan_safe_tensor_divide(numerator, torch.tensor([0.0, 2.0])).sum().backward()
    assert numerator.grad.tolist() == [0.0, 0.5]


def test_frozen_and_tunable_names(caplog):
    model = torch.nn.Linear(2, 3)
    model.bias.requires_grad_(False)
    assert get_frozen_and_tunable_parameter_names(model) == (["bias"], ["weight"])
    with caplog.at_level(logging.INFO):
        log_frozen_and_tunable_parameter_names(model)
    said = [record.getMessage() for record in caplog.records]
    assert said.index("bias") < said.index("weight")
