"""Responses in JSON, written in one piece."""

from collections.abc import Mapping

import msgspec
from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE, HttpVersion11

_encode = msgspec.json.Encoder().encode


class JsonResponse(web.Response):
    """A small JSON body of known length.

    aiohttp's general way of sending a response, which also streams and compresses, takes twice the time of the three
    headers and one write that this one needs.
    """

    def __init__(
        self,
        body: bytes,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> None:
        super().__init__(body=body, status=status, headers=headers, content_type=content_type)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Writes the whole response. Responses to HEAD and to HTTP/1.0 are rare, and left to aiohttp."""
        if request.version != HttpVersion11 or request.method == hdrs.METH_HEAD:
            return await super().prepare(request)
        assert isinstance(self._body, bytes)
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        headers = self._headers
        headers[hdrs.CONTENT_LENGTH] = str(len(self._body))
        headers[hdrs.DATE] = rfc822_formatted_time()
        headers[hdrs.SERVER] = SERVER_SOFTWARE
        if not self._keep_alive:
            headers[hdrs.CONNECTION] = "close"
        writer = request.writer
        await writer.write_headers(f"HTTP/1.1 {self._status} {self._reason}", headers)
        await writer.write_eof(self._body)
        self._body_length = writer.output_size
        self._eof_sent = True  # so that write_eof does nothing
        return writer


def json_response(content: msgspec.Struct, status: int = 200, headers: Mapping[str, str] | None = None) -> JsonResponse:
    """A struct as JSON."""
    return JsonResponse(_encode(content), status, headers)
