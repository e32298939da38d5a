"""What is said about a clip, its shots and the faces in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demagnify.core.images import Pixels
from demagnify.inference.calibration import Verdict
from demagnify.inference.conditions import NOT_VALIDATED

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class FrameVerdict:
    """A face in one frame of a clip, classified.

    Attributes:
        number: The frame's place in the clip, from 0.
        seconds: Its time stamp.
        box: Left, top, width, height in pixels of the upright frame; may reach over the border.
        found_with: How sure the face finder is, 0 to 1.
        logit: The detector's logit after the action.
        score: 0-1; above 0.5 this frame alone would be called "fake".
        action: The correction that the agent chose.
        abstained: Whether the defence abstains on this frame.
    """

    number: int
    seconds: float
    box: Box
    found_with: float
    logit: float
    score: float
    action: str
    abstained: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns the same in words and numbers that JSON can hold."""
        return {
            "frame": self.number,
            "seconds": round(self.seconds, 6),
            "box": [round(value, 1) for value in self.box],
            "found_with": round(self.found_with, 4),
            "logit": self.logit,
            "score": self.score,
            "action": self.action,
            "abstained": self.abstained,
        }


@dataclass(frozen=True, kw_only=True)
class TrackVerdict:
    """The verdict on one face that was followed through a shot.

    Attributes:
        number: Its number in the clip, from 1, by its first frame.
        shot: The number of its shot.
        start: Time in seconds at which the face is first found.
        end: Time in seconds at which it is last found.
        found: In how many of the examined frames it was found.
        frames: The frames that were classified, spread evenly over those.
        logit: The mean of their logits.
        score: 0-1; above 0.5 the verdict is "fake", or would be.
        agreement: Share of the classified frames on the mean's side of the threshold.
        verdict: "real", "fake" or "unsure".
        reason: Why it is "unsure"; "" otherwise.
        portrait: The face in the middle of the classified frames, uint8 RGB (S, S, 3), small.
    """

    number: int
    shot: int
    start: float
    end: float
    found: int
    frames: tuple[FrameVerdict, ...]
    logit: float
    score: float
    agreement: float
    verdict: Verdict
    reason: str
    portrait: Pixels

    def to_json(self) -> dict[str, Any]:
        """Returns everything but the pixels."""
        return {
            "track": self.number,
            "shot": self.shot,
            "start": round(self.start, 6),
            "end": round(self.end, 6),
            "verdict": self.verdict,
            "reason": self.reason,
            "score": self.score,
            "logit": self.logit,
            "agreement": round(self.agreement, 4),
            "frames_found": self.found,
            "frames": [frame.to_json() for frame in self.frames],
        }


@dataclass(frozen=True, kw_only=True)
class ShotVerdict:
    """The verdict on one shot: that of its most fake face.

    Attributes:
        number: Its number in the clip, from 1.
        start: Time in seconds of its first frame.
        end: Time in seconds at which its last frame ends.
        verdict: "fake" if any of its faces is, else "unsure" if any is, else "real"; None if no
            face was found in it.
        logit: The highest mean logit among the faces that have this verdict; None without a face.
        tracks: The numbers of its faces.
        picture: Its first examined frame, uint8 RGB (H, W, 3), small.
    """

    number: int
    start: float
    end: float
    verdict: Verdict | None
    logit: float | None
    tracks: tuple[int, ...]
    picture: Pixels

    def to_json(self) -> dict[str, Any]:
        """Returns everything but the pixels."""
        return {
            "shot": self.number,
            "start": round(self.start, 6),
            "end": round(self.end, 6),
            "verdict": self.verdict,
            "logit": self.logit,
            "tracks": list(self.tracks),
        }


@dataclass(frozen=True, kw_only=True)
class ClipVerdict:
    """The verdicts on one clip. There is none on the clip as a whole: count its faces.

    The calibration is one of single photographs. Error rates of faces followed through a clip were
    not measured: the condition is always "not validated", and there is no likelihood ratio.

    Attributes:
        path: The file.
        shots: A verdict for each shot, in order.
        tracks: A verdict for each face in each shot, by its first frame.
        problem: Why there is no verdict, or which part has none; None if all could be read.
        start: Time stamp of the first frame in seconds; most files begin at 0.
        duration: From the first frame to the end of the last one that was read, in seconds.
        width: Of the upright picture, in pixels.
        height: Of the upright picture, in pixels.
        frames: How many frames were read.
        examined: In how many of them faces were looked for.
        frames_per_second: How many frames of each second were to be examined.
        uneven: Whether the time between frames varies.
    """

    path: Path
    shots: tuple[ShotVerdict, ...] = ()
    tracks: tuple[TrackVerdict, ...] = ()
    problem: str | None = None
    start: float = 0.0
    duration: float = 0.0
    width: int = 0
    height: int = 0
    frames: int = 0
    examined: int = 0
    frames_per_second: float = 0.0
    uneven: bool = False

    @property
    def condition(self) -> str:
        """Under which condition error rates were measured: none."""
        return NOT_VALIDATED

    def to_json(self) -> dict[str, Any]:
        """Returns everything but the pixels."""
        return {
            "file": str(self.path),
            "kind": "clip",
            "start": round(self.start, 6),
            "duration": round(self.duration, 6),
            "width": self.width,
            "height": self.height,
            "frames": self.frames,
            "frames_examined": self.examined,
            "frames_per_second": self.frames_per_second,
            "variable_frame_rate": self.uneven,
            "shots": [shot.to_json() for shot in self.shots],
            "tracks": [track.to_json() for track in self.tracks],
            "likelihood_ratio": None,
            "condition": self.condition,
            "problem": self.problem,
        }
