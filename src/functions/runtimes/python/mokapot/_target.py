"""Database urls, and sockets to what they name."""

from __future__ import annotations

import os
import socket

from ._errors import DatabaseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


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
