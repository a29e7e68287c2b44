"""A real PostgreSQL server of Debian's package, on a folder and a port of its own, gone when the tests end."""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "16MB",
    "log_min_messages": "fatal",
    "autovacuum": "off",
    "password_encryption": "scram-sha-256",
}
_EMPTYING = """
SELECT string_agg(CASE relkind WHEN 'r' THEN format('DELETE FROM %I', relname) ELSE format('ALTER SEQUENCE %I RESTART', relname) END, '; ')
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S') AND relname <> 'pointsman_version'
"""


@functools.cache
def server() -> Server:
    """The one server of this test run, started at its first use."""
    started = Server()
    atexit.register(started.remove)
    return started


class Server:
    """`url` names a fresh, empty database; `stop` and `start` as an administrator would."""

    def __init__(self) -> None:
        self._owner = _owner()
        self.folder = Path(tempfile.mkdtemp(prefix="pointsman-pg-", dir="/tmp" if self._owner else None))
        self.port = _free_port()
        self._numbers = itertools.count(1)
        self._emptied: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        if self._owner:
            os.chown(self.folder, pwd.getpwnam(self._owner).pw_uid, pwd.getpwnam(self._owner).pw_gid)
        # Text sorts as in a dictionary unless a statement says otherwise, as on most people's servers.
        locale = ("--locale=C", "--locale-provider=icu", "--icu-locale=en-US")
        made = self._run("initdb", "-D", self._data, "-U", "admin", "-E", "UTF8", "--auth=trust", "--no-sync", *locale)
        assert made.returncode == 0, made.stderr.decode()
        self.start()

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [str(_programs() / program), *arguments]
        return subprocess.run(command, capture_output=True, check=False, cwd="/", **self._as_owner())

    def _as_owner(self) -> dict[str, Any]:
        """The server refuses to run as root."""
        return {"user": self._owner, "group": self._owner, "extra_groups": []} if self._owner else {}

    def start(self) -> None:
        """Start it, and wait until it answers."""
        given = {**_SETTINGS, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [str(_programs() / "postgres"), "-D", self._data, *options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", start_new_session=True, **self._as_owner(),
            )  # fmt: skip
        assert self._answers(), (self.folder / "log").read_text()

    def _answers(self) -> bool:
        assert self._process is not None
        while self._process.poll() is None:
            try:
                psycopg.connect(self.admin).close()
            except psycopg.OperationalError:
                continue
            return True
        return False

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends all connections and stops; SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def remove(self) -> None:
        """Stop it and take its folder away."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def admin(self) -> str:
        """For the administrator, over its socket."""
        return f"postgresql://admin@/postgres?host={self.folder}&port={self.port}"

    def do(self, *statements: str) -> None:
        """Run statements as the administrator."""
        for statement in statements:
            self.query(self.admin, statement)

    def query(self, url: str, statement: str) -> list[Any]:
        """Run a statement in a database; its rows."""
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def demand_passwords(self, *, wanted: bool = True) -> None:
        """Ask for a password on 127.0.0.1, from the next start on; the administrator's socket stays open."""
        rules = f"local all all trust\nhost all all 127.0.0.1/32 {'scram-sha-256' if wanted else 'trust'}\n"
        (self.folder / "data" / "pg_hba.conf").write_text(rules)

    def url(self) -> str:
        """A fresh, empty database."""
        name = f"test{next(self._numbers)}"
        self.do(f"CREATE DATABASE {name}")
        return f"postgresql://admin@127.0.0.1:{self.port}/{name}"

    def drop(self, url: str) -> None:
        """Take a database away, with who is connected to it."""
        self.do(f"DROP DATABASE IF EXISTS {name_of(url)} WITH (FORCE)")

    def empty(self) -> str:
        """A database in which nothing is: one that was given back, with its tables, else a new one without."""
        return self._emptied.pop() if self._emptied else self.url()

    def give_back(self, url: str) -> None:
        """The next one may have it: emptying takes a tenth of the time that making one does."""
        self.cut(url)
        with psycopg.connect(url, autocommit=True) as connection:
            [(emptying,)] = connection.execute(_EMPTYING).fetchall()
            connection.execute(f"SET session_replication_role = replica; {emptying}")  # of tables in any order
        self._emptied.append(url)

    def cut(self, url: str) -> None:
        """End every connection to a database, as a network that breaks would."""
        self.do(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name_of(url)}'")


def name_of(url: str) -> str:
    """The database in an address of this server."""
    return url.rsplit("/", 1)[1]


def _programs() -> Path:
    """Where the newest installed server's programs are; without one the tests fail, and say what to install."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    assert elsewhere, "The tests need the PostgreSQL server: install Debian's package 'postgresql'."
    return Path(elsewhere).resolve().parent


def _owner() -> str | None:
    """Whom to run the server as where the tests run as root; the package makes the user postgres."""
    if os.geteuid() != 0:
        return None
    return "postgres" if any(user.pw_name == "postgres" for user in pwd.getpwall()) else "nobody"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
