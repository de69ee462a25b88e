import os
import pickle
import signal
import threading

import pytest

from nlpreg.common.runtime.process import SigTermReceived
from nlpreg.training.interruption import EXIT_CODE_RESUME, InterruptionGuard, TrainingInterrupted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_and_the_old_handler_comes_back(number):
    earlier = signal.getsignal(number)
    with InterruptionGuard() as guard:
        assert guard.requested is None
        os.kill(os.getpid(), number)
        assert guard.requested == number
    assert signal.getsignal(number) is earlier


def test_a_second_control_c_ends_at_once():
    earlier = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), InterruptionGuard():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is earlier


def test_a_signal_that_is_ignored_stays_ignored():
    earlier = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with InterruptionGuard() as guard:
            os.kill(os.getpid(), signal.SIGINT)
            assert guard.requested is None
    finally:
        signal.signal(signal.SIGINT, earlier)


def test_other_threads_set_no_handlers():
    entered = []

    def use():
        with InterruptionGuard():
            entered.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join(30)
    assert entered == [signal.getsignal(signal.SIGTERM)]


def test_what_is_raised():
    guard = InterruptionGuard()
    guard.requested = signal.SIGTERM
    with pytest.raises(
        TrainingInterrupted, match="after 7 updates of epoch 2; a checkpoint was saved"
    ) as caught:
        guard.raise_request(2, 7, is_saved=True)
    assert isinstance(caught.value, SigTermReceived)  # what commands catch
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    guard.requested = signal.SIGINT
    with pytest.raises(KeyboardInterrupt, match="there is no checkpoint"):
        guard.raise_request(0, 0, is_saved=False)


def test_the_exit_code_asks_to_try_again():
    assert EXIT_CODE_RESUME == TrainingInterrupted.exit_code == 75
