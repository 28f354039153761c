"""SCRAM-SHA-256 and the passwords it takes."""

from __future__ import annotations

import os

from ._errors import DatabaseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


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
