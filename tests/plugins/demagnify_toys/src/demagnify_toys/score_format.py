"""Writes and reads scores as a text table, "*.toyscores"."""

from pathlib import Path

import numpy as np

from demagnify.evaluation.exchange import ScoreColumn, ScoredRun, ScoreFormat


class TextTable(ScoreFormat):
    """A line for each face, condition and method, its cells separated by tabs."""

    name = "toy-text"
    summary = "a text file *.toyscores: condition, method, threshold, face, label, logit"

    def write(self, run, output):
        lines = [
            f"{one.condition}\t{one.method}\t{one.threshold!r}\t{face}\t{label}\t{logit!r}"
            for one in run.columns
            for face, label, logit in zip(
                one.faces, one.labels.tolist(), one.logits.tolist(), strict=True
            )
        ]
        output.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return [output]

    def recognises(self, path: Path) -> bool:
        return path.suffix == ".toyscores"

    def read(self, path: Path):
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        columns = []
        for head in dict.fromkeys(tuple(row[:3]) for row in rows):
            mine = [row[3:] for row in rows if tuple(row[:3]) == head]
            faces = tuple(row[0] for row in mine)
            labels = np.array([int(row[1]) for row in mine])
            logits = np.array([float(row[2]) for row in mine])
            condition, method, threshold = head
            columns.append(
                ScoreColumn(condition, method, faces, faces, labels, logits, float(threshold))
            )
        return ScoredRun(name=path.stem, data=path.stem, split="test", columns=tuple(columns))
