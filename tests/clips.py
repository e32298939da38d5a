"""Clips made for tests with PyAV: any times, turned, cut into shots, with sound."""

from fractions import Fraction

import av
import numpy as np

MILLISECONDS = Fraction(1, 1000)


def write_clip(
    path, frames, *, times=None, rate=25, turned=0, mirrored=False, sound=False, aspect=None, **mux
):
    """Writes frames, uint8 RGB, at `times` in milliseconds; `rate` per second if None."""
    codec = "libvpx" if path.suffix == ".webm" else "libx264"
    with av.open(str(path), "w", options=mux) as container:
        stream = tone = None
        for number, pixels in enumerate(frames):
            if stream is None:
                stream = container.add_stream(codec, rate=rate)
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = stream.time_base = MILLISECONDS
                stream.codec_context.gop_size = 10
                stream.codec_context.thread_count = 1  # the same bytes however busy the machine
                if aspect:
                    stream.codec_context.sample_aspect_ratio = aspect
                if turned or mirrored:
                    stream.set_display_rotation(turned, hflip=mirrored)
                tone = container.add_stream("aac", rate=8000) if sound else None
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts = times[number] if times else round(1000 * number / rate)
            frame.time_base = MILLISECONDS
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if tone:
            _hum(container, tone)
    return path


def write_sound(path):
    """Writes a second of sound, without a picture."""
    with av.open(str(path), "w") as container:
        _hum(container, container.add_stream("aac", rate=8000))
    return path


def _hum(container, tone):
    for start in range(0, 8000, 1000):
        samples = np.zeros((1, 1000), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, start
        container.mux(tone.encode(frame))
    container.mux(tone.encode())


def cut(path, share):
    """Cuts a file short to a share of its bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
