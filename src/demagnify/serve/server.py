"""Runs an ASGI application until it is told to stop."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from demagnify.core.errors import BadConfigError
from demagnify.serve.config import TOKEN_VARIABLE, ServiceConfig

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class _Server(uvicorn.Server):
    """Ends without an error when a signal stops it: that is how a service ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {one: signal.signal(one, self.handle_exit) for one in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def serve(config: ServiceConfig, *, say: Callable[[str], None] = print) -> None:
    """Answers requests until SIGTERM or Ctrl-C; requests in work are answered before it ends.

    Args:
        config: The settings.
        say: Gets a line when it listens, and what the operator should know.

    Raises:
        BadArtifactError: If the defence cannot be loaded.
        BadConfigError: If it cannot listen there, or a setting is at fault.
    """
    from demagnify.inference import Pipeline
    from demagnify.inference.runtime import in_words
    from demagnify.serve.app import create_app

    pipeline = Pipeline.load(config.detection)
    app = create_app(config, pipeline=pipeline)
    with listen(config.host, config.port) as listener:
        if config.token() is None and not is_loopback(config.host):
            say(f"no token: whoever reaches {config.host} may use it (set {TOKEN_VARIABLE})")
        name = f"{config.detection.defense} ({in_words(pipeline.runtime)})"
        say(f"{name} answers at {address(listener)}/v1/detect; Ctrl-C stops it")
        run(app, listener, grace=config.grace, access_log=config.access_log)


def run(app: ASGIApp, listener: socket.socket, *, grace: int, access_log: bool) -> None:
    """Runs an application on a socket until a signal stops it."""
    settings = uvicorn.Config(
        app,
        loop="asyncio",
        ws="none",
        log_level="info" if access_log else "warning",
        access_log=access_log,
        server_header=False,
        timeout_graceful_shutdown=grace,
    )
    _Server(settings).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens.

    Raises:
        BadConfigError: If the address is taken or not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise BadConfigError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="choose another --host or --port",
        ) from error


def address(listener: socket.socket) -> str:
    """Returns the address of a socket as a browser takes it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return host in ("localhost", "::1") or host.startswith("127.")
