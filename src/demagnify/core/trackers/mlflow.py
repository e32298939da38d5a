"""MLflow: a server, or a database file on this machine."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Collection, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Final

from demagnify.core.errors import BadConfigError
from demagnify.core.extras import install
from demagnify.core.trackers.base import TRACKERS, Status, TrackedRun, Tracker

EXPERIMENT: Final = "demagnify"
KEY: Final = "demagnify.key"
_DATABASE: Final = "mlflow.db"
_MOST: Final = 1000
"""The most metrics, and a tenth of it the most settings, that MLflow takes at once."""
_LONGEST: Final = 500
_UNSAFE: Final = re.compile(r"[^\w\-. :/]", re.ASCII)
_STATUS: Final[Mapping[Status, str]] = {
    "finished": "FINISHED",
    "failed": "FAILED",
    "stopped": "KILLED",
}


@TRACKERS.register("mlflow")
class MLflow(Tracker):
    """Writes metrics and parameters of a run in the experiment "demagnify".

    `where` is an address, a folder for the file mlflow.db, or such a file; without it, what
    MLFLOW_TRACKING_URI says, or mlflow.db beside the run's folder.
    """

    needs: ClassVar[str] = "mlflow"
    extra = "mlflow"

    def __init__(self, run: TrackedRun, where: str) -> None:
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        # It tells of each table that it makes.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self._uri = _address(where, run.folder)
        if self._uri.startswith("sqlite:") and find_spec("sqlalchemy") is None:
            raise BadConfigError(
                "a database file of MLflow needs sqlalchemy, which is not installed",
                hint=install("mlflow"),
            )
        self._client = MlflowClient(tracking_uri=self._uri)
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        home = (
            experiment.experiment_id if experiment else self._client.create_experiment(EXPERIMENT)
        )
        found = self._client.search_runs([home], f"tags.`{KEY}` = '{run.key}'")
        if found:
            self._id = found[0].info.run_id
            self._client.update_run(self._id, status="RUNNING")
            return
        self._id = self._client.create_run(home, run_name=run.name, tags={KEY: run.key}).info.run_id
        params = [
            Param(_UNSAFE.sub("_", name), str(value)[:_LONGEST])
            for name, value in run.settings.items()
        ]
        for start in range(0, len(params), _MOST // 10):
            self._client.log_batch(self._id, params=params[start : start + _MOST // 10])

    @property
    def place(self) -> str:
        """The address, and the run's name there."""
        return f"{self._uri} (mlflow ui --backend-store-uri {self._uri})"

    def written(self) -> Mapping[str, Collection[int]]:
        """Asks for the history of each metric of the run."""
        names = self._client.get_run(self._id).data.metrics
        return {
            name: {one.step for one in self._client.get_metric_history(self._id, name)}
            for name in names
        }

    def name_of(self, figure: str) -> str:
        """Returns a name in which everything that MLflow refuses is an underscore."""
        return _UNSAFE.sub("_", figure)

    def write(self, figures: Mapping[str, float], step: int) -> None:
        """Writes metrics."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        made = [Metric(name, value, now, step) for name, value in figures.items()]
        for start in range(0, len(made), _MOST):
            self._client.log_batch(self._id, metrics=made[start : start + _MOST])

    def close(self, status: Status) -> None:
        """Tells how the run ended."""
        self._client.set_terminated(self._id, _STATUS[status])


def _address(where: str, beside: Path) -> str:
    where = where or os.environ.get("MLFLOW_TRACKING_URI", "") or str(beside / _DATABASE)
    if "://" in where or where.startswith(("databricks", "uc")):
        return where
    path = Path(where).absolute()
    path = path if path.suffix == ".db" else path / _DATABASE
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path}"
