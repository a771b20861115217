"""Opens what the player gives the window: pictures, videos, saved sessions, the clipboard.

All of it is read in a thread, for a disk may be slow and a video long: the window goes on drawing, and says what it
reads. What was read is taken by `tell`, between two steps.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event

import numpy as np
from PIL import Image, ImageGrab

from app.play import commands as c
from app.play.autoplay import ListedActions
from app.play.session import PlaySession
from app.play.session_file import SUFFIX, load_session
from app.play.start_pictures import Prompts
from app.window.film import Film, picture_film, read_film
from app.window.preview import Preview
from genie_core.errors import GenieError, PictureError
from genie_core.pictures import load_picture, picture_of
from genie_core.video import is_animated

Taken = Callable[[], None]
"""Takes what was read into the session."""


class Opener:
    """Starts one session from files. `fit_now` gives the player's way to fit; `show` opens a preview.

    `reading` says what is being read, empty if nothing is.
    """

    def __init__(
        self, session: PlaySession, prompts: Prompts | None, fit_now: Callable[[], str], show: Callable[[Preview], None]
    ) -> None:
        self._session, self._fit_now, self._show = session, fit_now, show
        self.prompts = prompts
        self._source: Film | None = None  # the picture or video played from; None: that of the start
        self._job: Future[Taken] | None = None
        self._in_part = True  # whether what was read of the job by then is of use
        self._stopped = Event()
        self._reader = ThreadPoolExecutor(1, "reading")
        self.reading = ""
        self.imitated: list[int] = []  # the actions found in the last video

    def open(self, path: Path) -> None:
        """Reads a file, to go on with a session, show a video to choose a frame from, or start from a picture."""
        self._begin(f"reading {path.name}", lambda stopped: self._read(path, stopped))

    def load(self, path: Path) -> None:
        """Goes on with a saved session."""
        self._take_session(path)()

    def next_picture(self, by: int) -> None:
        """Starts from the next start picture, or the previous one with -1."""
        if self.prompts is not None and self.prompts.files:
            path = self.prompts.next(by)
            self._start(load_picture(path))
            self._session.tell(c.WENT, f"start picture {path.name}")

    def paste(self) -> None:
        """Starts from the picture or the file in the clipboard."""
        self._begin("reading the clipboard", self._read_clipboard)

    def preview(self) -> None:
        """Shows how the world sees the current picture, or lets the player choose a frame of the last video."""
        session, film = self._session, self._source
        size = session.config.frame_size
        if film is None:
            first = self.prompts.first if self.prompts is not None else None
            film = picture_film(session.prompt if first is None else load_picture(first), size)
        self._show(Preview(film, self._fit_now(), size, self._palette, session.engine.familiarity))

    def take(self, preview: Preview) -> None:
        """Starts from what the player chose in `preview`."""
        assert preview.chosen is not None
        self._session.handle(c.StartFrom(preview.chosen.picture))
        if preview.chosen.imitate:
            frames = preview.frames()[preview.at :]
            find = partial(self._find_actions, frames)
            self._begin(f"finding the actions of {len(frames)} frames", find, in_part=False)

    def tell(self) -> None:
        """Takes what was read, or tells why it cannot be."""
        if self._job is None or not self._job.done():
            return
        job, self._job, self.reading = self._job, None, ""
        try:
            job.result()()
        except GenieError as error:
            self._session.tell(c.REFUSED, str(error))

    def stop(self) -> None:
        """Reads no further. What was read of a video by then can be used; actions of a part of it are let go."""
        self._stopped.set()
        if not self._in_part:
            self._job, self.reading = None, ""

    def close(self) -> None:
        self.stop()
        self._reader.shutdown(wait=False, cancel_futures=True)

    def _begin(self, what: str, read: Callable[[Event], Taken], in_part: bool = True) -> None:
        """Reads in the thread; what was being read until now is let go."""
        self.stop()
        self._stopped, self.reading, self._in_part = Event(), what, in_part
        self._job = self._reader.submit(read, self._stopped)

    def _read(self, path: Path, stopped: Event) -> Taken:
        try:
            if path.suffix == SUFFIX:
                return self._take_session(path)
            if is_animated(path):
                config = self._session.config
                return self._take_film(read_film(path, config.frame_size, config.fps, stopped))
            picture = load_picture(path)
        except GenieError:
            raise
        except Exception as error:  # parsers meet foreign bytes with almost any exception, and no file may end a game
            raise PictureError(
                f"{path.name} cannot be read ({error}); drop a picture, a video or a saved session"
            ) from error
        return lambda: self._start(picture)

    def _read_clipboard(self, stopped: Event) -> Taken:
        try:
            found = ImageGrab.grabclipboard()
            if isinstance(found, list) and found:
                return self._read(Path(found[0]), stopped)
            picture = picture_of(found) if isinstance(found, Image.Image) else None
        except GenieError:
            raise
        except Exception as error:  # as above, and desktops have clipboards of many kinds
            raise PictureError(f"the clipboard cannot be read ({error}); drop a picture file on the window") from error
        if picture is None:
            raise PictureError("the clipboard holds no picture; copy one, or drop a file on the window")
        return lambda: self._start(picture)

    def _take_session(self, path: Path) -> Taken:
        session = self._session
        saved = load_session(path, session.engine.world)
        session.engine.make_ready(saved.sampling.unmask_steps)  # else the next step would, or end the game if it cannot

        def take() -> None:
            before = set(session.branches)
            session.handle(c.Open(saved))
            session.catch_up()
            self._source = picture_film(session.prompt, session.config.frame_size)
            added = len(set(session.branches) - before)
            more = f"{added} {'branch' if added == 1 else 'branches'} added" if added else "all of it was here"
            session.tell(c.WENT, f"{path.name}, at step {session.steps}: {more}; press a key to play on")

        return take

    def _take_film(self, film: Film) -> Taken:
        def take() -> None:
            self._source = film
            for sentence in film.told:
                self._session.tell(c.TOLD, sentence)
            self.preview()

        return take

    def _start(self, picture: np.ndarray) -> None:
        """Starts from uint8 (H, W, 3), fitted as the player chose."""
        size = self._session.config.frame_size
        self._source = picture_film(picture, size)
        self._session.handle(c.StartFrom(self._source.frame(0, size, self._fit_now(), self._palette)))

    def _find_actions(self, frames: np.ndarray, stopped: Event) -> Taken:
        found = self._session.engine.world.actions_between(frames)

        def take() -> None:
            self.imitated = found
            if found:
                self._session.handle(c.Autoplay(ListedActions(tuple(found))))
            self._session.tell(c.TOLD, f"playing the {len(found)} actions of the video; any key takes over")

        return take

    @property
    def _palette(self) -> np.ndarray | None:
        return self.prompts.palette if self.prompts is not None else None
