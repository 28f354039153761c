"""What goes wrong, with PostgreSQL's codes."""

from __future__ import annotations


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
