import io
import logging
import re
import subprocess
import sys

import pytest
from tqdm import tqdm

from nlpreg.common.logging import (
    ErrorFilter,
    NlpregLogger,
    get_logger,
    prepare_global_logging,
    release_global_logging,
)


@pytest.fixture(autouse=True)
def logging_as_it_was(monkeypatch):
    for name in ("NLPREG_DEBUG", "NLPREG_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    root = logging.getLogger()
    handlers, level, hook = list(root.handlers), root.level, sys.excepthook
    yield
    release_global_logging()
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook = hook


def test_a_message_is_said_once_for_each_logger(caplog):
    one, two = get_logger("test_logging.one"), get_logger("test_logging.two")
    assert isinstance(one, NlpregLogger)
    with caplog.at_level(logging.DEBUG):
        for i in range(3):
            one.warning_once("careful %d", i)
            two.warning_once("careful %d", i)
            one.debug_once("d")
            one.info_once("i")
            one.error_once("e")
            one.critical_once("c")
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        "careful 0",
        "careful 0",
    ]
    assert len(caplog.records) == 6
    assert all(record.funcName == "test_a_message_is_said_once_for_each_logger" for record in caplog.records)


def test_a_foreign_logger_learns_to_say_things_once(caplog):
    logger = logging.Logger.manager.loggerDict["test_logging.old"] = logging.Logger("test_logging.old")
    logger.parent = logging.getLogger()
    get_logger("test_logging.old").warning_once("x")
    get_logger("test_logging.old").warning_once("x")
    assert [record.getMessage() for record in caplog.records] == ["x"]


def test_error_filter():
    make = lambda level: logging.LogRecord("x", level, "f", 1, "m", None, None)  # noqa: E731
    assert ErrorFilter().filter(make(logging.WARNING))
    assert not ErrorFilter().filter(make(logging.ERROR))


def test_console_is_short_and_the_file_is_full(tmp_path, capsys):
    prepare_global_logging(tmp_path)
    logging.getLogger("some.module").info("reading")
    logging.getLogger("some.module").warning("odd")
    logging.getLogger("some.module").error("bad")
    logging.getLogger("nlpreg.common.params").info("model.type = lstm")
    console = capsys.readouterr()
    assert console.out == "reading\nwarning: odd\n"
    assert console.err == "error: bad\n"
    lines = (tmp_path / "out.log").read_text(encoding="utf-8").splitlines()
    assert [re.sub(r"^[\d-]+ [\d:,]+", "TIME", line) for line in lines] == [
        "TIME - INFO - some.module - reading",
        "TIME - WARNING - some.module - odd",
        "TIME - ERROR - some.module - bad",
        "TIME - INFO - nlpreg.common.params - model.type = lstm",
    ]


def test_console_level_is_apart_from_the_files(tmp_path, capsys):
    prepare_global_logging(tmp_path, console_level="WARNING")
    logging.getLogger("a").info("quiet")
    assert capsys.readouterr().out == ""
    prepare_global_logging(tmp_path, console_level=logging.DEBUG)
    logging.getLogger("nlpreg.common.params").info("now seen")
    logging.getLogger("a").debug("and this")
    assert capsys.readouterr().out == "now seen\nand this\n"
    text = (tmp_path / "out.log").read_text()
    assert "quiet" in text
    assert "and this" not in text


@pytest.mark.parametrize(
    ("name", "value", "level"), [("NLPREG_DEBUG", "1", 10), ("NLPREG_LOG_LEVEL", "error", 40)]
)
def test_level_from_the_environment(tmp_path, monkeypatch, name, value, level):
    monkeypatch.setenv(name, value)
    prepare_global_logging(tmp_path)
    assert logging.getLogger().level == level


def test_bad_level_names_the_good_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("NLPREG_LOG_LEVEL", "LOUD")
    with pytest.raises(ValueError, match="expected DEBUG, INFO, WARNING, ERROR or CRITICAL, got 'LOUD'"):
        prepare_global_logging(tmp_path)


def test_other_ranks_write_to_their_own_file_only(tmp_path, capsys):
    prepare_global_logging(tmp_path, rank=1, world_size=2)
    logging.getLogger("a").error("from the second rank")
    assert capsys.readouterr().err == ""
    text = (tmp_path / "out_worker1.log").read_text()
    assert text.startswith("1 | ")
    assert "from the second rank" in text


def test_a_second_call_replaces_the_first(tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
        prepare_global_logging(folder)
        logging.getLogger("a").info("in %s", folder.name)
    assert "in 2" not in (first / "out.log").read_text()
    assert "in 1" not in (second / "out.log").read_text()


def test_a_log_line_does_not_break_the_bar(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    prepare_global_logging(tmp_path)
    bar = tqdm(total=2, file=screen, ncols=40, mininterval=0)
    logging.getLogger("a").info("hello")
    bar.close()
    # the bar is wiped before the line is written, so the line stands alone
    assert "\rhello\n" in re.sub(r" +", "", screen.getvalue())


def test_uncaught_exceptions_are_logged_but_not_ctrl_c(tmp_path):
    program = "\n".join(
        [
            "import sys",
            "from nlpreg.common.logging import prepare_global_logging",
            "prepare_global_logging(sys.argv[1])",
            "raise {}",
        ]
    )
    for error in ("ValueError('oh')", "KeyboardInterrupt"):
        command = [sys.executable, "-c", program.format(error), str(tmp_path)]
        assert subprocess.run(command, capture_output=True, check=False, timeout=120).returncode != 0
    text = (tmp_path / "out.log").read_text()
    assert "Uncaught exception" in text
    assert "ValueError: oh" in text
    assert "KeyboardInterrupt" not in text
