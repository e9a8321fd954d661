"""What is written to people. Subjects say nothing: they are read by every server on the way, and on locked screens."""

from __future__ import annotations

from domain.accounts.account import Account
from domain.accounts.people import People
from domain.accounts.ports import Letter

_CODE = "\n\nOr give this code where you are asked for it: "
_END = "\n\nIf you did not expect this letter, you need not do anything.\n"


def verification(people: People, account: Account, token: str) -> Letter:
    text = f"Please confirm that this is your address, within three days:\n\n{people.front}/verify-email#{token}"
    return Letter(account.email, "Please confirm your address", text + _CODE + token + _END)


def invitation(people: People, account: Account, token: str) -> Letter:
    text = (
        "You have been invited to Chartvault. Choose a password within seven days:\n\n"
        f"{people.front}/reset-password#{token}"
    )
    return Letter(account.email, "Your invitation", text + _CODE + token + _END)


def reset(people: People, account: Account, token: str) -> Letter:
    text = f"Choose a new password within an hour:\n\n{people.front}/reset-password#{token}"
    return Letter(account.email, "Your request", text + _CODE + token + _END)


def new_address(people: People, email: str, token: str) -> Letter:
    text = f"Please confirm that this is your new address, within an hour:\n\n{people.front}/confirm-email#{token}"
    return Letter(email, "Please confirm your address", text + _CODE + token + _END)


def address_changed(before: Account) -> Letter:
    """To the old address."""
    text = "Your account has another mail address now. If that was not you, tell your clinic at once."
    return Letter(before.email, "A change to your account", text + "\n")


def has_account(people: People, email: str) -> Letter:
    """To somebody who registers again: the surface answered as if the address were new."""
    text = f"Somebody registered with this address, which has an account already. To log in:\n\n{people.front}/login"
    return Letter(email, "Your request", text + _END)


def password_changed(account: Account) -> Letter:
    text = "Your password was changed and every other login was ended. If that was not you, reset it now."
    return Letter(account.email, "A change to your account", text + "\n")


def second_factor_changed(account: Account) -> Letter:
    text = "How you confirm your login was changed. If that was not you, reset your password and tell your clinic now."
    return Letter(account.email, "A change to your account", text + "\n")
