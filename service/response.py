"""Answers in JSON, written in one piece."""

from collections.abc import Mapping

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE, HttpVersion11


class JsonResponse(web.Response):
    """A small body of JSON, of known length, as it is.

    For that, what aiohttp goes through for whatever a response may be comes down to three headers and one write: half
    the time that an answer takes.
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
        """Writes all of it. An answer to HEAD, and one to HTTP/1.0, are rare: they go the long way."""
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
        self._eof_sent = True  # there is nothing left for write_eof to do
        return writer
