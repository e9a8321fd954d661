"""What went wrong with a provider, for people: what it means, what to do, and whether trying again can help.

One row for each `provider_ports.Cause`; shown with a run, by the test of a connection, and told when a run has failed. The
texts name nothing of a patient. PRODUCT 3.2, item 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from domain.clinic.provider_ports import Cause


class Advice(NamedTuple):
    """`detail` says what happened, `steps` what people can do; `retryable`: it may be over by itself.

    `fatal`: nothing else of the provider will work either, so a run ends with it.
    """

    detail: str
    steps: tuple[str, ...]
    retryable: bool = False
    fatal: bool = False


_SUPPORT = "If it goes on, ask the provider's support, and name the time of this run."

ADVICE: Mapping[Cause, Advice] = {
    "unauthorized": Advice(
        "The provider does not accept our credentials.",
        (
            "Ask the provider for new credentials.",
            "Store them with the connection: the next run follows by itself.",
        ),
        fatal=True,
    ),
    "forbidden": Advice(
        "The provider accepts our credentials, but not for this.",
        (
            "Ask the provider to grant read access to the types of the connection.",
            "Or leave this type out of the connection.",
        ),
    ),
    "unknown_patient": Advice(
        "The provider does not know a patient of this id.",
        (
            "Compare the patient's id at the provider with that of the connection.",
            "Test the connection after changing it.",
        ),
        fatal=True,
    ),
    "throttled": Advice(
        "The provider asks us to come back later.",
        (
            "Nothing needs to be done: the next run goes on where this one stopped.",
            "If it happens often, let runs follow less often.",
        ),
        retryable=True,
        fatal=True,
    ),
    "provider_error": Advice(
        "The provider has an internal problem.", ("Try again in a few minutes.", _SUPPORT), retryable=True
    ),
    "unreachable": Advice(
        "The provider's server does not answer.",
        ("Compare the address of the connection with what the provider says.", "Try again in a few minutes.", _SUPPORT),
        retryable=True,
        fatal=True,
    ),
    "tls": Advice(
        "The provider's server cannot prove who it is: its certificate is not valid.",
        (
            "Compare the address of the connection with what the provider says.",
            "Ask the provider to renew the certificate.",
        ),
        fatal=True,
    ),
    "timeout": Advice(
        "The provider's server takes too long to answer.", ("Try again in a few minutes.", _SUPPORT), retryable=True
    ),
    "bad_content": Advice(
        "The provider sent something that is no valid resource of this patient.",
        ("Everything else was taken.", "Tell the provider which entry it was: its address there is given."),
    ),
    "hash_mismatch": Advice(
        "A file of the provider is not what its description says: it was damaged or replaced.",
        ("The file was not taken, and is asked for again by the next run.", "Ask the provider to correct the entry."),
        retryable=True,
    ),
    "not_allowed": Advice(
        "This installation may not call the address.",
        (
            "Ask the administrator of this installation to allow the provider's host.",
            "Use an https address of the provider.",
        ),
    ),
    "conflict": Advice(
        "An entry of the provider was changed here and there.",
        ("Yours was kept.", "Compare both, and change yours or ask the provider to change theirs."),
    ),
    "gone": Advice(
        "The provider does not have this any more.",
        ("Nothing was removed here.", "Ask the provider whether the entry was removed on purpose."),
    ),
}
"""NOTE: `fatal` rows end a run; the others concern a type or an entry, and the rest of the run goes on."""
