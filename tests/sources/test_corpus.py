"""Every text of the corpus leads to its finding, at its line, and to nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sources.corpus import BAD, Bad
from tests.sources.following import following, port_of, service, svc
from tidegate.sources import read_folder

CASES = pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())


@CASES
def test_bad_text_is_a_finding_with_its_line(tmp_path: Path, bad: Bad) -> None:
    """The file beside it is in force."""
    (tmp_path / f"bad{bad.ending}").write_bytes(bad.text)
    (tmp_path / "good.yaml").write_text(service("good"))
    batch = read_folder(tmp_path)
    assert [c.ref for c in batch.changes] == [svc("good")]
    found = batch.findings_by_file.get(str(tmp_path / f"bad{bad.ending}"), ())
    assert [(f.type, f.line) for f in found] == ([(bad.type, bad.line)] if bad.type else [])
    for finding in found:
        assert finding.accepted
        assert len(finding.value) <= 200
        assert bad.field in {"", finding.field}
        assert "hunter2" not in str(finding)


@CASES
async def test_bad_text_over_a_good_file_takes_nothing_out_of_force(tmp_path: Path, bad: Bad) -> None:
    file = tmp_path / f"x{bad.ending}"
    good = service("x", 81) if bad.ending == ".yaml" else JSON
    file.write_text(good)
    async with following(tmp_path) as seen:
        # Text that clearly is of another kind replaces the Service, however bad it is.
        file.write_bytes(bad.text)
        (tmp_path / "next.yaml").write_text(service("next"))
        await seen.until(lambda: svc("next") in seen.objects)
        if bad.type and (b"kind" not in bad.text or b"Service" in bad.text):
            assert port_of(seen.objects[svc("x")]) == 81
        file.write_text(good.replace("81", "82"))
        await seen.until(
            lambda: svc("x") in seen.objects and port_of(seen.objects[svc("x")]) == 82 and not seen.types()
        )


JSON = '{"apiVersion":"v1","kind":"Service","metadata":{"name":"x"},"spec":{"ports":[{"port":81}]}}'
