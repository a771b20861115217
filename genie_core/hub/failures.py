"""Refusals of the Hub, the network or the disk as one sentence each, with what to do next."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from genie_core.errors import HubError
from genie_core.hub.address import Address

AT_HAND = "`python launch.py --worlds` lists the worlds on this computer"
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"
PROXY = "unset ALL_PROXY, HTTP_PROXY and HTTPS_PROXY, or set them to an http:// address"
CHECK = "check your connection, your proxy and HF_ENDPOINT"
FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


@contextmanager
def told_in_words(address: Address, uploading: bool = False) -> Iterator[None]:
    """Turn errors of huggingface_hub inside the block into a HubError about `address`."""
    from huggingface_hub.errors import EntryNotFoundError
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # whichever httpx this version raises from

    try:
        yield
    # Failed uploads are RuntimeError or ValueError; so are failures of the Hub's own storage protocol.
    except (httpx.HTTPError, EntryNotFoundError, OSError, RuntimeError, ValueError, ImportError) as error:
        causes = list(_causes(error))
        found = _of_the_proxy(causes) or _of_the_disk(causes)
        found = found or _of_the_repository(causes, address, uploading) or _of_the_server(causes)
        sentence = found or _of_the_network(causes, address, uploading)
        raise HubError(" ".join(sentence.split())) from error  # servers answer in several lines


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes: huggingface_hub wraps the telling error in others."""
    while error is not None:
        yield error
        error = error.__cause__


def _of_the_proxy(causes: list[BaseException]) -> str | None:
    """Of a proxy that the environment names and that no connection can be made through: no request was sent."""
    told = next((str(error) for error in causes if isinstance(error, ImportError) or "proxy URL" in str(error)), None)
    return told and f"the proxy that your environment names cannot be used ({told}); {PROXY}"


def _of_the_disk(causes: list[BaseException]) -> str | None:
    for error in causes:
        number = error.errno if isinstance(error, OSError) else None
        if number in FULL:
            return f"the disk has no room for the download ({error}); free some, or set HF_HOME to a folder elsewhere"
        if number in CLOSED:
            return f"the cache cannot be written to ({error}); set HF_HOME to a folder of yours"
    return None


def _of_the_repository(causes: list[BaseException], address: Address, uploading: bool) -> str | None:
    from huggingface_hub import constants, errors

    repo, page = address.repo, f"{constants.ENDPOINT}/{address.repo}"
    missing = f"there is neither a folder {address} here nor a world {repo} on the Hub; check the name, or, if it is "
    closed = f"the Hub does not let you write to {repo}: {LOG_IN}, with a token that may write"
    kinds = {  # a class before its parent
        errors.GatedRepoError: f"{repo} is gated: accept its terms at {page}, {LOG_IN}, and run this again",
        errors.RepositoryNotFoundError: closed if uploading else f"{missing}private, {LOG_IN}",
        errors.RevisionNotFoundError: f"{repo} has no revision {address.revision!r}: leave it out for the newest, "
        f"or choose one at {page}",
        errors.HFValidationError: f"{repo} cannot be a repository's name ({causes[0]}); write OWNER/NAME",
    }
    return next((told for error in causes for kind, told in kinds.items() if isinstance(error, kind)), None)


def _of_the_server(causes: list[BaseException]) -> str | None:
    from huggingface_hub.errors import HfHubHTTPError

    error = next((error for error in causes if isinstance(error, HfHubHTTPError)), None)
    if error is None:
        return None
    status, said = error.response.status_code, error.server_message or error.response.reason_phrase
    known = {
        401: f"the Hub does not accept your token ({said}); {LOG_IN}",
        403: f"the Hub forbids this ({said}); {LOG_IN}, with a token that may do it",
        429: f"the Hub says that you ask too often ({said}); wait a few minutes and run this again",
    }
    broken = f"the Hub is out of order ({status} {said}); try later; {AT_HAND}"
    return known.get(status, broken if status >= 500 else f"the Hub refuses ({status} {said}); {AT_HAND}")


def _of_the_network(causes: list[BaseException], address: Address, uploading: bool) -> str:
    from huggingface_hub import constants, errors
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # whichever httpx this version raises from

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(error, kinds) for error in causes)

    way, mend = f"{constants.ENDPOINT} cannot be reached", "connect"
    if constants.HF_HUB_OFFLINE:
        way, mend = "HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE"
    if uploading and has(errors.OfflineModeIsEnabled, httpx.ConnectError):
        return f"{address} cannot be published because {way}; {mend} and run this again"
    if has(errors.FileMetadataError):
        return f"{constants.ENDPOINT} does not answer as a Hub does; {CHECK}"
    if has(errors.IncompleteSnapshotError):
        return f"an earlier download of {address} broke off, and {way}; {mend} and run this again for the rest"
    if has(errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, httpx.ConnectError):
        return f"{address} is not in the cache, and {way}; {mend} and run this again; {AT_HAND}"
    what, kept = ("upload", "sent") if uploading else ("download", "received")
    return f"the {what} of {address} broke off ({causes[0]}); run this again: complete files are not {kept} twice"
