"""Work on many inputs in units that any number of processes share, here or on a cluster.

    list inputs -> units of consecutive inputs -> map -> one shard per unit -> checks and a summary

A unit depends on nothing but the list of inputs and the task. Its shard is a Parquet file, written
in one step: a unit is done when its shard is there. The same command does what is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from demagnify.core.imports import lazy

if TYPE_CHECKING:
    from demagnify.core.engine.inputs import Item, fetched, is_uri, list_inputs
    from demagnify.core.engine.options import EngineOptions
    from demagnify.core.engine.runner import Summary, run
    from demagnify.core.engine.shards import rows
    from demagnify.core.engine.work import ConfiguredTask, Result, Task, Work

__all__ = [
    "ConfiguredTask",
    "EngineOptions",
    "Item",
    "Result",
    "Summary",
    "Task",
    "Work",
    "fetched",
    "is_uri",
    "list_inputs",
    "rows",
    "run",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "inputs": ("Item", "fetched", "is_uri", "list_inputs"),
        "options": ("EngineOptions",),
        "runner": ("Summary", "run"),
        "shards": ("rows",),
        "work": ("ConfiguredTask", "Result", "Task", "Work"),
    },
)
