"""What the tests of tasks.json share."""

from pathlib import Path

import pytest

from app.database import Database
from tests.tasks.place import Place


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Place:
    """A desk on a fresh database; nothing is in force and no file was written."""
    return Place(database, tmp_path)
