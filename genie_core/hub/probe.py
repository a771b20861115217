"""Whether the Hub answers, asked before anything waits for it: a network may be there and lead nowhere."""

from __future__ import annotations

import threading

from genie_core.errors import ConfigError
from genie_core.hub.address import Address

ANSWER_S = 10.0  # that the Hub may take to begin an answer
WHOLE_S = 20.0  # and to end it


def silence(address: Address, kind: str = "model") -> str | None:
    """What is wrong with the Hub's answer about a repository, None if it answers as a Hub does, if only with a refusal.

    None too if no connection is made at all, which huggingface_hub tells by itself.
    """
    found: list[str | None] = []
    asking = threading.Thread(target=lambda: found.append(_ask(address, kind)), daemon=True)
    asking.start()
    asking.join(WHOLE_S)
    return found[0] if found else f"does not answer within {WHOLE_S:g} s"


def _ask(address: Address, kind: str) -> str | None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # whichever httpx this version raises from

    try:
        HfApi().repo_info(address.repo, revision=address.revision, repo_type=kind, timeout=ANSWER_S)
    except httpx.TimeoutException:
        return f"does not answer within {ANSWER_S:g} s"
    except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, httpx.NetworkError, httpx.ProxyError):
        return None
    except (OSError, ImportError):  # of the folder of tokens; of the proxy
        return None
    except Exception as error:  # a page of a hotel's network, a server of something else: any answer may come
        return None if "proxy URL" in str(error) else "does not answer as a Hub does"
    return None


def require_proxy() -> None:
    """Raises ConfigError if the environment names a proxy by which the web packages cannot be imported."""
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # the one that gradio and the Hub connect by

    try:
        httpx.Client().close()
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"the proxy that your environment names cannot be used ({error}); the demo needs none: unset ALL_PROXY, "
            "HTTP_PROXY and HTTPS_PROXY, or set them to an http:// address"
        ) from error
