"""`demagnify serve` and `demagnify ui`: the HTTP service and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from demagnify.cli.console import say
from demagnify.cli.generate import Config, verb
from demagnify.core.extras import need

if TYPE_CHECKING:
    from demagnify.serve.config import PageConfig, ServiceConfig

_DETECTION: Final = (
    *("defense", "device", "precision", "runtime", "calibration", "enhancement", "explain"),
    *("delivery_check", "frames_per_second", "frames_per_face", "agreement"),
)
_FLAGS: Final = {f"detection.{name}": f"--{name.replace('_', '-')}" for name in _DETECTION}


@verb("serve", Config("demagnify.serve.config:ServiceConfig", flags=_FLAGS))
def serve(config: ServiceConfig) -> None:
    """Answer over HTTP: POST photographs and clips, get the case as JSON, as of detect --report.

    Needs the extra "serve", and "video" for clips. /health, /ready and /metrics are for those who
    run it, /openapi.json describes it. Requests that come at the same time are classified
    together. SIGTERM and Ctrl-C stop it when the requests in work are answered.
    """
    need("serve", "fastapi", "uvicorn", "multipart", "prometheus_client")
    from demagnify.serve.server import serve as answer

    answer(config, say=lambda line: say(f"demagnify: {line}", err=True))


@verb("ui", Config("demagnify.serve.config:PageConfig", flags=_FLAGS))
def ui(config: PageConfig) -> None:
    """Show a page in the browser: drop a photograph or clip, launder it, open a run's report.

    Needs the extra "ui", "video" for clips, and "research" for laundering. Nothing leaves this
    machine, and nothing comes from elsewhere; what is dropped is deleted when the page ends.
    """
    need("ui", "gradio")
    from demagnify.serve.page import run_page

    run_page(config, say=lambda line: say(f"demagnify: {line}", err=True))
