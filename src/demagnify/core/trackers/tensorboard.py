"""TensorBoard: event files in a folder, one folder for each run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import ClassVar

from demagnify.core.files import file_name, writing_to
from demagnify.core.trackers.base import TRACKERS, Status, TrackedRun, Tracker


@TRACKERS.register("tensorboard")
class TensorBoard(Tracker):
    """Writes scalars for `tensorboard --logdir FOLDER`; usually the folder "tensorboard"."""

    needs: ClassVar[str] = "tensorboard"
    extra = "tensorboard"

    def __init__(self, run: TrackedRun, where: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder = Path(where) if where else run.folder / "tensorboard"
        self._run = self._folder / file_name(f"{run.name}-{run.key[:8]}")
        begun = self._run.is_dir()
        with writing_to(self._run, hint=""):
            self._writer = SummaryWriter(str(self._run))
        if not begun:
            rows = [f"| {name} | {value} |" for name, value in run.settings.items()]
            table = "\n".join(["| setting | value |", "|---|---|", *rows])
            self._writer.add_text("settings", table)
            self._writer.flush()

    @property
    def place(self) -> str:
        """The folder for --logdir, and the run in it."""
        return f"{self._run} (tensorboard --logdir {self._folder})"

    def written(self) -> Mapping[str, Collection[int]]:
        """Reads the event files; one that was cut off by a kill counts as far as it goes."""
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(self._run), size_guidance={"scalars": 0}).Reload()
        return {
            tag: {event.step for event in events.Scalars(tag)} for tag in events.Tags()["scalars"]
        }

    def write(self, figures: Mapping[str, float], step: int) -> None:
        """Writes scalars, to the disk at once."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self, status: Status) -> None:
        """Closes the file."""
        del status
        self._writer.close()
