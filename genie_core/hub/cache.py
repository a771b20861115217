"""Worlds leave the cache of huggingface_hub."""

from __future__ import annotations

from pathlib import Path

from genie_core.hub.address import Address
from genie_core.hub.failures import told_in_words


def forget(repo: str, commit: str) -> None:
    """Delete a commit of a repository from the cache, and what was fetched of it half. Raises HubError if it stays."""
    with told_in_words(Address(repo, commit)):
        from huggingface_hub import CacheNotFound, constants, scan_cache_dir

        try:
            scan_cache_dir().delete_revisions(commit).execute()
        except CacheNotFound:
            return
        folder = Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"
        for half in folder.glob("blobs/*.incomplete"):
            half.unlink(missing_ok=True)
