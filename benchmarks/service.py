"""The service under load beside the batch path, and under requests that schemathesis makes.

Starts `demagnify serve` on a free port of this machine and sends it photographs from many clients
at once; in turns with it, `detect` classifies the same files in this process, so that a busy
machine slows both alike. With --fuzz, schemathesis sends requests of the OpenAPI description until
the service has counted so many. With --minutes, one client sends photographs at a steady rate, and
the memory is read every ten minutes. Prints JSON. Example:

    python benchmarks/service.py --photos FOLDER --clients 50 --seconds 60
    python benchmarks/service.py --photos FOLDER --minutes 60 --rate 2
    python benchmarks/service.py --fuzz 10000
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np

from demagnify.core import images
from demagnify.evaluation.machine import describe_machine
from demagnify.inference import DetectionConfig, Pipeline
from demagnify.inference.detect import detect_with

ROUND_SECONDS = 15.0
REFUSALS = """[checks]
negative_data_rejection.expected-statuses = ["400", "404", "405", "413", "422", "429"]
"""
"""Too many files are refused with 413, which schemathesis by itself takes for an answer."""
BOUNDARY = "demagnify-benchmark"


class Server:
    """A running service."""

    def __init__(self, process: subprocess.Popen[str], line: str) -> None:
        self.process = process
        self.host, self.port = line.split("http://")[1].split("/")[0].split(":")

    def get(self, path: str) -> str:
        """Returns the text at a path."""
        connection = http.client.HTTPConnection(self.host, int(self.port), timeout=60)
        connection.request("GET", path)
        return connection.getresponse().read().decode()

    def figures(self) -> dict[str, float]:
        """Returns what /metrics says."""
        rows = [row for row in self.get("/metrics").splitlines() if not row.startswith("#")]
        return {name: float(value) for name, value in (row.rsplit(" ", 1) for row in rows)}

    def requests(self, status: str = "") -> int:
        """Returns how many requests were answered, with statuses that begin like that."""
        name = f'demagnify_requests_total{{status="{status}'
        return int(sum(n for key, n in self.figures().items() if key.startswith(name)))

    def mebibytes(self) -> float:
        """Returns its resident memory."""
        return round(self.figures()["process_resident_memory_bytes"] / 2**20, 1)


def main() -> None:
    """Measures and prints as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, help="a folder of photographs")
    parser.add_argument("--files", type=int, default=64, help="how many of them, in a circle")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--minutes", type=float, default=0.0, help="watch memory for so long")
    parser.add_argument("--rate", type=float, default=2.0, help="requests a second meanwhile")
    parser.add_argument("--defense", default="default")
    parser.add_argument("--fuzz", type=int, default=0, help="how many requests schemathesis makes")
    options = parser.parse_args()
    report: dict[str, object] = {"defense": options.defense}
    with server(options.defense) as service:
        paths = images.list_files(options.photos)[: options.files] if options.photos else []
        if options.minutes:
            report["memory"] = watch(service, paths, options.minutes, options.rate)
        elif paths:
            report |= load(service, paths, options.clients, options.seconds, options.defense)
        if options.fuzz:
            report["schemathesis"] = fuzz(service, options.fuzz)
    report["machine"] = describe_machine("cpu").model_dump()
    print(json.dumps(report, indent=2))


@contextmanager
def server(defense: str) -> Iterator[Server]:
    """Starts the service; stops it at the end."""
    command = [sys.executable, "-m", "demagnify", "serve", "--port", "0", "--no-access-log"]
    environment = {name: value for name, value in os.environ.items() if name != "DEMAGNIFY_TOKEN"}
    process = subprocess.Popen(
        [*command, "--defense", defense], stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stderr is not None
    try:
        yield Server(process, process.stderr.readline())
    finally:
        process.terminate()
        process.wait(60)


def load(
    service: Server, paths: list[Path], clients: int, seconds: float, defense: str
) -> dict[str, object]:
    """Sends photographs from many clients, in turns with the batch path."""
    pipeline = Pipeline.load(DetectionConfig(defense=defense))
    bodies = [body_of(path) for path in paths]
    circle = count()
    latencies: list[float] = []
    failures: list[str] = []
    rates: dict[str, list[float]] = {"batch": [], "service": []}
    burst(service, bodies, circle, clients, 3.0, [], failures)  # warm: each thread has a network
    list(detect_with(pipeline, list(paths[:16])))
    memory = [service.mebibytes()]
    for _ in range(max(1, round(seconds / ROUND_SECONDS))):
        start, done = time.perf_counter(), 0
        for _verdict in detect_with(pipeline, list(paths)):
            done += 1
        rates["batch"].append(done / (time.perf_counter() - start))
        start, before = time.perf_counter(), len(latencies)
        burst(service, bodies, circle, clients, ROUND_SECONDS, latencies, failures)
        rates["service"].append((len(latencies) - before) / (time.perf_counter() - start))
        memory.append(service.mebibytes())
    ratios = np.array(rates["service"]) / np.array(rates["batch"])
    figures = service.figures()
    batches = figures["demagnify_batch_faces_sum"] / figures["demagnify_batch_faces_count"]
    return {
        "photographs": len(paths),
        "clients": clients,
        "requests": len(latencies),
        "failures": sorted(set(failures)),
        "seconds": {
            f"p{share}": round(float(np.percentile(latencies, share)), 3) for share in (50, 95, 99)
        },
        "photographs_per_second": {
            name: round(float(np.mean(values)), 2) for name, values in rates.items()
        },
        "service_to_batch": {
            "mean": round(float(ratios.mean()), 3),
            "rounds": [round(float(one), 3) for one in ratios],
        },
        "faces_in_a_batch": round(batches, 2),
        "memory_mib": memory,
    }


def watch(service: Server, paths: list[Path], minutes: float, rate: float) -> dict[str, object]:
    """Sends photographs at a steady rate, and reads the memory of the service every ten minutes."""
    bodies, failures = [body_of(path) for path in paths], list[str]()
    latencies: list[float] = []
    memory: dict[str, float] = {}
    start, circle = time.perf_counter(), count()
    burst(service, bodies, circle, 1, 3.0, latencies, failures)  # warm: networks are loaded
    step = min(10.0, minutes)
    for tenth in range(round(minutes / step) + 1):
        end = start + 60.0 * step * tenth
        while time.perf_counter() < end:
            due = start + (len(latencies) + len(failures)) / rate
            time.sleep(max(0.0, min(due, end) - time.perf_counter()))
            burst(service, bodies, circle, 1, 0.0, latencies, failures)
        memory[f"minute {step * tenth:g}"] = service.mebibytes()
        print(f"minute {step * tenth:g}: {memory}", file=sys.stderr, flush=True)
    return {
        "photographs": len(paths),
        "requests": len(latencies),
        "failures": sorted(set(failures)),
        "memory_mib": memory,
        "growth_mib": round(list(memory.values())[-1] - memory["minute 0"], 1),
    }


def body_of(path: Path) -> bytes:
    """Returns the multipart form of one photograph."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"'
    return head.encode() + b"\r\n\r\n" + path.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()


def burst(
    service: Server,
    bodies: list[bytes],
    circle: Iterator[int],
    clients: int,
    seconds: float,
    latencies: list[float],
    failures: list[str],
) -> None:
    """Lets clients send requests, one after the other, until the time is over; one at least."""
    end = time.perf_counter() + seconds
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

    def client() -> None:
        connection = http.client.HTTPConnection(service.host, int(service.port), timeout=120)
        start = 0.0
        while not start or time.perf_counter() < end:
            start = time.perf_counter()
            try:
                connection.request("POST", "/v1/detect", bodies[next(circle) % len(bodies)], kind)
                answer = connection.getresponse()
                content = answer.read()
            except OSError as error:
                failures.append(str(error))
                return
            if answer.status == 200:
                latencies.append(time.perf_counter() - start)
            else:
                failures.append(content.decode())
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def fuzz(service: Server, wanted: int) -> dict[str, object]:
    """Runs schemathesis with new seeds until the service has counted so many requests."""
    before, findings, start = service.requests(), [], time.perf_counter()
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", "--no-color"]
    command += ["--exclude-checks", "positive_data_acceptance"]  # no schema knows a photograph
    for seed in count(1):
        if service.requests() - before >= wanted or service.process.poll() is not None:
            break
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "schemathesis.toml").write_text(REFUSALS)
            ended = subprocess.run(
                [
                    *command,
                    *("--seed", str(seed), "--max-examples", "1000", "--generation-database=none"),
                    f"http://{service.host}:{service.port}/openapi.json",
                ],
                capture_output=True,
                text=True,
                cwd=folder,
                check=False,
            )
        if ended.returncode:
            findings += re.findall(r"^- (.*)$", ended.stdout, re.MULTILINE) or [ended.stdout]
    return {
        "requests": service.requests() - before,
        "of_status_5xx": service.requests("5"),
        "findings": sorted(set(findings)),
        "seconds": round(time.perf_counter() - start),
        "memory_mib": service.mebibytes(),
    }


if __name__ == "__main__":
    main()
