"""What a session has played: as a list of actions, and as a saved session."""

from __future__ import annotations

from pathlib import Path

from app.play.session import PlaySession
from app.play.session_file import write_session
from app.play.session_snapshot import snapshot


def actions_of(session: PlaySession) -> list[int]:
    """The actions from the prompt to the frame shown."""
    return list(session.timeline.path())[: session.steps]


def session_bytes(session: PlaySession) -> bytes:
    return snapshot(session)()


def save_session(session: PlaySession, path: Path) -> None:
    write_session(path, session_bytes(session))
