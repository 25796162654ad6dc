"""The wheel, installed away from the checkout: everything that the service needs is in it."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.processes.service import ROOT, Service

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

_NOT_COPIED = shutil.ignore_patterns(
    ".*", "__pycache__", "*.egg-info", "build", "dist", "tests", "persona_space*"
)


class Installed(Service):
    """A service that knows nothing of the checkout."""

    def __init__(self, folder: Path, program: Path) -> None:
        super().__init__(folder, workers=1)
        self.command, self.cwd = [str(program), "serve"], folder


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program `persona-tasks` of a fresh environment that the wheel was installed into."""
    shutil.copytree(ROOT, tmp_path / "source", ignore=_NOT_COPIED)
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), "source"]
    made = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    (wheel,) = tmp_path.glob("*.whl")
    shutil.rmtree(tmp_path / "source")
    home = tmp_path / "fresh"
    venv.create(home, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(home)]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    # the other packages are those of this environment, without the checkout that it points to
    (lib,) = home.glob("lib/python*/site-packages")
    (lib / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin" / "persona-tasks"


def test_an_installed_wheel_serves_from_any_folder(program: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    helped = subprocess.run(
        [program, "--help"], cwd=elsewhere, capture_output=True, text=True, check=True
    )
    assert "execute-due" in helped.stdout
    service = Installed(elsewhere, program)
    try:
        service.start()
        assert len(service.get("/api/tasks")["tasks"]) == 5
        assert service.get("/api/openapi.json")["openapi"].startswith("3.1")
        assert service.insist("POST", "/api/tasks/daily_reflection/execute")["success"] is True
        for page in ("docs", "docs/start.js", "docs/swagger-ui-bundle.js", "docs/swagger-ui.css"):
            assert service.size(f"/api/{page}") > 100
        assert (service.space / "reflections" / "README.md").exists()
        assert "daily_reflection at " in service.tail()
        assert service.stop() == 0
    finally:
        service.kill_everything()
    listed = subprocess.run(
        [program, "list"],
        cwd=elsewhere,
        env={"PATH": os.environ["PATH"], "PERSONA_SPACE": str(service.space)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "weekly_goal_assessment" in listed.stdout
