"""A client of redis that speaks RESP over one connection a command: small, and nothing to repair after a fault."""

import socket

TIMEOUT_SECONDS = 1.5
MAX_LINE_BYTES = 64 * 1024
MAX_VALUE_BYTES = 1024 * 1024


class StoreError(Exception):
    """Redis can't be reached or refuses; the text says why."""


class Store:
    def __init__(self, host, port):
        self.host = host
        self.port = port

    def ask(self, *words):
        """Sends one command; returns its answer: a text, a number, a list or None."""
        try:
            with socket.create_connection((self.host, self.port), TIMEOUT_SECONDS) as connection:
                connection.sendall(encode(words))
                with connection.makefile("rb") as answer:
                    return decode(answer)
        except OSError as error:
            raise StoreError(f"{self.host}:{self.port}: {error}") from error


def encode(words):
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def decode(answer):
    line = answer.readline(MAX_LINE_BYTES)
    if not line.endswith(b"\r\n"):
        raise StoreError("the connection ended in the middle of an answer")
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b"+":
        return rest
    if kind == b"-":
        raise StoreError(rest)
    if kind == b":":
        return int(rest)
    if kind == b"*":
        return [decode(answer) for _ in range(int(rest))]
    if kind == b"$":
        length = int(rest)
        if length < 0:
            return None
        if length > MAX_VALUE_BYTES:
            raise StoreError(f"a value of {length} bytes")
        return answer.read(length + 2)[:-2].decode()
    raise StoreError(f"an answer that is no RESP: {line[:40]!r}")
