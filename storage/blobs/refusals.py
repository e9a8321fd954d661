"""What an S3 store says when it refuses, as sentences for whoever runs this. The store's own text is never passed on."""

from __future__ import annotations

import urllib3

from domain.errors import Unavailable

TIMED_OUT = "The blob store does not answer in time"

_SENTENCES = {
    "SignatureDoesNotMatch": "The blob store refuses the signature: CHARTVAULT_BLOB_SECRET_KEY or the region is wrong",
    "InvalidAccessKeyId": "The blob store does not know the access key: check CHARTVAULT_BLOB_ACCESS_KEY",
    "RequestTimeTooSkewed": "The clock of this machine and that of the blob store differ by minutes: set it by NTP",
    "NoSuchBucket": "The bucket does not exist: `chartvault bucket init` makes it",
    "AccessDenied": "The blob store denies access: the account may not put, get and delete objects in this bucket",
    "QuotaExceeded": "The quota of the blob store is used up: nothing was stored",
    "EntityTooLarge": "The blob store takes no object of this size",
    "SlowDown": "The blob store is overloaded and asks to slow down",
}
_CODES = {"QuotaExceeded": "no-store", "EntityTooLarge": "too-long"}


def refusal(error: Exception) -> Unavailable:
    """The failure of a call to the store in our words: by the error code of S3, else by its kind."""
    text = str(error)
    for code, sentence in _SENTENCES.items():
        if code in text:
            return Unavailable(sentence, code=_CODES.get(code))
    if isinstance(error, FileNotFoundError):
        return Unavailable("The blob store has lost what was stored a moment ago")
    if "kind: Timeout" in text or isinstance(error, urllib3.exceptions.TimeoutError):
        return Unavailable(TIMED_OUT, code="timeout")
    return Unavailable(f"The blob store cannot do this now ({type(error).__name__})")
