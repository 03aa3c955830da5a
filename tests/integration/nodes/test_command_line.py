import shutil
from pathlib import Path

import pytest

from esb_standins.nodes.claim import claim_near
from esb_standins.nodes.main import main
from esb_standins.nodes.packages import Binaries


@pytest.fixture
def run_dir(programs: Binaries):
    with claim_near(Path(__file__).parents[3] / ".run" / "tests-cli") as taken:
        inner = taken.directory / "inner"
        yield inner
        main(["stop", "--run-dir", str(inner)])
        shutil.rmtree(inner)


def test_started_servers_outlive_the_command_and_a_second_start_finds_them(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["start", "--run-dir", str(run_dir)]) == 0
    first = capsys.readouterr().out

    assert main(["start", "--run-dir", str(run_dir)]) == 0

    assert capsys.readouterr().out == first
    assert (run_dir / "urls.env").read_text(encoding="utf-8") == first
    assert main(["stop", "--run-dir", str(run_dir)]) == 0
    assert main(["status", "--run-dir", str(run_dir)]) == 1
    assert "not running" in capsys.readouterr().err
