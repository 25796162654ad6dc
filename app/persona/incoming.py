"""One answer over HTTP/1.1 as it comes in, byte by byte. Pure."""

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from app.persona.errors import PersonaProtocol
from app.persona.words import one_line

MOST_HEAD_BYTES = 64 * 1024
_FIRST_FINAL_STATUS = 200
_TELL_THE_END = ("content-length", "transfer-encoding")


class Incoming:
    """Takes in what a connection brings until the answer is whole.

    `status` and `headers`, whose names are in small letters, are known once `has_head`; what has
    come of the body since it was last taken is in `body`. Where `is_spoilt`, no other answer can
    come over the same connection.
    """

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._head_bytes = 0
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.has_head = self.is_whole = self.is_spoilt = False

    def take(self, data: bytes) -> None:
        """Take in what came, `b""` for the end of the connection; raise PersonaProtocol."""
        if not data:
            self._end()
            return
        if not self.has_head:
            if self._head_bytes > MOST_HEAD_BYTES:
                raise PersonaProtocol(f"the head of the answer is over {MOST_HEAD_BYTES} bytes")
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.is_whole:
                raise PersonaProtocol(f"it is no answer: {one_line(str(error), 200)}") from error
            self.is_spoilt = True

    def _end(self) -> None:
        self.is_spoilt = True
        if not self.has_head or any(name in self.headers for name in _TELL_THE_END):
            raise PersonaProtocol("the connection ended before the answer was complete")
        self.is_whole = True

    # ---- what the parser calls

    def on_message_begin(self) -> None:
        if self.is_whole:
            raise ValueError("another answer, which nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.has_head:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.has_head = self.status >= _FIRST_FINAL_STATUS

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        if self.has_head:
            self.is_whole = True
            self.is_spoilt = not self._parser.should_keep_alive()
        else:
            # it only says that the answer will come
            self.headers.clear()
            self._head_bytes = 0
