"""One real server: without torch, over a socket, stopped in the middle of a request."""

import os
import signal
import socket
import subprocess
import sys

import pytest
from toy_service import form, photo

httpx = pytest.importorskip("httpx", reason="the test client needs httpx")
pytest.importorskip("uvicorn", reason="the extra serve is not installed")

LIGHT = """
import sys
for name in ("torch", "torchvision", "timm", "scipy", "pyarrow", "matplotlib", "jinja2",
             "safetensors", "gymnasium", "sklearn", "spandrel", "h5py", "onnx", "onnxscript"):
    sys.modules[name] = None
from demagnify.cli import main
main()
"""


@pytest.fixture
def server():
    command = [sys.executable, "-c", LIGHT, "serve", "--port", "0", "--defense", "light"]
    environment = {**os.environ, "DEMAGNIFY_TOKEN": "word"}
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    yield running
    running.kill()
    running.communicate()


@pytest.mark.assets
def test_a_server_without_torch_answers_what_it_took_before_it_stops(asset, server):
    asset("yunet")
    line = server.stderr.readline()
    assert line.startswith("demagnify: "), line
    address = line.split(" at ")[1].split("/v1/")[0]
    token = {"Authorization": "Bearer word"}
    with httpx.Client(base_url=address, headers=token, timeout=60) as client:
        assert client.get("/ready").json() == {"status": "ready"}
        answer = client.post("/v1/detect", files=form(("a.png", photo())))
        assert answer.status_code == 200
        assert answer.headers.get("server") is None
        assert httpx.post(f"{address}/v1/detect").status_code == 401
    body = client.build_request("POST", "/v1/detect", files=form(("a.png", photo()))).read()
    host, port = address.removeprefix("http://").split(":")
    kind = b"Content-Type: multipart/form-data; boundary=" + body[2 : body.index(b"\r\n")]
    head = [b"POST /v1/detect HTTP/1.1", b"Host: x", b"Authorization: Bearer word", kind]
    head += [b"Content-Length: %d" % len(body), b"Expect: 100-continue", b"\r\n"]
    with socket.create_connection((host, int(port)), timeout=60) as late:
        late.sendall(b"\r\n".join(head))
        assert late.recv(100).startswith(b"HTTP/1.1 100")  # the request is in work
        server.send_signal(signal.SIGTERM)
        late.sendall(body)
        assert b" 200 OK" in late.recv(100)
    assert server.wait(60) == 0
    told = server.stderr.read()
    assert "Traceback" not in told
    assert "word" not in told


def test_a_port_that_is_taken_is_one_line():
    from demagnify.core.errors import BadConfigError
    from demagnify.serve.server import listen

    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadConfigError, match=f"cannot listen on 127.0.0.1:{port}: .* in use"):
            listen("127.0.0.1", port)
