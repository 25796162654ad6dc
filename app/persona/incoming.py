"""One answer over HTTP/1.1 as it comes in, byte by byte. Pure."""

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from app.persona.errors import PersonaProtocol
from app.persona.words import one_line

MOST_BESIDE = 64 * 1024
"""How many bytes may come in a row that belong to no body: a head, trailers, marks of chunks."""

_LENIENCIES = {
    "lenient_headers": True,
    "lenient_chunked_length": True,
    "lenient_version": True,
    "lenient_optional_cr_before_lf": True,
    "lenient_spaces_after_chunk_size": True,
}
"""What others take too. Nobody else's answers come over the same connection, so nobody can be made
to take one for another."""


class Incoming:
    """Takes in what a connection brings until the answer is whole.

    `status` and `headers`, whose names are in small letters, are known once `has_head`; what has
    come of the body since it was last taken is in `body`. Where `is_last`, or it is found to be,
    no other answer can come over the same connection.
    """

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(**_LENIENCIES)
        self._beside = 0
        self._fault: PersonaProtocol | None = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.has_head = self.is_whole = self.is_last = False

    def check(self) -> None:
        """Raise PersonaProtocol where what came can be no answer."""
        if self._fault is not None:
            raise self._fault

    def take(self, data: bytes) -> None:
        """Take in what came, `b""` for the end of the connection; raise PersonaProtocol.

        What is wrong behind a head is kept until more is asked for: the status may be enough.
        """
        if not data:
            self._end()
            return
        pieces = len(self.body)
        self._beside += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._note(f"it is no answer: {one_line(str(error), 200)}")
        except HttpParserUpgrade:
            self._note("it changes the protocol, unasked")
        if self.is_whole or len(self.body) > pieces:
            self._beside = 0
        elif self._beside > MOST_BESIDE:
            self._note(f"it says more than {MOST_BESIDE} bytes beside its body")
        if not self.has_head:
            self.check()

    def let_go(self) -> None:
        """Keep nothing, and take in nothing any more; else it would wait for a search for rubbish,
        for the parser holds what holds the parser."""
        self.body.clear()
        del self._parser

    def _note(self, fault: str) -> None:
        self.is_last = True
        if not self.is_whole:
            self._fault = PersonaProtocol(fault)

    def _end(self) -> None:
        self.is_last = True
        is_chunked = "chunked" in self.headers.get("transfer-encoding", "").lower()
        if not self.has_head or is_chunked or "content-length" in self.headers:
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
        self.has_head = not 100 <= self.status < 200

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        if self.has_head:
            self.is_whole = True
            self.is_last = self.is_last or not self._parser.should_keep_alive()
        else:
            # it only says that the answer will come
            self.headers.clear()
            self._beside = 0
