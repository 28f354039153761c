"""A session with a server: the wire protocol, version 3.0, extended query."""

from __future__ import annotations

import os
import select
import socket
from _thread import RLock
from struct import Struct

from ._errors import DatabaseError, _server_error
from ._sign_in import _Scram
from ._target import _open_socket, _start_tls, _Target
from ._values import _DECODERS, _encode, _text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_PROTOCOL = 0x00030000  # 3.0
_SYNC = b"S\x00\x00\x00\x04"
_TERMINATE = b"X\x00\x00\x00\x04"
_DESCRIBE_PORTAL = b"D\x00\x00\x00\x06P\x00"
_EXECUTE = b"E\x00\x00\x00\x09\x00\x00\x00\x00\x00"
_NULL = b"\xff\xff\xff\xff"

_MAX_STATEMENTS = 200  # each costs the server some tens of kilobytes
_MAX_PARAMETERS = 65535  # the count is an unsigned int16
_RECEIVE_BYTES = 65536

_int16 = Struct("!H")
_int32 = Struct("!i")
_column = Struct("!IhIhih")  # table, column, type, type size, type modifier, format


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + _int32.pack(len(body) + 4) + body


class _Statement:
    """A prepared statement of one connection."""

    __slots__ = ("decoders", "is_described", "name", "names")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.is_described = False
        self.names: list[str] = []
        self.decoders: list[Callable[[bytes], Any]] = []

    def describe(self, payload: bytes) -> None:
        self.is_described = True
        at = 2
        for _ in range(_int16.unpack_from(payload)[0]):
            end = payload.index(b"\0", at)
            self.names.append(str(payload[at:end], "utf-8"))
            oid = _column.unpack_from(payload, end + 1)[2]
            self.decoders.append(_DECODERS.get(oid, _text))
            at = end + 1 + _column.size

    def row(self, payload: bytes) -> dict[str, Any]:
        values: list[Any] = []
        at = 2
        for decode in self.decoders:
            (length,) = _int32.unpack_from(payload, at)
            at += 4
            if length < 0:
                values.append(None)
            else:
                values.append(decode(payload[at : at + length]))
                at += length
        return dict(zip(self.names, values))


class Connection:
    """One session with a server. Threads may share it; statements then take turns."""

    def __init__(self, target: _Target, lock: RLock | None = None) -> None:
        self._target = target
        self._lock = lock or RLock()
        self._pid = os.getpid()
        self._buffer = b""
        self._at = 0
        self._status = b"I"
        self._depth = 0
        self._counter = 0
        self._statements: dict[str, _Statement] = {}
        self._socket: socket.socket | None = None
        errors = []
        for host, port in target.addresses:
            where = f'{host}/.s.PGSQL.{port}' if host.startswith("/") else f"{host}:{port}"
            try:
                self._connect(host, port)
                return
            except DatabaseError as error:
                self._drop()
                if error.sqlstate != "08001":
                    raise
                errors.append(f"{where}: {error}")
            except (OSError, EOFError) as error:
                self._drop()
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                errors.append(f"{where}: {reason}")
            except BaseException:
                self._drop()
                raise
        raise DatabaseError(
            f'cannot connect to database "{target.database}" at {", ".join(errors)}', "08001"
        )

    # -- for callers --

    def query(self, sql: str, *params: Any) -> list[dict[str, Any]]:
        """Runs a statement and returns its rows, each a dict from column name to value.

        Of two columns with one name the last is kept: give them names with `as`.
        """
        return self._run(sql, params)[0]

    def execute(self, sql: str, *params: Any) -> int:
        """Runs a statement and returns the number of rows it inserted, changed or selected."""
        count = self._run(sql, params)[1].rpartition(b" ")[2]
        return int(count) if count.isdigit() else 0

    def transaction(self) -> _Transaction:
        """`with connection.transaction():` commits at the end, rolls back when an exception leaves it.

        Inside another one it is a savepoint. Other threads wait until the outermost has ended.
        """
        return _Transaction(self._lock, lambda: self)

    def close(self) -> None:
        """Ends the session. Harmless when it has ended already."""
        with self._lock:
            if self._socket is not None and self._pid == os.getpid():
                try:
                    self._socket.sendall(_TERMINATE)
                except OSError:
                    pass
            self._drop()

    @property
    def closed(self) -> bool:
        """True after close(), and once the connection was found broken."""
        return self._socket is None

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the session --

    def _drop(self) -> None:
        transport, self._socket = self._socket, None
        self._statements.clear()
        if transport is not None:
            transport.close()

    def _connect(self, host: str, port: int) -> None:
        target = self._target
        transport = _open_socket(host, port, target.timeout)
        self._socket = transport
        if target.sslmode != "disable" and not host.startswith("/"):
            transport = self._socket = _start_tls(transport, host, target)
        parameters = {
            "user": target.user,
            "database": target.database,
            "client_encoding": "UTF8",
            "DateStyle": "ISO",
            "application_name": target.options.get("application_name", "mokapot"),
        }
        if target.options.get("options"):
            parameters["options"] = target.options["options"]
        body = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items())
        transport.sendall(_int32.pack(len(body) + 9) + _int32.pack(_PROTOCOL) + body + b"\0")
        self._sign_in(transport)
        transport.settimeout(None)
        self._poll = select.poll()
        self._poll.register(transport, select.POLLIN)

    def _sign_in(self, transport: socket.socket) -> None:
        scram: _Scram | None = None
        while True:
            kind, payload = self._receive()
            if kind == 0x5A:  # ReadyForQuery
                self._status = payload[:1]
                return
            if kind == 0x45:  # ErrorResponse
                raise _server_error(payload)
            if kind != 0x52:  # ParameterStatus, BackendKeyData, NoticeResponse
                continue
            (method,) = _int32.unpack_from(payload)
            if method == 0:
                # A server that asks for SCRAM and then does not prove itself is not the one.
                if scram is not None and not scram.is_verified:
                    raise DatabaseError("the server broke off SCRAM", "08P01")
            elif method == 3:
                transport.sendall(_message(b"p", self._target.password.encode() + b"\0"))
            elif method == 5:
                transport.sendall(_message(b"p", self._md5(payload[4:8]) + b"\0"))
            elif method == 10:
                if b"SCRAM-SHA-256" not in payload[4:].split(b"\0"):
                    raise DatabaseError("the server offers no SCRAM-SHA-256", "08001")
                scram = _Scram(self._target.password)
                first = scram.first()
                body = b"SCRAM-SHA-256\0" + _int32.pack(len(first)) + first
                transport.sendall(_message(b"p", body))
            elif method == 11 and scram is not None:
                transport.sendall(_message(b"p", scram.final(payload[4:])))
            elif method == 12 and scram is not None:
                scram.verify(payload[4:])
            else:
                raise DatabaseError(f"the server asks for unknown authentication {method}", "08001")

    def _md5(self, salt: bytes) -> bytes:
        from hashlib import md5

        target = self._target
        inner = md5((target.password + target.user).encode()).hexdigest()
        return b"md5" + md5(inner.encode() + salt).hexdigest().encode()

    def _receive(self) -> tuple[int, bytes]:
        """The next message: its type and payload. EOFError when the server has hung up."""
        buffer, at = self._buffer, self._at
        transport = self._socket
        assert transport is not None
        while len(buffer) - at < 5:
            chunk = transport.recv(_RECEIVE_BYTES)
            if not chunk:
                raise EOFError("the server closed the connection")
            buffer = buffer[at:] + chunk
            at = 0
        kind = buffer[at]
        length = _int32.unpack_from(buffer, at + 1)[0] - 4
        at += 5
        missing = at + length - len(buffer)
        if missing > 0:
            whole = bytearray(length)
            view = memoryview(whole)
            have = len(buffer) - at
            view[:have] = buffer[at:]
            while have < length:
                count = transport.recv_into(view[have:])
                if not count:
                    raise EOFError("the server closed the connection")
                have += count
            self._buffer, self._at = b"", 0
            return kind, bytes(whole)
        self._buffer, self._at = buffer, at + length
        return kind, buffer[at : at + length]

    def _is_alive(self) -> bool:
        """Whether the session can take a statement. Reads what arrived unasked; sends nothing."""
        transport = self._socket
        if transport is None or self._pid != os.getpid():
            return False
        if self._at == len(self._buffer) and not self._poll.poll(0):
            return True
        try:
            transport.settimeout(0)
            while True:
                kind, _ = self._receive()
                if kind not in (0x4E, 0x53, 0x41):  # Notice, ParameterStatus, Notification
                    return False
        except BlockingIOError:
            return self._at == len(self._buffer)
        except OSError as error:
            # TLS may have data of its own to read and none for us.
            return type(error).__name__ == "SSLWantReadError" and self._at == len(self._buffer)
        except EOFError:
            return False
        finally:
            transport.settimeout(None)

    def _run(self, sql: str, params: tuple[Any, ...]) -> tuple[list[dict[str, Any]], bytes]:
        with self._lock:
            if not self._is_alive():
                if self._pid == os.getpid():
                    self._drop()
                raise DatabaseError("the connection is closed; nothing was sent", "08003")
            was_prepared = sql in self._statements
            try:
                return self._exchange(sql, params)
            except DatabaseError as error:
                if not was_prepared or self._status != b"I" or not _is_stale(error):
                    raise
                # The server refused to use the prepared statement, because a table has changed:
                # it was not carried out, and preparing it anew is safe.
                return self._exchange(sql, params)

    def _exchange(self, sql: str, params: tuple[Any, ...]) -> tuple[list[dict[str, Any]], bytes]:
        statement = self._statements.get(sql)
        is_new = statement is None
        request = []
        if statement is None:
            if "\0" in sql:
                raise ValueError("the statement contains a NUL character")
            self._counter += 1
            statement = _Statement(b"m%d" % self._counter)
            if len(self._statements) >= _MAX_STATEMENTS:
                oldest = self._statements.pop(next(iter(self._statements)))
                request.append(_message(b"C", b"S" + oldest.name + b"\0"))
            request.append(_message(b"P", statement.name + b"\0" + sql.encode() + b"\0\0\0"))
        request.append(_bind(statement.name, params))
        if not statement.is_described:
            request.append(_DESCRIBE_PORTAL)
        request.append(_EXECUTE)
        request.append(_SYNC)
        transport = self._socket
        assert transport is not None
        error: DatabaseError | None = None
        try:
            transport.sendall(b"".join(request))
            rows, tag, error, is_parsed = self._collect(statement)
        except (OSError, EOFError) as cause:
            self._drop()
            raise DatabaseError(
                "the connection was lost; whether the statement was carried out is unknown", "08006"
            ) from cause
        except BaseException:
            self._drop()  # in the middle of an answer: the session is of no more use
            raise
        if is_parsed:
            self._statements[sql] = statement
        elif error is not None and not is_new and _is_stale(error):
            del self._statements[sql]
        if error is not None:
            raise error
        return rows, tag

    def _collect(
        self, statement: _Statement
    ) -> tuple[list[dict[str, Any]], bytes, DatabaseError | None, bool]:
        """Reads one answer up to ReadyForQuery."""
        rows: list[dict[str, Any]] = []
        tag = b""
        error: DatabaseError | None = None
        is_parsed = False
        while True:
            try:
                kind, payload = self._receive()
            except (OSError, EOFError):
                if error is None:
                    raise
                self._drop()  # FATAL: it said why, and hung up
                return rows, tag, error, False
            if kind == 0x44:  # DataRow
                rows.append(statement.row(payload))
            elif kind == 0x5A:  # ReadyForQuery
                self._status = payload[:1]
                return rows, tag, error, is_parsed
            elif kind == 0x43:  # CommandComplete
                tag = payload[:-1]
            elif kind == 0x54:  # RowDescription
                statement.describe(payload)
            elif kind == 0x6E:  # NoData
                statement.is_described = True
            elif kind == 0x31:  # ParseComplete
                is_parsed = True
            elif kind == 0x45:  # ErrorResponse
                error = error or _server_error(payload)
            elif kind == 0x47 and self._socket is not None:  # CopyInResponse
                self._socket.sendall(_message(b"f", b"COPY is not supported here\0") + _SYNC)
                # Our first Sync was read as part of the copy; this one ends it.
            elif kind == 0x48:  # CopyOutResponse
                error = DatabaseError("COPY … TO STDOUT is not supported here", "0A000")


def _is_stale(error: DatabaseError) -> bool:
    """cached plan must not change result type; prepared statement does not exist (DISCARD)."""
    return error.sqlstate == "26000" or (
        error.sqlstate == "0A000" and error._routine == "RevalidateCachedQuery"
    )


def _bind(name: bytes, params: tuple[Any, ...]) -> bytes:
    if len(params) > _MAX_PARAMETERS:
        raise ValueError(f"a statement takes at most {_MAX_PARAMETERS} parameters")
    parts = [b"\0", name, b"\0\0\0", _int16.pack(len(params))]
    for value in params:
        if value is None:
            parts.append(_NULL)
        else:
            encoded = _encode(value)
            parts.append(_int32.pack(len(encoded)))
            parts.append(encoded)
    parts.append(b"\0\0")
    return _message(b"B", b"".join(parts))


class _Transaction:
    def __init__(self, lock: RLock, choose: Callable[[], Connection]) -> None:
        self._lock = lock
        self._choose = choose

    def __enter__(self) -> Connection:
        self._lock.acquire()
        try:
            connection = self._connection = self._choose()
            depth = connection._depth
            connection._run("BEGIN" if depth == 0 else f"SAVEPOINT mokapot_{depth}", ())
        except BaseException:
            self._lock.release()
            raise
        connection._depth += 1
        return connection

    def __exit__(self, kind: object, exception: object, trace: object) -> None:
        connection = self._connection
        connection._depth -= 1
        depth = connection._depth
        try:
            if kind is not None:
                self._roll_back(connection, depth)
            elif depth > 0:
                connection._run(f"RELEASE SAVEPOINT mokapot_{depth}", ())
            elif connection._run("COMMIT", ())[1] != b"COMMIT":
                # A statement had failed, and its exception was caught inside the block.
                raise DatabaseError("the transaction was rolled back: a statement failed", "25P02")
        finally:
            self._lock.release()

    def _roll_back(self, connection: Connection, depth: int) -> None:
        try:
            if depth == 0:
                connection._run("ROLLBACK", ())
            else:
                connection._run(f"ROLLBACK TO SAVEPOINT mokapot_{depth}", ())
                connection._run(f"RELEASE SAVEPOINT mokapot_{depth}", ())
        except DatabaseError:
            connection._drop()  # the exception on its way says more; the server rolls back
