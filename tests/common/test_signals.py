import os
import signal

import pytest

from nlpreg.common.signals import SigTermReceived, install_sigterm_handler


@pytest.mark.skipif(os.name == "nt", reason="no such signal")
def test_sigterm_is_an_exception():
    before = signal.getsignal(signal.SIGTERM)
    try:
        install_sigterm_handler()
        with pytest.raises(SigTermReceived, match="asked to end"):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
