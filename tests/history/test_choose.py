from pathlib import Path

import pytest

from pipelines.errors import LogFormatError, MappingError
from pipelines.history.choose import choose_mapping

HELPDESK = (
    "Case ID,Activity,Resource,Complete Timestamp,Variant,Variant index,Variant,seriousness,"
    "customer,product,responsible_section,seriousness_2,service_level,service_type,"
    "support_section,workgroup\n"
)
TRACE = '<trace><string key="concept:name" value="1"/>{}<event>{}</event></trace>'
EVENT = '<string key="concept:name" value="a"/><date key="time:timestamp" value="2020-01-01"/>'


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (HELPDESK, "helpdesk"),
        (HELPDESK.replace(",", ";"), "helpdesk"),
        ("case:concept:name,concept:name,time:timestamp,other\n", "xes_columns"),
        (f"<log>{TRACE.format('', EVENT)}</log>", "xes_standard"),
        (
            "<log>"
            + TRACE.format(
                '<int key="AMOUNT_REQ" value="1"/>',
                EVENT
                + '<string key="org:resource" value="p"/>'
                + '<string key="lifecycle:transition" value="START"/>',
            )
            + "</log>",
            "bpi2012",
        ),
    ],
    ids=["helpdesk", "semicolons", "columns named as in XES", "any XES", "bpi2012"],
)
def test_the_columns_choose_the_mapping(tmp_path: Path, content: str, name: str) -> None:
    path = tmp_path / "whatever"
    path.write_text(content)
    assert choose_mapping(path).name == name


def test_without_a_fitting_mapping_the_message_says_what_to_write(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text("ticket,step,at\n1,a,2020-01-01\n")
    with pytest.raises(MappingError) as caught:
        choose_mapping(path)
    message = str(caught.value)
    assert "it has the columns 'ticket', 'step', 'at'" in message
    assert 'format = "csv"' in message
    assert "--mapping" in message


@pytest.mark.parametrize("content", ["", "<log></log>", "<html/>"])
def test_no_log_has_no_mapping(tmp_path: Path, content: str) -> None:
    path = tmp_path / "log"
    path.write_text(content)
    with pytest.raises(LogFormatError):
        choose_mapping(path)
