"""Idempotency keys: the same request again has the same effect once, for 24 hours."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from app.core.errors import KeyReused
from app.runs.tables import idempotency_keys as keys

KEPT_FOR = timedelta(hours=24)


class Keys:
    """Remembers which key stands for what; within the transaction of the effect itself."""

    def find(
        self, connection: Connection, *, scope: str, key: str, fingerprint: str, now: datetime
    ) -> str | None:
        """Return what the key stands for, None if it is new.

        Raises KeyReused where it was used for another request.
        """
        query = select(keys).where(
            keys.c.scope == scope, keys.c.key == key, keys.c.created_at > now - KEPT_FOR
        )
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.fingerprint != fingerprint:
            raise KeyReused
        return str(row.subject)

    def keep(
        self,
        connection: Connection,
        *,
        scope: str,
        key: str,
        fingerprint: str,
        subject: str,
        now: datetime,
    ) -> None:
        """Remember a key; an expired one of the same name makes place."""
        connection.execute(delete(keys).where(keys.c.scope == scope, keys.c.key == key))
        connection.execute(
            insert(keys).values(
                scope=scope, key=key, fingerprint=fingerprint, subject=subject, created_at=now
            )
        )

    def purge(self, connection: Connection, now: datetime) -> None:
        """Forget the expired ones."""
        connection.execute(delete(keys).where(keys.c.created_at <= now - KEPT_FOR))
