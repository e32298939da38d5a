"""Before a request is read: the token, the number of requests in work, the number of bytes."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demagnify.core.printing import printable
from demagnify.serve.config import ServiceConfig
from demagnify.serve.metrics import Metrics

WORK: Final = "/v1/"
"""Paths below it are work: they are counted and limited."""
OPEN: Final = frozenset({"/", "/health", "/ready", "/openapi.json"})
"""Paths that need no token."""
_DRAIN_SECONDS: Final = 5


def error(status: int, line: str, headers: Mapping[str, str] | None = None) -> Response:
    """Returns an error as JSON: one line that says what is wrong."""
    content = json.dumps({"error": printable(line)})
    return Response(content, status, headers, media_type="application/json")


class Gate:
    """ASGI middleware that refuses requests before their bodies are read.

    Args:
        app: The service.
        config: Its limits.
        token: What a request must send; None if nothing.
        metrics: Counts requests.
    """

    def __init__(
        self, app: ASGIApp, config: ServiceConfig, token: str | None, metrics: Metrics
    ) -> None:
        self._app, self._config, self._metrics = app, config, metrics
        self._wanted = None if token is None else f"Bearer {token}".encode()
        self._in_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"authorization", b"")
        if self._wanted is not None and not hmac.compare_digest(given, self._wanted):
            how = {"WWW-Authenticate": "Bearer"}
            refusal = error(401, "the token is missing or wrong", how)
            if scope["path"].startswith(WORK):
                self._metrics.requests.labels(401).inc()
            await self._refuse(refusal, scope, receive, send, read=2**20)
        elif scope["path"].startswith(WORK):
            await self._work(headers, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _work(
        self, headers: Mapping[bytes, bytes], scope: Scope, receive: Receive, send: Send
    ) -> None:
        start, most, status = time.perf_counter(), self._config.max_bytes, 500
        too_large = f"the request has more bytes than the limit of {most}"

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        length = headers.get(b"content-length", b"0")
        try:
            if self._in_work >= self._config.max_requests:
                refusal = error(429, "too many requests in work; try again", {"Retry-After": "1"})
                await self._refuse(refusal, scope, receive, watched, read=2**20)
            elif length.isdigit() and int(length) > most:
                await self._refuse(error(413, too_large), scope, receive, watched, read=most)
            else:
                self._in_work += 1
                self._metrics.in_work.set(self._in_work)
                try:
                    await self._app(scope, _counted(receive, most, too_large), watched)
                finally:
                    self._in_work -= 1
                    self._metrics.in_work.set(self._in_work)
        finally:
            self._metrics.requests.labels(status).inc()
            self._metrics.seconds.observe(time.perf_counter() - start)

    async def _refuse(
        self, refusal: Response, scope: Scope, receive: Receive, send: Send, *, read: int
    ) -> None:
        """Refuses; reads a part of the body first, so that the client is there for the answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while read > 0:
                    message = await receive()
                    read -= len(message.get("body", b""))
                    if not message.get("more_body"):
                        break
        await refusal(scope, receive, send)


def _counted(receive: Receive, most: int, too_large: str) -> Receive:
    """Returns `receive` that refuses a body of more than `most` bytes."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise HTTPException(413, too_large)
        return message

    return counted
