"""A small PostgreSQL driver for functions. Standard library only, Python 3.9 or newer.

    import mokapot

    def handler(event, context):
        rows = mokapot.query("select name from guests where id = $1", 7)
        with mokapot.transaction():
            mokapot.execute("update guests set seen = now() where id = $1", 7)

`query`, `execute` and `transaction` use one connection to `DATABASE_URL` that is kept between
invocations and replaced when it is found dead before a statement is sent. A statement whose
outcome is unknown is never sent again: the error says so, and the decision is the caller's.

Parameters are written `$1`, `$2`, … in the SQL and travel beside it, never inside it. Python's
None, bool, int, float, Decimal, str, bytes, UUID, date and time types are understood; a list or
tuple is an array, a dict is JSON (for a JSON list pass json.dumps(...)).

Results come back as int, float, bool, str, Decimal, bytes, date, time, datetime, decoded JSON, and
lists for arrays; a uuid and every other type as str. What Python's dates cannot hold (infinity,
years before 1 or after 9999) stays a str.
"""

from __future__ import annotations

import os
from _thread import RLock

from ._connection import Connection, _Transaction
from ._errors import DatabaseError
from ._sign_in import preload
from ._target import _Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Connection", "DatabaseError", "connect", "execute", "preload", "query", "transaction"]

# Modules that only some connections or values need (ssl, hashlib, json, decimal, datetime) are
# imported where they are used: the time to import is part of every cold start.

_shared: Connection | None = None
_shared_lock = RLock()
_RETRY_SECONDS = 5.0


def connect(url: str | None = None) -> Connection:
    """Opens a connection of your own. `url` defaults to the environment's DATABASE_URL."""
    return _connect(url, None)


def _connect(url: str | None, lock: RLock | None) -> Connection:
    url = url or os.environ.get("DATABASE_URL")
    if not url:
        raise DatabaseError("DATABASE_URL is not set: the project has no database", "08001")
    return Connection(_Target(url), lock)


def _connection() -> Connection:
    """The kept connection, alive or made anew. The caller holds `_shared_lock`."""
    global _shared
    kept = _shared
    # In a transaction even a dead one is kept: the statement must fail, not start afresh.
    if kept is not None and kept._pid == os.getpid() and (kept._depth or kept._is_alive()):
        return kept
    if kept is not None:
        kept._drop()
    _shared = _connect_patiently(is_again=kept is not None)
    return _shared


def _connect_patiently(is_again: bool) -> Connection:
    """A server that is starting up, or again, is given some seconds. Nothing has been sent yet."""
    import time

    deadline = time.monotonic() + _RETRY_SECONDS
    while True:
        try:
            return _connect(None, _shared_lock)
        except DatabaseError as error:
            is_starting = error.sqlstate == "57P03" or (is_again and error.sqlstate == "08001")
            if not is_starting or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def query(sql: str, *params: Any) -> list[dict[str, Any]]:
    """Runs a statement and returns its rows, each a dict from column name to value."""
    with _shared_lock:
        return _connection().query(sql, *params)


def execute(sql: str, *params: Any) -> int:
    """Runs a statement and returns the number of rows it inserted, changed or selected."""
    with _shared_lock:
        return _connection().execute(sql, *params)


def transaction() -> _Transaction:
    """`with mokapot.transaction():` commits at the end, rolls back when an exception leaves it.

    `mokapot.query` and `mokapot.execute` inside the block belong to it. Nested, a savepoint.
    """
    return _Transaction(_shared_lock, _connection)
