"""How far loading is, for whoever shows it."""

from __future__ import annotations


class Progress:
    """Told by whoever loads: `text`, what is being done, and `done`, the share that is done, 0 to 1."""

    def __init__(self) -> None:
        self.text, self.done = "", 0.0

    def tell(self, text: str, done: float) -> None:
        self.text, self.done = text, done
