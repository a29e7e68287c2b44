"""The tables' version, and the steps from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from pointsman.core.errors import SetupError

Step = Callable[[Connection], None]


def _sum_up_later(connection: Connection) -> None:
    """Version 2: charges wait in a table of their own until they are summed up; one index serves what two did."""
    from pointsman.store.tables import METADATA

    METADATA.tables["unsummed"].create(connection)
    connection.exec_driver_sql("DROP INDEX IF EXISTS audit_at")


def _count_by_hours(connection: Connection) -> None:
    """Version 3: how requests fared is added up by hours, and the few attempts that failed have an index."""
    from pointsman.store.tables import METADATA

    METADATA.tables["fares"].create(connection)
    whole = "INTEGER" if connection.dialect.name == "sqlite" else "BIGINT"
    connection.exec_driver_sql(f"ALTER TABLE audit_head ADD COLUMN fared {whole} NOT NULL DEFAULT 0")
    connection.exec_driver_sql("CREATE INDEX audit_attempts ON audit (at) WHERE kind = 'attempt'")


STEPS: tuple[Step, ...] = (_sum_up_later, _count_by_hours)
"""STEPS[n] brings a database of version n + 1 to version n + 2. A new one is made whole, from tables.py."""


def bring_forward(connection: Connection, where: str, found: int, steps: Sequence[Step]) -> int:
    """Make the tables (found is 0), or bring them to the newest version; that version."""
    newest = len(steps) + 1
    if found > newest:
        raise SetupError(
            f"{where} was written by a newer Pointsman (its version {found}, ours {newest}): "
            "install the newer Pointsman again, or set POINTSMAN_HOME."
        )
    if found == 0:
        from pointsman.store.tables import METADATA  # with SQLModel, which only a new database needs

        METADATA.create_all(connection, checkfirst=False)
    else:
        for step in steps[found - 1 :]:
            step(connection)
    return newest
