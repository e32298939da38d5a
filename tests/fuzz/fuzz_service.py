"""Kills `demagnify serve` while a clip and a photograph are in work, starts it, and asks again.

    python tests/fuzz/fuzz_service.py --kills 60

The service must give the same answer each time, and remove at its start what a killed one left in
the system's place for temporary files: the clip shows people's faces. Prints a line for each kill.
"""

import argparse
import io
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "serve")]

from toy_service import form  # noqa: E402

from clips import write_clip  # noqa: E402

ASTRONAUT = TESTS / "inference" / "astronaut.png"
FRAMES = 60
CHANGING = {"created", "command", "page_sha256", "wording", "record_sha256"}
"""What may differ between two answers: the time, and the hashes of what holds it."""
LATEST_START = 1.1
"""Seconds after which a new service sees that a folder's owner is dead."""


def main():
    """Prints a line for each kill; ends with exit code 1 after the first fault."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "temporary"
        place.mkdir()
        files = asked(Path(folder))
        service, address = started(place)
        begun = time.monotonic()
        first = answer(address, files)
        whole = time.monotonic() - begun
        for number in range(options.kills):
            asking = threading.Thread(target=answer, args=(address, files))
            asking.start()
            time.sleep(rng.uniform(0, whole))
            service.kill()
            said = service.communicate()[1]
            asking.join()
            time.sleep(LATEST_START)
            left = len(ours(place))
            service, address = started(place)
            again = answer(address, files)
            faults = [
                *(["a traceback"] if "Traceback" in said else []),
                *(["another answer"] if again != first else []),
                *(f"{one} is still there" for one in ours(place)),
            ]
            found = ", ".join(faults) or "all well"
            sys.stdout.write(f"kill {number + 1}: {left} left; {found}\n")
            sys.stdout.flush()
            if faults:
                break
        service.terminate()
        service.wait(60)
    sys.exit(bool(faults))


def asked(folder):
    """Returns the form of a clip and a photograph with one face."""
    with Image.open(ASTRONAUT) as image:
        face = np.asarray(image.convert("RGB").resize((160, 160)))
    clip = write_clip(folder / "clip.mp4", [face] * FRAMES, rate=30).read_bytes()
    photo = io.BytesIO()
    Image.fromarray(face).save(photo, "PNG")
    return form(("clip.mp4", clip), ("photo.png", photo.getvalue()))


def started(place):
    """Starts the service; returns its process and address."""
    command = [sys.executable, "-m", "demagnify", "serve", "--port", "0", "--defense", "light"]
    service = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(place)},
    )
    return service, service.stderr.readline().split(" at ")[1].split("/v1/")[0]


def answer(address, files):
    """Returns what the service says of the files, without what may differ; None if it is killed."""
    try:
        reply = httpx.post(f"{address}/v1/detect", files=files, timeout=120).raise_for_status()
    except httpx.TransportError:
        return None
    return {name: value for name, value in reply.json().items() if name not in CHANGING}


def ours(place):
    """Returns the names of our temporary folders."""
    return sorted(path.name for path in place.iterdir() if "demagnify" in path.name)


if __name__ == "__main__":
    main()
