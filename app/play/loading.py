"""How far loading is, for a front end to show."""

from __future__ import annotations


class Progress:
    """`text` says what is being loaded, `done` is the share that is done, 0 to 1."""

    def __init__(self) -> None:
        self.text, self.done = "", 0.0

    def tell(self, text: str, done: float) -> None:
        self.text, self.done = text, done
