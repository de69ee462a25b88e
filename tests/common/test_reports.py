import json
import logging
from datetime import timedelta

import pytest

from nlpreg.common.reports import dump_metrics, flatten_filename, format_timedelta


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
