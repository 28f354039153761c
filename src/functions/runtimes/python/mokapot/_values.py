"""Values from and to the server, in PostgreSQL's text format."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


# ---- from the server ----


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


# ---- to the server ----


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
