import pickle

from nlpreg.data.data_loaders import WorkerError


def test_the_text_holds_both() -> None:
    error = WorkerError("ValueError('bad line 3')", ["Traceback\n", "  line 7\n"])
    assert "ValueError('bad line 3')" in str(error)
    assert "Traceback\n  line 7" in str(error)
    assert "whole text" in str(WorkerError("x", "whole text"))


def test_it_pickles() -> None:
    error = pickle.loads(pickle.dumps(WorkerError("x", "y")))
    assert isinstance(error, WorkerError)
    assert str(error) == str(WorkerError("x", "y"))
