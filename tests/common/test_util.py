import subprocess
import sys

import pytest

from nlpreg.common import file_utils, util


@pytest.mark.parametrize("module", [util, file_utils])
def test_everything_promised_is_there(module):
    assert all(hasattr(module, name) for name in module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)


def test_symbols():
    assert (util.START_SYMBOL, util.END_SYMBOL) == ("@start@", "@end@")


@pytest.mark.parametrize("name", ["util", "file_utils", "logging", "tqdm", "meta", "sequences"])
def test_importing_loads_neither_torch_nor_numpy(name):
    program = f"import sys, nlpreg.common.{name}; print(sorted({{'torch', 'numpy', 'spacy', 'fsspec'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
