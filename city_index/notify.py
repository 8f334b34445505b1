"""Telling people of a failed run."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from city_index.settings import Settings

_TIMEOUT_SECONDS = 10


def post_failure(settings: Settings, message: str) -> str | None:
    """Post a message to the webhook as ``{"text": message}``, where one is set.

    Returns:
        what went wrong in posting, without the webhook's address; None where nothing did. Never raises: a failed run
        must not fail once more for want of a messenger.
    """
    if settings.webhook_url is None:
        return None
    request = urllib.request.Request(
        settings.webhook_url,
        data=json.dumps({"text": message}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):
            return None
    except (urllib.error.URLError, OSError, ValueError) as error:
        return f"the failure could not be posted to the webhook: {type(error).__name__}"
