"""Experiment trackers: the figures of a run where others look at them, as they come."""

from demagnify.core.trackers.base import TRACKERS, TrackedRun, Tracker
from demagnify.core.trackers.tracking import SILENT, Point, Tracking, check_tracker, track

__all__ = [
    "SILENT",
    "TRACKERS",
    "Point",
    "TrackedRun",
    "Tracker",
    "Tracking",
    "check_tracker",
    "track",
]
