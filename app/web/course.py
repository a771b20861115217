"""What a link tells of a branch: the picture that it came from, and the settings that its steps were made by."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from app.play.timeline import Line
from genie_core.config import SamplingConfig


class Course:
    """Of all branches of a seat's session, as they are played."""

    def __init__(self) -> None:
        self._pictures: WeakKeyDictionary[Line, str] = WeakKeyDictionary()  # of branches without a parent
        self._settings: WeakKeyDictionary[Line, set[SamplingConfig | None]] = WeakKeyDictionary()

    def began(self, line: Line, picture: str) -> None:
        """A branch begins at the start picture of this name, "" for any other."""
        self._pictures[line] = picture

    def stepped(self, line: Line, settings: SamplingConfig | None) -> None:
        """A step of a branch was made by `settings`; None if they are not known."""
        self._settings.setdefault(line, set()).add(settings)

    def picture(self, line: Line) -> str:
        """The name of the picture that a branch goes back to, "" if it has none."""
        while line.parent is not None:
            line = line.parent
        return self._pictures.get(line, "")

    def settings(self, line: Line) -> set[SamplingConfig | None]:
        """Those of all steps of a branch, and of the one that it branches off from after a step."""
        found = set(self._settings.get(line, ()))
        while line.parent is not None and line.start > 1:
            line = line.parent
            found |= self._settings.get(line, set())
        return found
