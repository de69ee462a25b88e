import stat

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics import EvalbBracketingScorer, evalb_bracketing_scorer

# stands for the program: two sentences, and the summary that follows them
SCRIPT = """#!/bin/sh
test "$1" = -p -a "$3" = -e -a "$4" = 10 || exit 1
grep -q '(S (NP' "$5" && grep -q '(X' "$6" || exit 1
cat <<END
   ID  Len.  Stat. Recal  Prec.  Bracket gold test Bracket Words  Tags Accracy
============================================================================
   1    8    0     75.00 100.00     3     4    3      0      6     5    83.33
   2    3    0      0.00   0.00     0     1    2      0      3     3   100.00
============================================================================
                   60.00  60.00     3     5    5      0      9     8    88.89
END
"""


class Tree:
    def __init__(self, text):
        self.text = text

    def pformat(self, margin):
        assert margin > 1000
        return self.text


def test_it_adds_up_the_brackets_of_sentences(tmp_path):
    program = tmp_path / "evalb"
    program.write_text(SCRIPT)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    scorer = EvalbBracketingScorer(str(tmp_path))
    scorer([Tree("(X (NP a))")], [Tree("(S (NP a))")])
    measured = scorer.get_metric(reset=True)
    assert measured["evalb_recall"] == pytest.approx(3 / 5)
    assert measured["evalb_precision"] == pytest.approx(3 / 5)
    assert measured["evalb_f1_measure"] == pytest.approx(3 / 5)
    assert set(scorer.get_metric().values()) == {0.0}
    scorer.clean_evalb(str(tmp_path))
    assert not program.exists()


def test_a_missing_program_is_explained(tmp_path):
    scorer = EvalbBracketingScorer(str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="EVALB: no folder"):
        scorer([], [])


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo Length unmatch 1>&2; exit 3", r"\(status 3\):\nLength unmatch"),
        ("exec sleep 60", "timed out"),
        (None, "make failed|make cannot be run"),
    ],
    ids=["fails", "hangs", "does not compile"],
)
def test_a_program_that_does_not_work(script, message, tmp_path, monkeypatch):
    monkeypatch.setattr(evalb_bracketing_scorer, "SECONDS_TO_WAIT", 1)
    if script is not None:
        (tmp_path / "evalb").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "evalb").chmod(0o700)
    with pytest.raises(ConfigurationError, match=message):
        EvalbBracketingScorer(str(tmp_path))([Tree("(X a)")], [Tree("(S a)")])
