"""Worlds that visitors of the demo bring from the Hub: they never fill the disk, and never push out the owner's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="pip install -r requirements.txt")

from app.web import brought, limits
from app.web.brought import BroughtWorlds
from genie_core.errors import HubError
from genie_core.hub.download import Weighed

GB = 10**9


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was deleted from the cache, in order."""
    gone: list[str] = []
    monkeypatch.setattr(brought, "forget", lambda repo, commit: gone.append(f"{repo}@{commit}"))
    monkeypatch.setattr(limits, "BROUGHT_BYTES", 2 * GB)
    return gone


def new(commit: str, size: int = GB) -> Weighed:
    return Weighed(commit, size, size)


def test_the_world_named_longest_ago_makes_room(tmp_path: Path, gone: list[str]) -> None:
    for commit in ("1", "2"):
        BroughtWorlds(tmp_path / "notes.json").admit("ada/a", new(commit))
    again = BroughtWorlds(tmp_path / "notes.json")  # the demo was started again
    again.admit("ada/a", Weighed("1", GB, 0))
    assert gone == []
    again.admit("bob/b", new("3"))
    assert gone == ["ada/a@2"], "1 was named again since"
    again.admit("bob/b", new("4", 2 * GB))
    assert gone == ["ada/a@2", "ada/a@1", "bob/b@3"]
    assert json.loads((tmp_path / "notes.json").read_text()) == [["bob/b", "4", 2 * GB]]


def test_a_world_of_the_owner_is_not_the_visitors(tmp_path: Path, gone: list[str]) -> None:
    worlds = BroughtWorlds(tmp_path / "notes.json")
    worlds.admit("owner/own", Weighed("0", GB, 0))
    for commit in ("1", "2", "3", "4"):
        worlds.admit("ada/a", new(commit))
    assert gone == ["ada/a@1", "ada/a@2"]


def test_a_download_that_broke_off_counts_whole(tmp_path: Path, gone: list[str]) -> None:
    worlds = BroughtWorlds(tmp_path / "notes.json")
    worlds.admit("ada/a", new("1"))
    worlds.admit("ada/a", Weighed("1", GB, GB // 10))  # nine tenths had come
    worlds.admit("ada/b", new("2", GB + 1))
    assert gone == ["ada/a@1"]


@pytest.mark.parametrize("content", ["", "{", "[1]", '[["a", 1]]', '{"a": 1}', "[" * 9999, '[["a", "b", "c"]]'])
def test_damaged_notes_are_begun_anew(tmp_path: Path, gone: list[str], content: str) -> None:
    (tmp_path / "notes.json").write_text(content)
    BroughtWorlds(tmp_path / "notes.json").admit("ada/a", new("1"))
    assert json.loads((tmp_path / "notes.json").read_text()) == [["ada/a", "1", GB]]


def test_a_world_that_cannot_be_deleted_lets_no_other_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stays(repo: str, commit: str) -> None:
        raise HubError("the cache cannot be written to")

    monkeypatch.setattr(brought, "forget", stays)
    monkeypatch.setattr(limits, "BROUGHT_BYTES", 2 * GB)
    worlds = BroughtWorlds(tmp_path / "notes.json")
    worlds.admit("ada/a", new("1", 2 * GB))
    with pytest.raises(HubError, match="cannot be written"):
        worlds.admit("ada/b", new("2"))
    assert json.loads((tmp_path / "notes.json").read_text()) == [["ada/a", "1", 2 * GB]]
