"""Action scripts, `right*20,left*4,7*10`: a playthrough in a line of text."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable, Sequence

from app.play.autoplay import ListedActions, RandomActions, Source
from genie_core.config import Action
from genie_core.errors import ScriptError
from genie_core.limits import SCRIPT_STEPS

RANDOM = "random"
_PIECE = re.compile(r"(?P<action>[^*]+?)\s*(?:\*\s*(?P<count>[0-9]{1,4000}))?")


def parse_script(text: str, actions: Sequence[Action]) -> list[int]:
    """Action ids of a script, one a step. Actions go by name or id; spaces do not matter.

    Raises ScriptError, which names the piece at fault and what the world knows.
    """
    ids: list[int] = []
    for piece in text.split(","):
        action, count = _parse_piece(piece.strip(), actions)
        if len(ids) + count > SCRIPT_STEPS:
            raise ScriptError(f"the script is over {SCRIPT_STEPS:,} steps long from {piece.strip()!r} on; shorten it")
        ids += [action] * count
    return ids


def source_of(text: str, actions: Sequence[Action], seed: int) -> Source:
    """A source for autoplay: chance for `random`, else the actions of a script. Raises ScriptError."""
    return RandomActions(seed) if text == RANDOM else ListedActions(tuple(parse_script(text, actions)))


def format_script(ids: Iterable[int], actions: Sequence[Action]) -> str:
    """The shortest script that plays `ids`; `parse_script` undoes it."""
    runs = ((actions[action].name, len(list(run))) for action, run in itertools.groupby(ids))
    return ",".join(name if count == 1 else f"{name}*{count}" for name, count in runs)


def _parse_piece(piece: str, actions: Sequence[Action]) -> tuple[int, int]:
    match = _PIECE.fullmatch(piece)
    if not piece:
        raise _error("the script names no action before, after or between its commas", actions)
    if not match:
        lacks = "says no number of steps after its *" if piece.endswith("*") else "is no action, nor one times steps"
        raise _error(f"{piece!r} in the script {lacks}", actions)
    known = {str(action.id): action.id for action in actions} | {action.name: action.id for action in actions}
    if match["action"] not in known:
        near = difflib.get_close_matches(match["action"], known, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise _error(f"{piece!r} in the script names no action of this world{meant}", actions)
    count = int(match["count"] or "1")
    if count == 0:
        raise _error(f"{piece!r} in the script lasts 0 steps, expected 1 or more", actions)
    return known[match["action"]], count


def _error(fault: str, actions: Sequence[Action]) -> ScriptError:
    names = ", ".join(action.name for action in actions)
    example = f"{actions[0].name}*20,{actions[-1].id}*4"
    last = len(actions) - 1
    return ScriptError(f"{fault}; the actions are {names}, or ids 0-{last}; for example --actions {example}")
