"""The tree of all that was played, as lines. A line that branches off shares the frames before with its parent."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from genie_core.pictures import fit

if TYPE_CHECKING:
    from genie_core.engine import Moment

PICTURE_BYTES = 40_000_000  # of pictures kept; others are decoded from their tokens again
THUMBNAIL = (32, 32)  # pixels, height and width


class Line:
    """One course of play, from a prompt to its tip. It owns its frames from `start` on; `parent` has those before.

    `actions[i]` led to the frame `start + i`; the prompt has None. `acted[i]` tells whether somebody acted then: held a
    key, let autoplay play, or kept the moment. Else time went by, and nothing is lost with it. `prompt` is uint8
    (H, W, 3).
    """

    def __init__(self, number: int, parent: Line | None, start: int, prompt: np.ndarray, seed: int) -> None:
        self.number, self.parent, self.start = number, parent, start
        self.prompt, self.seed = prompt, seed
        self.moments: list[Moment] = []
        self.actions: list[int | None] = []
        self.acted: list[bool] = []
        self.saved = -1  # the last frame, its ancestors' included, that a saved session has

    @property
    def tip(self) -> int:
        """Index of its last frame."""
        return self.start + len(self.moments) - 1

    @property
    def steps(self) -> int:
        """How many frames of its own were played: the prompt is given."""
        return len(self.moments) - (self.parent is None)

    @property
    def acted_until(self) -> int:
        """Index of the last of its own frames in which somebody acted; 0 if nobody did."""
        return max((self.start + place for place, acted in enumerate(self.acted) if acted), default=0)

    def owner(self, index: int) -> Line:
        """The line, this one or an ancestor, that frame `index` belongs to."""
        line: Line = self
        while index < line.start and line.parent is not None:
            line = line.parent
        return line

    def moment(self, index: int) -> Moment:
        owner = self.owner(index)
        return owner.moments[index - owner.start]

    def action(self, index: int) -> int | None:
        """The action that led to frame `index`; None for the prompt."""
        owner = self.owner(index)
        return owner.actions[index - owner.start]

    def mark_saved(self, index: int) -> None:
        """Notes that a saved session has the frames up to `index`."""
        line: Line | None = self
        while line is not None:
            line.saved = max(line.saved, index)
            index, line = line.start - 1, line.parent

    def mark_acted(self, index: int) -> None:
        """Notes that somebody acted in frame `index`, which no saved session tells yet."""
        owner = self.owner(index)
        owner.saved = min(owner.saved, index - 1)
        owner.acted[index - owner.start] = True

    def add(self, moment: Moment, action: int | None, acted: bool) -> None:
        self.moments.append(moment)
        self.actions.append(action)
        self.acted.append(acted)


class Timeline:
    """All lines, the one shown (`line`), and the frame of it that is shown (`index`)."""

    line: Line

    def __init__(self, look: Callable[[Moment], np.ndarray]) -> None:
        """`look` gives the picture of a moment, uint8 (H, W, 3)."""
        self.lines: list[Line] = []
        self.index = 0
        self._look = look
        self._pictures: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()  # by line number and index
        self._tips: dict[int, tuple[int, np.ndarray]] = {}  # by line number: its tip and the thumbnail of it
        self._thumbnails: dict[tuple[int, int], np.ndarray] = {}  # of kept moments, by line number and index

    @property
    def at_tip(self) -> bool:
        return self.index == self.line.tip

    @property
    def moment(self) -> Moment:
        return self.line.moment(self.index)

    @property
    def taken(self) -> list[int]:
        """The latent actions that led from the prompt to the frame shown."""
        return [action for action in map(self.line.action, range(1, self.index + 1)) if action is not None]

    @property
    def acted(self) -> list[bool]:
        """For each of `taken`, whether somebody acted in that step: see `Line`."""
        owners = ((index, self.line.owner(index)) for index in range(1, self.index + 1))
        return [owner.acted[index - owner.start] for index, owner in owners]

    def start(self, moment: Moment, prompt: np.ndarray, seed: int) -> None:
        """Starts a new line from a prompt, of which `moment` is the first frame."""
        line = Line(0, None, 0, prompt, seed)
        line.add(moment, None, acted=False)
        self.adopt([line])
        self.go(line, 0)

    def adopt(self, lines: list[Line]) -> None:
        """Takes in lines that have their frames already, and gives them numbers of their own."""
        for line in lines:
            line.number = self.lines[-1].number + 1 if self.lines else 0
            self.lines.append(line)

    def drop(self, line: Line) -> None:
        """Lets go of a line from which no other branches off. Another line may have its number then."""
        self.lines.remove(line)
        self._tips.pop(line.number, None)
        for pictures in (self._pictures, self._thumbnails):
            for key in [key for key in pictures if key[0] == line.number]:
                del pictures[key]

    def add(self, moment: Moment, action: int, picture: np.ndarray, acted: bool) -> bool:
        """Adds a frame after the one shown; true if that began a new line."""
        branched = not self.at_tip
        if branched:
            self.branch()
        self.line.add(moment, action, acted)
        self.index += 1
        self._remember(self.line.number, self.index, picture)
        return branched

    def branch(self) -> None:
        """Begins a new line here, without a frame of its own yet."""
        owner = self.line.owner(self.index)
        self.line = Line(self.lines[-1].number + 1, owner, self.index + 1, owner.prompt, owner.seed)
        self.lines.append(self.line)

    def go(self, line: Line, index: int) -> None:
        """Shows frame `index` of `line`, or the nearest it has."""
        self.line, self.index = line, min(max(index, 0), line.tip)

    def picture_of(self, line: Line, index: int) -> np.ndarray:
        """The picture of frame `index` of `line`, uint8 (H, W, 3), decoded again if it is not kept."""
        key = (line.owner(index).number, index)
        if key not in self._pictures:
            self._remember(*key, self._look(line.moment(index)))
        return self._pictures[key]

    def thumbnail(self, line: Line, index: int | None = None) -> np.ndarray:
        """The tip of `line`, or another frame of it, as a small picture, uint8 (32, 32, 3)."""
        if index is not None:
            key = (line.owner(index).number, index)
            if key not in self._thumbnails:
                self._thumbnails[key] = fit(self.picture_of(line, index), THUMBNAIL)
            return self._thumbnails[key]
        tip, small = self._tips.get(line.number, (-1, line.prompt))
        if tip != line.tip:
            small = fit(self.picture_of(line, line.tip), THUMBNAIL)
            self._tips[line.number] = (line.tip, small)
        return small

    def path(self) -> Iterator[int]:
        """The actions from the prompt to the tip of this line."""
        for index in range(1, self.line.tip + 1):
            action = self.line.action(index)
            assert action is not None
            yield action

    def _remember(self, number: int, index: int, picture: np.ndarray) -> None:
        self._pictures[number, index] = picture
        while len(self._pictures) * picture.nbytes > PICTURE_BYTES:
            self._pictures.popitem(last=False)
