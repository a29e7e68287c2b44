"""PostgreSQL: one server as the shared ledger of several gateways.

Each transaction that writes takes one lock first, which is what BEGIN IMMEDIATE is on SQLite: whoever adds up a cap
sees all that the others wrote, and nobody writes between the look and the hold.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from pointsman.core.errors import SetupError, Unavailable
from pointsman.store import postgres_errors
from pointsman.store.backend import Backend
from pointsman.store.schema import STEPS, bring_forward
from pointsman.store.sqlite import READERS

_LOCK = 0x506E7473
_OLDEST = 120_000
_GRACE = 3.0  # seconds for a gateway that was just ended to be gone from the server
_SESSION = (
    "SET idle_in_transaction_session_timeout = '10s'",  # a machine that sleeps must not keep the lock
    "SET lock_timeout = '10s'",
    "SET statement_timeout = '30s'",
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
    "SET client_encoding = 'UTF8'",
)
_READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_ADDRESS: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "pointsman",
}


def open_server(url: str, gateway: str = "") -> Backend:
    """Connect, and make the tables if they are not there. `SetupError` says in one sentence why that cannot be done.

    A gateway with a name is refused while another one of this name is connected.
    """
    address = _read(url)
    trouble = postgres_errors.Trouble(address)
    writer = _engine(address)
    if gateway:
        event.listen(writer, "connect", lambda connection, _: _claim(connection, gateway))
    event.listen(writer, "begin", _lock)
    try:
        if gateway:
            _be_alone(writer, gateway)
        with writer.begin() as connection:
            _prepare(connection, trouble.where)
    except Exception as error:
        writer.dispose()
        told = trouble.plain(error)
        if isinstance(told, Unavailable):
            raise SetupError(told.sentence) from None
        raise
    return Backend(writer, _engine(address, _READ_ONLY), trouble.plain, _sound)


def _read(url: str) -> URL:
    _have_driver()
    with contextlib.suppress(ArgumentError, ValueError):
        address = make_url(url)
        if address.drivername in {"postgresql", "postgres"} and address.database:
            return address.set(drivername="postgresql+psycopg")
    raise SetupError(
        "The address of the shared ledger is not one of a PostgreSQL database. "
        "Write it as postgresql://host/name, in POINTSMAN_DATABASE or in models.toml under [ledger]."
    )


def _have_driver() -> None:
    try:
        import psycopg  # noqa: F401 - whether it can be loaded at all
    except ImportError:
        raise SetupError(
            "A ledger on PostgreSQL needs the driver psycopg: install it with pip install 'pointsman[postgres]'."
        ) from None


def _engine(address: URL, *more: str) -> Engine:
    given = {name: value for name, value in _ADDRESS.items() if name not in address.query}
    engine = create_engine(
        address,
        connect_args=given,
        hide_parameters=True,
        pool_size=READERS,
        pool_pre_ping=bool(more),  # a reader's connection may have died while it lay idle; the writer finds out itself
        use_native_hstore=False,
    )

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        from pointsman.store.postgres_types import adapt

        adapt(connection)
        connection.execute("; ".join((*_SESSION, *more)))
        connection.commit()

    return engine


def _claim(connection: Any, gateway: str) -> bool:
    """Take the name for as long as this connection lasts. After a break, one that is not gone yet may still have it."""
    [[got]] = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (_LOCK, gateway)).fetchall()
    connection.commit()
    return bool(got)


def _be_alone(engine: Engine, gateway: str) -> None:
    """Refuse a second gateway of this name: each would end the other's holds when it starts."""
    driver: Any = engine.raw_connection()
    give_up = time.monotonic() + _GRACE
    try:
        while not _claim(driver.driver_connection, gateway):
            if time.monotonic() > give_up:
                raise SetupError(
                    "A gateway with the id of this one is connected to the shared ledger. After a crash, wait half a "
                    "minute; if this home was copied from another machine, delete the file gateway.id in it."
                )
            time.sleep(0.05)
    finally:
        driver.close()


def _lock(connection: Connection) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _sound(connection: Connection) -> None:
    """A transaction in which a statement failed would be undone by COMMIT without a word."""
    from psycopg.pq import TransactionStatus

    driver: Any = connection.connection.driver_connection
    if driver.info.transaction_status == TransactionStatus.INERROR:
        raise RuntimeError("a statement of this transaction failed and was passed over")


def _prepare(connection: Connection, where: str) -> None:
    """The lock is held here too: of two gateways that start at once, the second finds the tables made."""
    _check_server(connection, where)
    found = _found(connection, where)
    newest = bring_forward(connection, where, found, STEPS)
    if not found:
        connection.exec_driver_sql("CREATE TABLE pointsman_version (version bigint NOT NULL)")
        connection.exec_driver_sql("INSERT INTO pointsman_version VALUES (%s)", (newest,))
    elif newest != found:
        connection.exec_driver_sql("UPDATE pointsman_version SET version = %s", (newest,))


def _check_server(connection: Connection, where: str) -> None:
    driver: Any = connection.connection.driver_connection
    version = driver.info.server_version
    if version < _OLDEST:
        raise SetupError(f"{where} is PostgreSQL {version // 10_000}: Pointsman needs {_OLDEST // 10_000} or newer.")
    if driver.info.parameter_status("server_encoding") != "UTF8":
        raise SetupError(f"{where} does not keep text as UTF-8: make the database anew with ENCODING 'UTF8'.")


def _found(connection: Connection, where: str) -> int:
    """The version of the tables; 0 where there are none, of ours or of others."""
    if connection.exec_driver_sql("SELECT to_regclass('pointsman_version')").scalar_one() is not None:
        return int(connection.exec_driver_sql("SELECT version FROM pointsman_version").scalar_one())
    from pointsman.store.tables import METADATA  # with SQLModel, which only a new database needs

    others = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = ANY(%(ours)s)"
    if connection.exec_driver_sql(others, {"ours": list(METADATA.tables)}).scalar_one():
        raise SetupError(f"{where} holds tables of another program: make a database of its own for the ledger.")
    return 0
