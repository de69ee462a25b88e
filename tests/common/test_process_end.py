import subprocess
import sys

import pytest

PROGRAM = """
import atexit, concurrent.futures, logging, sys, threading, time
from nlpreg.common.process_end import end_process

class NeverTornDown:
    def __del__(self):
        open(sys.argv[1] + ".torn", "w").close()

kept = NeverTornDown()
logging.basicConfig(filename=sys.argv[1], level=logging.INFO)
atexit.register(logging.info, "exit handler")
threading.Thread(target=lambda: (time.sleep(0.2), logging.info("thread"))).start()
concurrent.futures.ThreadPoolExecutor(1).submit(logging.info, "pool")
sys.stdout.write("no line end")
end_process(int(sys.argv[2]))
"""


@pytest.mark.parametrize("status", [0, 1, 2, 75, 130])
def test_everything_is_written_and_the_status_stays(tmp_path, status):
    log = tmp_path / "log"
    command = [sys.executable, "-c", PROGRAM, str(log), str(status)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (status, "no line end", "")
    lines = [line.rpartition(":")[2] for line in log.read_text().splitlines()]
    assert sorted(lines) == ["exit handler", "pool", "thread"]
    assert lines[-1] == "exit handler"
    assert not (tmp_path / "log.torn").exists()


def test_a_closed_stream(tmp_path):
    program = (
        "import sys; from nlpreg.common.process_end import end_process; sys.stdout.close(); end_process(0)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=100, check=False).returncode == 0
