import pytest

from nlpreg.commands.command_line import exit_status
from nlpreg.commands.report.analysis import Analysis, Example, detail_lines, errors_in_conllu

EXAMPLES = [
    Example(["the", "dog", "Barks"], ["D", "N", "V"], ["D", "N", "N"], [0.9, 0.8, 0.6]),
    Example(["a", "cat"], ["D", "N"], ["D", "N"], [0.9, 0.9]),
]


def test_details():
    lines = detail_lines(Analysis("data", EXAMPLES, known_words={"the", "dog", "a", "cat"}, seconds=0.5))
    rows = {line.split()[0]: line.split() for line in lines if line}
    assert rows["accuracy"][1] == "0.8000"
    low, high = (float(part.strip("[],")) for part in rows["accuracy"][2:4])
    assert low <= 0.8 <= high
    assert rows["known"][2] == "1.0000" and rows["unknown"][2] == "0.0000"
    assert rows["speed"][1] == "4"
    assert rows["calibration"][1] == "0.2200"  # (0.1 + 0.2 + 0.6 + 0.1 + 0.1) / 5
    assert rows["V"][1:] == ["N", "1"]  # the only mistake comes last
    assert ["N", "0.6667", "1.0000", "0.8000", "2"] in [line.split() for line in lines]


def test_errors_have_both_tags():
    (sentence,) = errors_in_conllu(EXAMPLES, "xpos")
    assert sentence == (
        "# sentence = 1\n# errors = 1\n# text = the dog Barks\n"
        "1\tthe\t_\t_\tD\t_\t_\t_\t_\t_\n"
        "2\tdog\t_\t_\tN\t_\t_\t_\t_\t_\n"
        "3\tBarks\t_\t_\tV\t_\t_\t_\t_\tPredicted=N\n\n"
    )


def test_from_the_command_line(trained_tagger, trained_language_model, tmp_path, capsys):
    data = tmp_path / "data.txt"
    data.write_text("the###DET dog###VERB ate###VERB\na###DET cat###NOUN slept###VERB\n")
    errors = tmp_path / "errors.conllu"
    archive = str(trained_tagger / "model.tar.gz")
    assert exit_status("nlpreg", ["evaluate", archive, str(data), "--details", "--errors", str(errors)]) == 0
    shown = capsys.readouterr().out
    assert "95 % interval" in shown and "expected calibration error" in shown and "texts per second" in shown
    assert errors.read_text().count("# sentence = ") == 1
    assert "2\tdog\t_\tVERB\t_\t_\t_\t_\t_\tPredicted=NOUN\n" in errors.read_text()


@pytest.mark.parametrize("option", ["--details", "--errors"])
def test_only_for_labels(option, trained_language_model, tmp_path, capsys):
    data = tmp_path / "data.txt"
    data.write_text("the dog ate\n")
    words = [option] if option == "--details" else [option, str(tmp_path / "e.conllu")]
    archive = str(trained_language_model)
    assert exit_status("nlpreg", ["evaluate", archive, str(data), *words]) == 2
    assert f"{option}: {data}: expected a tagger or classifier" in capsys.readouterr().err
