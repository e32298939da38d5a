"""A service in this process that needs no network to find faces."""

import pytest
from toy_service import PairFinder

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("httpx", reason="the test client needs httpx")

from fastapi.testclient import TestClient

from demagnify.inference import Pipeline
from demagnify.serve.app import create_app
from demagnify.serve.config import TOKEN_VARIABLE, ServiceConfig


@pytest.fixture(scope="session")
def pipeline():
    return Pipeline.load(ServiceConfig().detection, finder=PairFinder())


@pytest.fixture
def service(pipeline, monkeypatch):
    """Starts a service with settings; returns its client."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    clients = []

    def start(*, using=None, **settings):
        app = create_app(ServiceConfig(**settings), pipeline=using or pipeline)
        clients.append(TestClient(app, raise_server_exceptions=False))
        return clients[-1].__enter__()

    yield start
    for client in clients:
        client.__exit__(None, None, None)
