"""A persona service that answers every prompt alike, quick enough never to be what is measured."""

import asyncio
import json
import sys

_ANSWER = json.dumps(
    {
        "response": "I looked back on the day and wrote down what mattered. " * 6,
        "reconciliation": None,
        "experience_id": "exp_2026-11-24T00:00:00Z_0001",
    }
).encode()
_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(_ANSWER),
    _ANSWER,
)


class _Connection(asyncio.Protocol):
    """Knows just enough of HTTP/1.1: a head with a Content-Length, then a body."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, separator, body = self._read.partition(b"\r\n\r\n")
        if not separator:
            return
        size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) < size:
            return
        self._read = body[size:]
        if self._patience:
            asyncio.get_running_loop().call_later(self._patience, self._transport.write, _RESPONSE)
        else:
            self._transport.write(_RESPONSE)


async def _serve(patience: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(patience), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
