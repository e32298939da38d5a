"""The HTTP service: photographs and clips in, the document of a case out."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, File, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

import demagnify
from demagnify.core.errors import DemagnifyError
from demagnify.core.printing import printable
from demagnify.inference import Pipeline
from demagnify.inference.answers import SCOPE
from demagnify.inference.case import CaseDocument
from demagnify.serve.config import ServiceConfig
from demagnify.serve.gate import Gate, error
from demagnify.serve.metrics import CONTENT_TYPE, Metrics
from demagnify.serve.work import StoppingError, Upload, Work

_TITLE: Final = "demagnify"
_ABOUT: Final = f"""Finds every face in photographs and clips, corrects it, and says real, fake or
unsure; the same answers as `demagnify detect --report`.

    curl -F files=@photo.jpg http://127.0.0.1:8000/v1/detect

Scope: {SCOPE}. An answer is no proof."""

_NO_FORM: Final = (
    "the request is no multipart form with a file in the field files: curl -F files=@photo.jpg"
)


class ErrorLine(BaseModel):
    """Why a request was refused."""

    error: str = Field(description="What is wrong and what to do, one line")


class Status(BaseModel):
    """Whether the service is alive or ready."""

    status: str = Field(description="ok, ready or stopping")


_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorLine, "description": about}
    for status, about in {
        400: "The request is no multipart form",
        401: "The token is missing or wrong",
        413: "The request has too many bytes or files",
        422: "No file could be read, or there is none",
        429: "Too many requests are in work",
        503: "The service is stopping",
    }.items()
}


def create_app(config: ServiceConfig, *, pipeline: Pipeline | None = None) -> FastAPI:
    """Returns the service as an ASGI application.

    Args:
        config: Its settings.
        pipeline: What classifies; loaded when the service starts if None.

    Raises:
        BadConfigError: If the token cannot be read.

    Example:
        >>> app = create_app(ServiceConfig())
        >>> sorted(app.openapi()["paths"])
        ['/health', '/metrics', '/ready', '/v1/detect']
    """
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.work = work = Work(config, metrics, pipeline)
        try:
            yield
        finally:
            work.close()

    app = _Service(
        title=_TITLE,
        version=demagnify.__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,  # its page takes scripts from a server elsewhere
        redoc_url=None,
    )
    app.state.config, app.state.metrics = config, metrics
    token = config.token()
    app.add_middleware(Gate, config=config, token=token, metrics=metrics)
    app.add_exception_handler(DemagnifyError, _on_error)
    app.add_exception_handler(HTTPException, _on_error)
    app.add_exception_handler(RequestValidationError, _on_error)
    app.add_exception_handler(Exception, _on_fault)
    bearer = [] if token is None else [Depends(HTTPBearer(auto_error=False))]  # `Gate` asks for it
    app.post(
        "/v1/detect",
        response_model=CaseDocument,
        response_description="The case: every file, its faces, and what the answers depend on",
        responses=_REFUSALS,
        dependencies=bearer,
        summary="Classify photographs and clips",
    )(_detect)
    app.get("/", include_in_schema=False)(_places)
    app.get("/health", summary="Whether it is alive")(_health)
    app.get(
        "/ready",
        summary="Whether it classifies",
        response_model=Status,
        responses={503: {"model": Status, "description": "The service is stopping"}},
    )(_ready)
    app.get(
        "/metrics",
        summary="Figures for Prometheus",
        dependencies=bearer,
        response_class=Response,
        responses={
            200: {"content": {CONTENT_TYPE: {"schema": {"type": "string"}}}},
            401: _REFUSALS[401],
        },
    )(_metrics)
    return app


class _Service(FastAPI):
    """An application whose description has an example of an answer."""

    def openapi(self) -> dict[str, Any]:
        """Returns the description; FastAPI itself would drop what is null in the example."""
        if self.openapi_schema is None:
            described = super().openapi()
            answer = described["paths"]["/v1/detect"]["post"]["responses"]["200"]
            example = resources.files("demagnify.serve") / "example.json"
            answer["content"]["application/json"]["example"] = json.loads(example.read_bytes())
        return super().openapi()


async def _detect(
    request: Request,
    files: Annotated[
        list[UploadFile],
        File(
            description="Photographs and clips; clips by their name (.mp4 and others) or their "
            "type (video/...)"
        ),
    ],
) -> Response:
    """Classifies every face in the files, which are sent as a multipart form.

    A file that cannot be read or has no face has `problem` set, and the others are answered; where
    none could be read, the status is 422.
    """
    state = request.app.state
    if len(files) > state.config.max_files:
        raise HTTPException(
            413, f"{len(files)} files are more than the limit of {state.config.max_files}"
        )
    uploads = [Upload.of(number, one) for number, one in enumerate(files, start=1)]
    document: CaseDocument = await state.work.classify(uploads)
    return _json(document.model_dump(mode="json"))


async def _places() -> dict[str, str]:
    """Says what answers here."""
    return {
        "name": f"{_TITLE} {demagnify.__version__}",
        "classify": "POST /v1/detect",
        "description": "/openapi.json",
        "health": "/health",
        "ready": "/ready",
        "metrics": "/metrics",
    }


async def _health(request: Request) -> Status:
    """Says ok while the service answers."""
    del request
    return Status(status="ok")


async def _ready(request: Request) -> Response:
    """Says ready while faces are classified."""
    ready = request.app.state.work.model.alive
    return _json({"status": "ready" if ready else "stopping"}, 200 if ready else 503)


async def _metrics(request: Request) -> Response:
    """Returns figures in Prometheus' text format."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE)


def _json(value: object, status: int = 200) -> Response:
    """Returns JSON that every encoding can hold."""
    return Response(json.dumps(value, ensure_ascii=True), status, media_type="application/json")


async def _on_error(_request: Request, fault: Exception) -> Response:
    """Answers with one line that says what is wrong."""
    if isinstance(fault, HTTPException):
        return error(fault.status_code, str(fault.detail), fault.headers)
    if isinstance(fault, RequestValidationError):
        return error(400, _NO_FORM)
    return error(503 if isinstance(fault, StoppingError) else 422, str(fault))


async def _on_fault(_request: Request, fault: Exception) -> Response:
    """Answers after a fault of the service; uvicorn writes it to the log."""
    name = printable(type(fault).__name__)
    logging.getLogger("demagnify").error("a request failed: %s", name)
    return error(500, "the service failed at this request; its log says why")
