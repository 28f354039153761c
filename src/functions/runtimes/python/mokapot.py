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
import select
import socket
from _thread import RLock
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator

__all__ = ["Connection", "DatabaseError", "connect", "execute", "query", "transaction"]

# Modules that only some connections or values need (ssl, hashlib, json, decimal, datetime) are
# imported where they are used: the time to import is part of every cold start.

_PROTOCOL = 0x00030000  # 3.0
_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
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


class DatabaseError(Exception):
    """An error from the server, or of the connection to it.

    `sqlstate` is the five-character code of PostgreSQL's manual ("23505": unique violation).
    Class 08 is the connection: "08001" could not connect, "08006" was lost, and whether the
    statement was carried out is unknown, "08003" was closed before, and nothing was sent.
    """

    def __init__(
        self,
        message: str,
        sqlstate: str | None = None,
        detail: str | None = None,
        hint: str | None = None,
        constraint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.detail = detail
        self.hint = hint
        self.constraint = constraint
        self._routine: str | None = None

    def __str__(self) -> str:
        lines = [super().__str__()]
        if self.detail:
            lines.append("detail: " + self.detail)
        if self.hint:
            lines.append("hint: " + self.hint)
        return "\n".join(lines)


def _server_error(payload: bytes) -> DatabaseError:
    fields = {
        field[:1]: field[1:].decode("utf-8", "replace") for field in payload.split(b"\0") if field
    }
    error = DatabaseError(
        fields.get(b"M", "unknown error"),
        fields.get(b"C"),
        fields.get(b"D"),
        fields.get(b"H"),
        fields.get(b"n"),
    )
    error._routine = fields.get(b"R")
    return error


# ---- values from the server (text format) ----


def _text(value: bytes) -> str:
    return str(value, "utf-8")


def _bool(value: bytes) -> bool:
    return value == b"t"


def _json(value: bytes) -> Any:
    from json import loads

    return loads(value)


def _numeric(value: bytes) -> Any:
    from decimal import Decimal

    return Decimal(str(value, "ascii"))


def _bytea(value: bytes) -> bytes:
    if value[:2] == b"\\x":
        return bytes.fromhex(str(value[2:], "ascii"))
    # bytea_output = escape
    out = bytearray()
    at = 0
    while at < len(value):
        if value[at] != 0x5C:
            out.append(value[at])
            at += 1
        elif value[at + 1 : at + 2] == b"\\":
            out.append(0x5C)
            at += 2
        else:
            out.append(int(value[at + 1 : at + 4], 8))
            at += 4
    return bytes(out)


def _date(value: bytes) -> Any:
    from datetime import date

    text = str(value, "ascii")
    if len(text) != 10:
        return text
    return date(int(text[:4]), int(text[5:7]), int(text[8:]))


def _microseconds(digits: str) -> int:
    return int((digits + "000000")[:6])


def _time(value: bytes) -> Any:
    from datetime import time

    text = str(value, "ascii")
    if text.startswith("24"):
        return text
    return time(int(text[:2]), int(text[3:5]), int(text[6:8]), _microseconds(text[9:]))


def _offset(text: str) -> Any:
    """`+05:30`, `-03`, `+00:19:32`."""
    from datetime import timedelta, timezone

    parts = [int(part) for part in text[1:].split(":")] + [0, 0]
    if not any(parts):
        return timezone.utc
    offset = timedelta(hours=parts[0], minutes=parts[1], seconds=parts[2])
    return timezone(-offset if text[0] == "-" else offset)


def _timestamp(value: bytes) -> Any:
    from datetime import datetime

    text = str(value, "ascii")
    # 2024-02-29 12:34:56.789+05:30
    if len(text) < 19 or text[4] != "-" or text[10] != " " or text.endswith("BC"):
        return text
    sign = max(text.find("+", 19), text.find("-", 19))
    clock, zone = (text, None) if sign < 0 else (text[:sign], _offset(text[sign:]))
    return datetime(
        int(text[:4]),
        int(text[5:7]),
        int(text[8:10]),
        int(text[11:13]),
        int(text[14:16]),
        int(text[17:19]),
        _microseconds(clock[20:]),
        zone,
    )


def _array(element: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def decode(value: bytes) -> Any:
        # A lower bound other than 1 is written in front: [0:1]={a,b}
        start = value.index(b"=") + 1 if value[:1] == b"[" else 0
        return _parse_array(value, start, element)[0]

    return decode


def _parse_array(value: bytes, at: int, element: Callable[[bytes], Any]) -> Any:
    """The list whose brace opens at `at`, and the position behind its closing brace."""
    items: list[Any] = []
    at += 1
    while value[at] != 0x7D:  # }
        if value[at] == 0x2C:  # ,
            at += 1
        elif value[at] == 0x7B:  # {
            nested, at = _parse_array(value, at, element)
            items.append(nested)
        elif value[at] == 0x22:  # "
            item = bytearray()
            at += 1
            while value[at] != 0x22:
                if value[at] == 0x5C:  # backslash
                    at += 1
                item.append(value[at])
                at += 1
            at += 1
            items.append(element(bytes(item)))
        else:
            end = at
            while value[end] not in b",}":
                end += 1
            raw = value[at:end]
            items.append(None if raw == b"NULL" else element(raw))
            at = end
    return items, at + 1


# OIDs of pg_type. An array type's OID is given beside its element's.
_DECODERS: dict[int, Callable[[bytes], Any]] = {}
for _decoder, _oids in (
    (_bool, ((16, 1000),)),
    (_bytea, ((17, 1001),)),
    (int, ((20, 1016), (21, 1005), (23, 1007), (26, 1028))),
    (float, ((700, 1021), (701, 1022))),
    (_json, ((114, 199), (3802, 3807))),
    (_numeric, ((1700, 1231),)),
    (_date, ((1082, 1182),)),
    (_time, ((1083, 1183),)),
    (_timestamp, ((1114, 1115), (1184, 1185))),
    # char, name, text, bpchar, varchar, uuid
    (_text, ((18, 1002), (19, 1003), (25, 1009), (1042, 1014), (1043, 1015), (2950, 2951))),
):
    for _oid, _array_oid in _oids:
        _DECODERS[_oid] = _decoder
        _DECODERS[_array_oid] = _array(_decoder)


# ---- values to the server (text format) ----


def _encode(value: Any) -> bytes:
    kind = type(value)
    if kind is str:
        return value.encode()
    if kind is int or kind is float:
        return repr(value).encode()
    if kind is bool:
        return b"true" if value else b"false"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return b"\\x" + bytes(value).hex().encode()
    if isinstance(value, (list, tuple)):
        return _encode_array(value)
    if isinstance(value, dict):
        from json import dumps

        return dumps(value).encode()
    if isinstance(value, str):
        return str.__str__(value).encode()
    if isinstance(value, int):
        return int.__repr__(value).encode()
    if isinstance(value, float):
        return float.__repr__(value).encode()
    # Decimal, UUID, date, time, datetime and their like are written as PostgreSQL reads them.
    for ancestor in kind.__mro__:
        if ancestor.__module__ in ("decimal", "uuid", "datetime"):
            if ancestor.__name__ == "timedelta":
                return b"%d days %d.%06d seconds" % (value.days, value.seconds, value.microseconds)
            return str(value).encode()
    raise TypeError(f"a parameter of type {kind.__name__} cannot be sent to PostgreSQL")


def _encode_array(values: Any) -> bytes:
    items = []
    for value in values:
        if value is None:
            items.append(b"NULL")
        elif isinstance(value, (list, tuple)):
            items.append(_encode_array(value))
        else:
            raw = _encode(value).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            items.append(b'"' + raw + b'"')
    return b"{" + b",".join(items) + b"}"


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + _int32.pack(len(body) + 4) + body


# ---- the url ----


def _unquote(text: str) -> str:
    if "%" not in text:
        return text
    head, *rest = text.split("%")
    out = bytearray(head.encode())
    for part in rest:
        try:
            out.append(int(part[:2], 16))
        except ValueError:
            raise ValueError("the database url has a % without two hexadecimal digits") from None
        out += part[2:].encode()
    return out.decode()


class _Target:
    """A database url taken apart, as libpq reads it."""

    def __init__(self, url: str) -> None:
        scheme, found, rest = url.partition("://")
        if not found or scheme not in ("postgres", "postgresql"):
            raise ValueError("the database url does not begin with postgres://")
        rest, _, search = rest.partition("?")
        self.options = {}
        for pair in search.split("&"):
            if pair:
                name, _, value = pair.partition("=")
                self.options[_unquote(name)] = _unquote(value)
        authority, _, path = rest.partition("/")
        credentials, _, hosts = authority.rpartition("@")
        user, _, password = credentials.partition(":")
        self.user = self.options.get("user") or _unquote(user)
        if not self.user:
            raise ValueError("the database url names no user")
        self.password = self.options.get("password") or _unquote(password)
        self.database = self.options.get("dbname") or _unquote(path) or self.user
        self.addresses = list(self._addresses(self.options.get("host") or hosts))
        self.timeout = float(self.options.get("connect_timeout") or 10) or 10.0
        root = self.options.get("sslrootcert")
        mode = self.options.get("sslmode", "verify-full" if root == "system" else "prefer")
        if mode not in ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"):
            raise ValueError(f"the database url has an unknown sslmode {mode!r}")
        # With a root certificate at hand libpq verifies the chain under `require`, too.
        self.sslmode = "verify-ca" if mode == "require" and root else mode

    def _addresses(self, hosts: str) -> Iterator[tuple[str, int]]:
        default = self.options.get("port") or "5432"
        for item in hosts.split(","):
            host, port = item, default
            if item.startswith("["):  # [::1]:5432
                host, _, tail = item[1:].partition("]")
                port = tail[1:] or default
            elif item.count(":") == 1:
                host, _, port = item.partition(":")
            port = port or default
            if not port.isdigit():
                # Not shown: behind an unencoded slash it may be a piece of the password.
                raise ValueError("the database url has no port number where one should be")
            yield _unquote(host) or "localhost", int(port)


# ---- connecting ----


def _open_socket(host: str, port: int, timeout: float) -> socket.socket:
    if host.startswith("/"):
        transport = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            transport.settimeout(timeout)
            transport.connect(f"{host}/.s.PGSQL.{port}")
        except BaseException:
            transport.close()
            raise
        return transport
    # As bytes an ASCII name needs no IDNA codec, whose import takes longer than to connect.
    name: Any = host.encode() if host.isascii() else host
    transport = socket.create_connection((name, port), timeout)
    transport.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return transport


def _start_tls(transport: socket.socket, host: str, target: _Target) -> socket.socket:
    transport.sendall(_SSL_REQUEST)
    answer = transport.recv(1)
    if answer != b"S":
        if answer == b"N" and target.sslmode in ("prefer", "allow"):
            return transport
        raise DatabaseError(
            f"the server does not offer TLS, which sslmode={target.sslmode} demands"
            if answer == b"N"
            else "the server closed the connection",
            "08001",
        )
    import ssl

    root = target.options.get("sslrootcert")
    context = ssl.create_default_context(cafile=root if root and root != "system" else None)
    context.check_hostname = target.sslmode == "verify-full"
    if not target.sslmode.startswith("verify"):
        context.verify_mode = ssl.CERT_NONE
    if target.options.get("sslcert"):
        context.load_cert_chain(target.options["sslcert"], target.options.get("sslkey"))
    return context.wrap_socket(transport, server_hostname=host)


def _digests() -> tuple[Callable[..., bytes], Callable[..., bytes], Callable[[bytes], Any]]:
    """pbkdf2_hmac, an HMAC and SHA-256: straight from OpenSSL, which imports in half the time."""
    try:
        from _hashlib import hmac_digest, openssl_sha256, pbkdf2_hmac

        return pbkdf2_hmac, hmac_digest, openssl_sha256
    except ImportError:
        from hashlib import pbkdf2_hmac, sha256
        from hmac import digest

        return pbkdf2_hmac, digest, sha256


def preload() -> None:
    """Imports what nearly every connection needs. For a process that others are forked from."""
    import binascii  # noqa: F401
    import json  # noqa: F401

    _digests()


def _saslprep(password: str) -> bytes:
    """RFC 4013. PostgreSQL takes a password that it forbids as it is."""
    if password.isascii():
        return password.encode()
    import stringprep
    import unicodedata

    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char
        for char in password
        if not stringprep.in_table_b1(char)
    )
    normal = unicodedata.normalize("NFKC", mapped)
    is_forbidden = any(
        stringprep.in_table_a1(char)
        or stringprep.in_table_c12(char)
        or stringprep.in_table_c21_c22(char)
        or stringprep.in_table_c3(char)
        or stringprep.in_table_c4(char)
        or stringprep.in_table_c5(char)
        or stringprep.in_table_c6(char)
        or stringprep.in_table_c7(char)
        or stringprep.in_table_c8(char)
        or stringprep.in_table_c9(char)
        for char in normal
    )
    return (password if is_forbidden or not normal else normal).encode()


class _Scram:
    """The client's half of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding."""

    def __init__(self, password: str) -> None:
        from binascii import b2a_base64

        self._password = _saslprep(password)
        self._nonce = b2a_base64(os.urandom(18), newline=False)
        self._bare = b"n=,r=" + self._nonce  # the user name is the startup packet's
        self._server_signature = b""
        self.is_verified = False

    def first(self) -> bytes:
        return b"n,," + self._bare

    def final(self, server_first: bytes) -> bytes:
        from binascii import a2b_base64, b2a_base64
        pbkdf2_hmac, digest, sha256 = _digests()
        fields = dict(field.split(b"=", 1) for field in server_first.split(b","))
        nonce = fields[b"r"]
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise DatabaseError("the server's SCRAM nonce is not based on ours", "08P01")
        salted = pbkdf2_hmac("sha256", self._password, a2b_base64(fields[b"s"]), int(fields[b"i"]))
        without_proof = b"c=biws,r=" + nonce
        message = b",".join((self._bare, server_first, without_proof))
        client_key = digest(salted, b"Client Key", "sha256")
        signature = digest(sha256(client_key).digest(), message, "sha256")
        proof = bytes(left ^ right for left, right in zip(client_key, signature))
        server_key = digest(salted, b"Server Key", "sha256")
        self._server_signature = digest(server_key, message, "sha256")
        return without_proof + b",p=" + b2a_base64(proof, newline=False)

    def verify(self, server_final: bytes) -> None:
        from binascii import a2b_base64
        kind, _, signature = server_final.split(b",")[0].partition(b"=")
        if kind != b"v" or a2b_base64(signature) != self._server_signature:
            raise DatabaseError("the server does not know the password it asked for", "08P01")
        self.is_verified = True


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


# ---- the module's own connection ----

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
