"""Tracks a run in a text file: a line of JSON for each step."""

import json
from collections import defaultdict
from pathlib import Path

from demagnify.core.trackers import Tracker


class JsonLines(Tracker):
    """Writes FOLDER/NAME-KEY.jsonl; usually beside the run's folder."""

    def __init__(self, run, where):
        folder = Path(where) if where else run.folder
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"{run.name}-{run.key}.jsonl"

    @property
    def place(self):
        return str(self._file)

    def written(self):
        steps = defaultdict(set)
        if self._file.exists():
            for line in self._file.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                for name in row["figures"]:
                    steps[name].add(row["step"])
        return steps

    def write(self, figures, step):
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "figures": figures}) + "\n")
