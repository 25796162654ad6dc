"""SQLite is given no instant that is not written as all others are there.

Instants are text on SQLite and compared as text, so all must be written alike. What has lost its
type on the way, as a literal within a function has, would be written by SQLAlchemy or by Python
with a blank where ours have a T: no error, and a wrong answer on the same day only. So it is one.
"""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

from sqlalchemy import DateTime
from sqlalchemy.engine import Dialect, Engine


def refuse_untyped_instants(engine: Engine) -> None:
    """Let a datetime that is bound without the type Instant be a TypeError from now on.

    Where SQLAlchemy takes it for one, in this engine; where it comes to Python's SQLite as it is,
    in the whole process: adapters are per process, and Python's own is to go anyway.
    """
    kinds: dict[Any, Any] = {**engine.dialect.colspecs, DateTime: _Untyped}
    engine.dialect.colspecs = kinds
    sqlite3.register_adapter(datetime, _refuse)


class _Untyped(DateTime):
    """What SQLAlchemy takes a datetime for about which it knows nothing."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], None]:
        return _refuse_all_but_none


def _refuse_all_but_none(value: Any) -> None:
    if value is not None:
        _refuse(value)


def _refuse(moment: datetime) -> NoReturn:
    raise TypeError(f"{moment} has to be bound as an Instant: SQLite compares instants as text")
