"""Upload a folder to the Hub as one commit."""

from __future__ import annotations

from pathlib import Path

from genie_core.errors import HubError
from genie_core.hub.address import Address, require_repository
from genie_core.hub.failures import told_in_words


def upload(
    folder: Path, repo: str, *, private: bool = False, tag: str | None = None, variables: dict[str, str] | None = None
) -> str:
    """Upload the files of `folder` to the repository OWNER/NAME, creating it if needed; return the commit's hash.

    With `variables` the repository is a Gradio Space, with these in its environment. `tag` names the commit. Raises
    ConfigError if the name is not OWNER/NAME. Raises HubError, before anything is sent, if the tag is taken or the
    repository is public and `private` is asked for; also if the Hub or the network refuses.
    """
    require_repository(repo)
    with told_in_words(Address(repo), uploading=True):
        from huggingface_hub import HfApi

        api = HfApi()
        kind, what, sdk = ("model", "world", None) if variables is None else ("space", "web demo", "gradio")
        api.create_repo(repo, repo_type=kind, private=private or None, exist_ok=True, space_sdk=sdk)
        if private and not api.repo_info(repo, repo_type=kind).private:
            raise HubError(f"{repo} exists and is public; make it private in its settings, or leave out --private")
        if tag and tag in {known.name for known in api.list_repo_refs(repo, repo_type=kind).tags}:
            raise HubError(f"{repo} has a revision {tag} already; choose another name for this one")
        for key, value in (variables or {}).items():  # before the files, which are built when they arrive
            api.add_space_variable(repo, key, value)
        said = f"Publish a {what}"
        commit = api.upload_folder(repo_id=repo, repo_type=kind, folder_path=folder, commit_message=said)
        if tag:
            api.create_tag(repo, repo_type=kind, tag=tag, revision=commit.oid)
    return commit.oid
