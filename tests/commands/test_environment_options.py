import argparse
import os

import pytest

from nlpreg.commands.options import add_no_cache_option, environment_of
from nlpreg.data.id_corpus.corpus_cache import cache_is_off


def test_no_cache_holds_for_the_command_alone(monkeypatch):
    monkeypatch.delenv("NLPREG_NO_CACHE", raising=False)
    parser = argparse.ArgumentParser()
    add_no_cache_option(parser)
    with environment_of(parser.parse_args([])):
        assert not cache_is_off()
    with pytest.raises(RuntimeError, match="x"), environment_of(parser.parse_args(["--no-cache"])):
        assert cache_is_off()
        raise RuntimeError("x")
    assert "NLPREG_NO_CACHE" not in os.environ


def test_what_the_user_had_set_stays(monkeypatch):
    monkeypatch.setenv("NLPREG_NO_CACHE", "yes")
    with environment_of(argparse.Namespace(no_cache=True)):
        assert cache_is_off()
    assert os.environ["NLPREG_NO_CACHE"] == "yes"
