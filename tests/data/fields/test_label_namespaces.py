import logging

import pytest

from nlpreg.data.fields.label_namespaces import check_label_namespace


@pytest.mark.parametrize("namespace", ["labels", "pos_tags", "my_labels"])
def test_usual_names_pass(namespace: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_label_namespace(namespace)
    assert not caplog.records


def test_other_names_are_mentioned_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_label_namespace("quite_different")
        check_label_namespace("quite_different")
    assert [record.getMessage() for record in caplog.records if "quite_different" in record.getMessage()][
        1:
    ] == []
    assert "non_padded_namespaces" in caplog.text
