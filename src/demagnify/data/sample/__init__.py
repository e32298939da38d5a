"""The sample set: real photographs, and the face swaps that demagnify makes of them."""

from demagnify.data.sample.build import SampleConfig, build_sample

__all__ = ["SampleConfig", "build_sample"]
