"""What the README says, done in a fresh clone with no environment."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.processes.service import ROOT, eventually, free_port

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of what is committed, and nothing else."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout, so there is nothing to clone")
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", f"file://{ROOT}", folder], check=True)
    return folder


def test_the_commands_of_the_readme_work_in_a_fresh_clone(clone: Path, tmp_path: Path) -> None:
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PORT": str(port)}
    environment |= {name: os.environ[name] for name in os.environ if name.startswith("PIP_")}
    said = tmp_path / "said"
    with said.open("wb") as out:
        service = subprocess.Popen(
            ["make", "run"],
            cwd=clone,
            env=environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        eventually(
            lambda: answers(f"http://127.0.0.1:{port}/livez") or service.poll() is not None,
            within=240,
            what=said.read_text(),
        )
        assert service.poll() is None, said.read_text()
        for command in readme_commands(clone, port):
            done = subprocess.run(
                command, shell=True, cwd=clone, capture_output=True, text=True, check=True
            )
            assert done.stdout.strip(), command
        text = said.read_text()
        assert f"http://127.0.0.1:{port}" in text
        assert "daily_reflection at " in text
        changed = subprocess.run(
            ["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True
        )
        assert changed.stdout == "", "what a running service writes is ignored by git"
    finally:
        os.killpg(service.pid, signal.SIGTERM)
        service.wait(60)


def readme_commands(clone: Path, port: int) -> list[str]:
    """Return the lines of the README's section "See it work" that are commands."""
    text = (clone / "README.md").read_text()
    section = text.partition("See it work")[2].partition("\n##")[0]
    commands = re.findall(r"^    ((?:curl|cat) .*?)(?:\s+#.*)?$", section, flags=re.MULTILINE)
    assert len(commands) == 3
    quiet = (command.replace("curl ", "curl -fsS ") for command in commands)
    return [command.replace("127.0.0.1:8000", f"127.0.0.1:{port}") for command in quiet]


def answers(url: str) -> bool:
    """Say whether something serves there."""
    done = subprocess.run(["curl", "-fsS", "-o", os.devnull, url], capture_output=True, check=False)
    return done.returncode == 0
