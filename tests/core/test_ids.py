"""Names that nobody has had before."""

import os
from datetime import UTC, datetime, timedelta

from app.core.ids import RandomIds, first_id

NOW = datetime(2026, 11, 30, tzinfo=UTC)
SOON = NOW + timedelta(milliseconds=1)


def test_names_ascend_as_they_are_given_out() -> None:
    ids = RandomIds()
    names = [ids.new(NOW) for _ in range(500)] + [ids.new(SOON) for _ in range(500)]
    assert names == sorted(set(names))
    assert {len(name) for name in names} == {26}
    assert first_id(NOW) <= names[0] < first_id(SOON) <= names[500]


def test_two_that_give_out_names_at_one_time_give_out_others() -> None:
    assert RandomIds().new(NOW) != RandomIds().new(NOW)


def test_a_child_does_not_go_on_where_its_parent_does() -> None:
    ids = RandomIds()
    ids.new(NOW)
    told, tells = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tells, ids.new(NOW).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(told, 26).decode() != ids.new(NOW)
    os.close(told)
    os.close(tells)
