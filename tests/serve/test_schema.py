"""Requests that schemathesis makes of the description: no fault, and answers as described."""

import pytest
from hypothesis import HealthCheck, settings
from toy_service import PairFinder

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
testclient = pytest.importorskip("fastapi.testclient", reason="the extra serve is not installed")
service = pytest.importorskip("demagnify.serve.app", reason="the extra serve is not installed")
config = pytest.importorskip("demagnify.serve.config")
inference = pytest.importorskip("demagnify.inference")

LIGHT = inference.DetectionConfig(defense="light")
APP = service.create_app(
    config.ServiceConfig(max_bytes=100_000, detection=LIGHT),
    pipeline=inference.Pipeline.load(LIGHT, finder=PairFinder()),
)
schema = schemathesis.openapi.from_asgi("/openapi.json", APP)
# No schema says that a file is a photograph: what keeps the schema may be none, and be refused.
ALLOWED = [schemathesis.checks.positive_data_acceptance]


@pytest.fixture(scope="module", autouse=True)
def running():
    with testclient.TestClient(APP):
        yield


@schema.parametrize()
@settings(max_examples=25, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_request_is_a_fault_and_answers_are_as_described(case):
    case.call_and_validate(excluded_checks=ALLOWED)
