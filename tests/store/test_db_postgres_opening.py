"""Opening the ledger on PostgreSQL's server: what stands in the way is one sentence, and nothing is half made."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from pointsman.core.errors import SetupError
from pointsman.store import postgres
from pointsman.store.db import Database
from pointsman.store.tables import METADATA
from tests.fakes.postgres import Server, name_of, server


def refused(url: str) -> str:
    """The sentence with which opening fails."""
    with pytest.raises(SetupError) as failed:
        Database.connect(url)
    assert failed.value.sentence.count(". ") <= 1 and "\n" not in failed.value.sentence
    return failed.value.sentence


def test_a_server_that_is_not_there_is_one_sentence(own: Server) -> None:
    """The sentence names the place, without user and password."""
    own.stop()
    said = refused(f"postgresql://zoe:hunter2@127.0.0.1:{own.port}/money")
    assert f"postgresql://127.0.0.1:{own.port}/money cannot be used: no server answers there" in said
    assert "zoe" not in said and "hunter2" not in said


def test_a_wrong_password_is_one_sentence(own: Server) -> None:
    """The password is not repeated, and the sentence says where the right one goes."""
    own.do("CREATE ROLE ann LOGIN PASSWORD 'right'", "CREATE DATABASE money OWNER ann")
    own.demand_passwords()
    own.stop()
    own.start()
    address = f"postgresql://ann:{{}}@127.0.0.1:{own.port}/money"
    for wrong in ("hunter2", ""):
        said = refused(address.format(wrong))
        assert "refused the password: put the right one in PGPASSWORD" in said
        assert "hunter2" not in said
    Database.connect(address.format("right")).close()


def test_a_password_from_the_environment_is_used(own: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGPASSWORD works, so that no file of ours holds it."""
    own.do("CREATE ROLE ann LOGIN PASSWORD 'right'", "CREATE DATABASE money OWNER ann")
    own.demand_passwords()
    own.stop()
    own.start()
    monkeypatch.setenv("PGPASSWORD", "right")
    Database.connect(f"postgresql://ann@127.0.0.1:{own.port}/money").close()


def test_a_database_that_is_not_there_is_one_sentence(url: str) -> None:
    """The sentence says how to make it."""
    assert "make it with createdb" in refused(f"{url}x")


def test_a_user_who_may_not_make_tables_is_one_sentence(url: str) -> None:
    """Nothing is left half made."""
    server().do("DROP ROLE IF EXISTS eve", "CREATE ROLE eve LOGIN")
    assert "make this user the owner" in refused(url.replace("admin@", "eve@"))


def test_a_server_that_is_too_old_is_one_sentence(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names both versions."""
    monkeypatch.setattr(postgres, "_OLDEST", 990_000)
    assert "Pointsman needs 99 or newer" in refused(url)


def test_a_database_that_is_not_in_unicode_is_refused(url: str) -> None:
    """Money would be booked under names that cannot be written."""
    server().do(
        "DROP DATABASE IF EXISTS latin",
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc",
    )
    assert "ENCODING 'UTF8'" in refused(url.replace(name_of(url), "latin"))


def test_tables_of_another_program_are_left_alone(url: str) -> None:
    """A table of one of our names stops the opening, and none of ours is made beside it."""
    server().query(url, "CREATE TABLE holds (x int)")
    assert "another program" in refused(url)
    assert server().query(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(1,)]


def test_a_newer_ledger_is_left_alone(url: str) -> None:
    """What a later Pointsman wrote is not touched by an older one."""
    Database.connect(url).close()
    server().query(url, "UPDATE pointsman_version SET version = 99")
    assert "newer Pointsman (its version 99" in refused(url)


def test_an_older_ledger_is_brought_forward(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the steps that it lacks are run, once."""
    Database.connect(url).close()
    steps = (lambda c: c.exec_driver_sql("CREATE TABLE more (x int)").close(),)
    monkeypatch.setattr(postgres, "STEPS", (*postgres.STEPS, *steps))
    Database.connect(url).close()
    Database.connect(url).close()
    assert server().query(url, "SELECT version FROM pointsman_version") == [(len(postgres.STEPS) + 1,)]


def test_without_the_driver_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody needs psycopg who has one machine."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SetupError, match=r"pip install 'pointsman\[postgres\]'"):
        Database.connect("postgresql://box/money")


def test_gateways_that_start_at_once_make_the_tables_once(url: str) -> None:
    """All of them open, and every table is there."""
    with ThreadPoolExecutor(6) as pool:
        for db in list(pool.map(lambda _: Database.connect(url), range(6))):
            db.close()
    [(tables,)] = server().query(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    assert tables == len(METADATA.tables) + 1
