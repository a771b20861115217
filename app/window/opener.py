"""Opens what the player gives the window: pictures, videos, saved sessions, the clipboard."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageGrab

from app.media.read import is_animated, read_video
from app.play import commands as c
from app.play.autoplay import ListedActions
from app.play.session import PlaySession
from app.play.session_file import SUFFIX, load_session
from app.play.start_pictures import Prompts
from app.window.preview import Preview
from genie_core.errors import PictureError
from genie_core.pictures import fit, load_picture

MOST_FRAMES = 900  # read of a video: a minute at 15 frames a second


class Opener:
    """Starts one session from files. `fit_now` gives the player's way to fit; `show` opens a preview."""

    def __init__(
        self, session: PlaySession, prompts: Prompts | None, fit_now: Callable[[], str], show: Callable[[Preview], None]
    ) -> None:
        self._session, self._fit_now, self._show = session, fit_now, show
        self.prompts = prompts
        self._source: Path | np.ndarray | None = None  # the picture or video played from; None: that of the start
        self._finding: Future[list[int]] | None = None
        self._finder = ThreadPoolExecutor(1, "finding actions")
        self.imitated: list[int] = []  # the actions found in the last video

    def open(self, path: Path) -> None:
        """Goes on with a session, shows a video to choose a frame from, or starts from a picture."""
        if path.suffix == SUFFIX:
            self.load(path)
        elif is_animated(path):
            self._source = path
            self.preview()
        else:
            self._start(load_picture(path))

    def load(self, path: Path) -> None:
        """Goes on with a saved session."""
        session = self._session
        session.handle(c.Open(load_session(path, session.engine.world)))
        self._source = session.prompt
        session.tell(c.TOLD, f"{path.name}, at step {session.steps}; act to go on")

    def next_picture(self, by: int) -> None:
        """Starts from the next picture at hand, or the previous one with -1."""
        if self.prompts is not None and self.prompts.files:
            path = self.prompts.next(by)
            self._start(load_picture(path))
            self._session.tell(c.TOLD, path.name)

    def paste(self) -> None:
        """Starts from the picture or the file in the clipboard. Raises PictureError if there is none."""
        try:
            found = ImageGrab.grabclipboard()
        except (NotImplementedError, OSError, ValueError) as error:
            raise PictureError(f"the clipboard cannot be read ({error}); drop a picture file on the window") from error
        if isinstance(found, list) and found:
            self.open(Path(found[0]))
        elif isinstance(found, Image.Image):
            self._start(np.array(found.convert("RGB")))
        else:
            raise PictureError("the clipboard holds no picture; copy one, or drop a file on the window")

    def preview(self) -> None:
        """Shows how the world sees the current picture, or lets the player choose a frame of the last video."""
        session, source = self._session, self._source
        if source is None:
            first = self.prompts.first if self.prompts is not None else None
            source = session.prompt if first is None else load_picture(first)
        size, fps = session.config.frame_size, session.config.fps

        def frames(how: str) -> np.ndarray:
            if isinstance(source, Path):
                return read_video(source, size, fps, how, self._palette, MOST_FRAMES)
            return source[None]

        self._show(Preview(frames, self._fit_now(), size, self._palette, session.engine.familiarity))

    def take(self, preview: Preview) -> None:
        """Starts from what the player chose in `preview`."""
        assert preview.chosen is not None
        self._session.handle(c.StartFrom(preview.chosen.picture))
        if preview.chosen.imitate:
            frames = preview.frames()[preview.at :]
            self._finding = self._finder.submit(self._find_actions, frames)
            self._session.tell(c.TOLD, f"finding the actions of {len(frames)} frames; they play when found")

    def tell(self) -> None:
        """Plays the actions of a video once they are found."""
        if self._finding is None or not self._finding.done():
            return
        self.imitated, self._finding = self._finding.result(), None
        if self.imitated:
            self._session.handle(c.Autoplay(ListedActions(tuple(self.imitated))))
        self._session.tell(c.TOLD, f"playing the {len(self.imitated)} actions of the video; any key takes over")

    def close(self) -> None:
        self._finder.shutdown(wait=False, cancel_futures=True)

    def _start(self, picture: np.ndarray) -> None:
        """Starts from uint8 (H, W, 3), fitted as the player chose."""
        self._source = picture
        fitted = fit(picture, self._session.config.frame_size, self._fit_now(), self._palette)
        self._session.handle(c.StartFrom(fitted))

    def _find_actions(self, frames: np.ndarray) -> list[int]:
        return self._session.engine.world.actions_between(frames)

    @property
    def _palette(self) -> np.ndarray | None:
        return self.prompts.palette if self.prompts is not None else None
