"""The page: drop a photograph or clip, launder it, open a report. Nothing comes from elsewhere."""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before it is imported

import gradio as gr
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demagnify.core import images
from demagnify.core.printing import printable
from demagnify.data.records import VIDEO_SUFFIXES
from demagnify.inference import Pipeline
from demagnify.inference.answers import SCOPE
from demagnify.serve import reports
from demagnify.serve.answers import Answers
from demagnify.serve.config import PageConfig
from demagnify.serve.server import address, is_loopback, listen, run
from demagnify.serve.work import Limits
from demagnify.transforms.catalogue import ATTACKS

_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "media-src 'self' data: blob:; worker-src 'self' blob:; frame-ancestors 'self'"
)
"""The browser asks no other server for anything."""
_ABOUT: Final = f"Was a face swapped or manipulated? Scope: {SCOPE}."
_LAUNDER: Final = (
    "An attacker shrinks each face and rebuilds it with a super-resolution network. See the "
    "verdict before and after, by the detector alone (undefended) and with the defence (defended)."
)
_STYLE: Final = """
.dm { color: var(--body-text-color); line-height: 1.5; }
.dm h2 { margin: 0 0 .5rem; font-size: 1.2rem; }
.dm-summary { font-size: 1.2rem; font-weight: 600; margin: .5rem 0; }
button.selected[role=tab] { color: var(--body-text-color) !important; font-weight: 600; }
.html-container { padding: 0 !important; } .dm code { white-space: nowrap; }
button .or, input.subdued { color: var(--body-text-color) !important; }
.dm-problem { border: 2px solid #d55e00; border-radius: 6px; padding: .7rem 1rem; }
.dm-scope, .dm figcaption { opacity: .8; font-size: .9rem; }
.dm-card { border: 1px solid var(--border-color-primary); border-left: 8px solid #8a8a8a;
  border-radius: 6px; padding: 1rem; margin: 1rem 0; background: var(--block-background-fill); }
.dm-card.dm-fake { border-left-color: #d55e00; } .dm-card.dm-real { border-left-color: #3a93cf; }
.dm dl { margin: 0; } .dm dl div { display: flex; gap: .75rem; padding: .2rem 0; }
.dm dt { flex: none; width: 9rem; font-weight: 600; } .dm dd { margin: 0; overflow-wrap: anywhere; }
.dm-pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(130px, 1fr));
  gap: .75rem; margin-top: .75rem; max-width: 940px; }
.dm > .dm-pictures { grid-template-columns: minmax(0, 520px); }
.dm > .dm-pictures img { width: auto; max-width: 100%; min-width: min(100%, 320px); }
.dm .dm-wide { overflow-x: auto; }
.dm figure { margin: 0; } .dm img { width: 100%; height: auto; border-radius: 4px; margin: 0; }
.dm table { border-collapse: collapse; } .dm caption { text-align: left; padding: .2rem 0; }
.dm th, .dm td { text-align: left; padding: .35rem .8rem;
  border: 1px solid var(--border-color-primary) !important; }
.dm-verdict { font-weight: 600; } .dm iframe { width: 100%; height: 80vh; background: #fff;
  border: 1px solid var(--border-color-primary); border-radius: 6px; }
@media (max-width: 480px) { .dm dl div { flex-direction: column; gap: 0; padding: .3rem 0; }
  .dm-pictures { grid-template-columns: 1fr 1fr; } .dm-card { padding: .75rem; }
  .dm th, .dm td { padding: .35rem .5rem; } }
"""


def run_page(config: PageConfig, *, say: Callable[[str], None] = print) -> None:
    """Shows the page until SIGTERM or Ctrl-C.

    Args:
        config: The settings.
        say: Gets a line with the address.

    Raises:
        BadArtifactError: If the defence cannot be loaded.
        BadConfigError: If it cannot listen there, or a setting is at fault.
    """
    with TemporaryDirectory(prefix="demagnify-page-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # what is dropped is gone when the page ends
        app = create_page(config, Pipeline.load(config.detection))
        with listen(config.host, config.port) as listener:
            if not is_loopback(config.host):
                say(f"whoever reaches {config.host} may use the page and read reports")
            say(f"open {address(listener)} in a browser; Ctrl-C stops it")
            run(app, listener, grace=5, access_log=False)


def create_page(config: PageConfig, pipeline: Pipeline) -> FastAPI:
    """Returns the page as an ASGI application.

    Args:
        config: The settings.
        pipeline: What classifies.
    """
    answers = Answers(pipeline, Limits(config.max_pixels, config.max_faces, config.max_seconds))
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(_OnlyFromHere)
    app.include_router(reports.router(config.runs))
    plain = gr.themes.Default(
        primary_hue="blue",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
    )
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        _blocks(config, answers),
        "/",
        theme=plain,
        css=_STYLE,
        footer_links=[],
        ssr_mode=False,
        enable_monitoring=False,
        max_file_size=config.max_bytes,
    )
    return mounted


class _OnlyFromHere:
    """ASGI middleware that tells the browser to ask no other server."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Content-Security-Policy", _POLICY)
            await send(message)

        await self._app(scope, receive, with_policy)


def _blocks(config: PageConfig, answers: Answers) -> gr.Blocks:
    photographs = [*sorted(images.SUFFIXES)]
    with gr.Blocks(title="demagnify", analytics_enabled=False, delete_cache=(600, 600)) as blocks:
        gr.HTML(f'<div class="dm"><h1>demagnify</h1><p class="dm-scope">{_ABOUT}</p></div>')
        with gr.Tab("Detect"):
            dropped = gr.File(
                label="Photograph or clip", file_types=[*photographs, *sorted(VIDEO_SUFFIXES)]
            )
            answer = gr.HTML(label="Answer")
            dropped.change(
                lambda path: answers.classify(_path(path)),
                dropped,
                answer,
                concurrency_id="model",
                api_visibility="private",
            )
        with gr.Tab("Launder"):
            gr.HTML(f'<div class="dm"><p>{_LAUNDER}</p></div>')
            victim = gr.File(label="Photograph to launder", file_types=photographs)
            attack = gr.Dropdown(
                [one for one in ATTACKS if one != "identity"],
                value="realesr-compact-x4",
                label="Network or filter",
            )
            start = gr.Button("Launder", variant="primary")
            verdicts = gr.HTML(label="Verdicts before and after")
            start.click(
                lambda path, name: answers.launder(_path(path), name),
                [victim, attack],
                verdicts,
                concurrency_id="model",
                api_visibility="private",
            )
        with gr.Tab("Report"):
            names = list(reports.found(config.runs))
            place = html.escape(printable(config.runs))
            gr.HTML(
                f'<div class="dm"><p>Reports under <code>{place}</code>: '
                "<code>report.html</code> of demo and evaluate, <code>index.html</code> of "
                "<code>detect --report</code>.</p></div>"
            )
            chosen = gr.Dropdown(names, value=None, label="Report")
            again = gr.Button("Look again for reports")
            shown = gr.HTML(_frame(None, names), label="The report")

            def look() -> tuple[gr.Dropdown, str]:
                there = list(reports.found(config.runs))
                return gr.Dropdown(there, value=None), _frame(None, there)

            again.click(look, None, [chosen, shown], api_visibility="private")
            chosen.change(
                lambda name: _frame(name, reports.found(config.runs)),
                chosen,
                shown,
                api_visibility="private",
            )
    made: gr.Blocks = blocks
    return made


def _path(dropped: str | None) -> Path | None:
    return None if dropped is None else Path(dropped)


def _frame(name: str | None, names: Collection[str]) -> str:
    """Returns a frame that shows a report, or says how many there are to choose from."""
    if not name:
        return f'<div class="dm"><p role="status">{reports.how_many(names)}</p></div>'
    title = html.escape(printable(name))
    place = html.escape(reports.address(name))
    return (
        f'<div class="dm"><p role="status"><a href="{place}" target="_blank">{title}</a></p>'
        f'<iframe src="{place}" title="Report {title}" sandbox></iframe></div>'
    )
