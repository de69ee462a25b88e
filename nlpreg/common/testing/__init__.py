"""Test utilities for models and plugins. They need pytest, and nothing in nlpreg imports them."""

from nlpreg.common.testing.distributed_test import init_process, run_distributed_test
from nlpreg.common.testing.model_test_case import (
    ModelTestCase,
    assert_equal_parameters,
    assert_metrics_values,
    global_distributed_metric,
)
from nlpreg.common.testing.test_case import (
    AllenNlpTestCase,
    NlpregTestCase,
    cpu_or_gpu,
    multi_device,
    requires_gpu,
    requires_multi_gpu,
)

__all__ = [
    "AllenNlpTestCase",
    "ModelTestCase",
    "NlpregTestCase",
    "assert_equal_parameters",
    "assert_metrics_values",
    "cpu_or_gpu",
    "global_distributed_metric",
    "init_process",
    "multi_device",
    "requires_gpu",
    "requires_multi_gpu",
    "run_distributed_test",
]
