"""The master key: where the key hierarchy is anchored, and the only secret that is not in the database.

    master key (KMS, or a 0600 file for development) -> data key in the vault -> patient, directory, audit and index
    keys

A KMS provider (`aws`, `azure`, `gcp`, `kmip`) is named with its master key document and, unless the environment or
the instance supplies them, its credentials, exactly as CSFLE wants them:
https://www.mongodb.com/docs/manual/core/csfle/reference/kms-providers/. The provider `local` reads a key file, which
whoever copies the disk has too: it is for development, announces itself, and production refuses it.
"""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

LOCAL_KEY_BYTES = 96
"""The size CSFLE asks of a local master key."""


class UnsafeMasterKey(RuntimeError):
    """The master key is missing, readable by others, or of a kind that this profile does not allow. Nothing
    starts."""


class MasterKey(msgspec.Struct, frozen=True):
    """Which master key protects the vault.

    `options` is the CSFLE master key document (aws: `key`, `region`; azure: `keyVaultEndpoint`, `keyName`; gcp:
    `projectId`, `location`, `keyRing`, `keyName`; kmip: `keyId`), for `local` the `path` of the key file.
    `credentials` are the provider's credentials; empty means that PyMongo fetches them from environment or instance.
    `tls` are the provider's TLS options (kmip needs a client certificate).
    """

    provider: str
    options: Mapping[str, Any] = {}
    credentials: Mapping[str, Any] = {}
    tls: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        return f"MasterKey({self.provider})"

    @property
    def is_local(self) -> bool:
        return self.provider == "local"

    @property
    def path(self) -> Path:
        """The local key file. Raises `UnsafeMasterKey` when none is named."""
        if not self.options.get("path"):
            raise UnsafeMasterKey("The local master key needs the path of its file")
        return Path(self.options["path"])


class LocalKeys(msgspec.Struct, frozen=True):
    """The content of a local key file: named CSFLE providers (`local:k1`) and which of them is newest.

    More than one exists only while `keys rotate` runs.
    """

    newest: str
    keys: Mapping[str, str]

    def __repr__(self) -> str:
        return f"LocalKeys({self.newest})"

    def providers(self) -> dict[str, dict[str, bytes]]:
        """As CSFLE's `kms_providers`."""
        return {name: {"key": base64.b64decode(key)} for name, key in self.keys.items()}

    def successor(self) -> LocalKeys:
        """The same keys and a new, newest one."""
        name = f"local:k{int(self.newest.removeprefix('local:k')) + 1}"
        return LocalKeys(name, {**self.keys, name: _new_key()})

    def only_newest(self) -> LocalKeys:
        return LocalKeys(self.newest, {self.newest: self.keys[self.newest]})


def create_local_keys(path: Path) -> None:
    """Write a new local key file, unless one exists. Of several processes that try at once, one wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _draft(path, LocalKeys("local:k1", {"local:k1": _new_key()}))
    try:
        os.link(draft, path)
        _sync_folder(path.parent)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def read_local_keys(path: Path) -> LocalKeys:
    """The keys of a local key file. Raises `UnsafeMasterKey` when it is absent, open to others or no key file."""
    try:
        mode = path.stat().st_mode
        text = path.read_bytes()
    except OSError as error:
        raise UnsafeMasterKey(f"The master key file {path} cannot be read") from error
    if stat.S_IMODE(mode) & 0o077:
        raise UnsafeMasterKey(f"The master key file {path} is open to others: chmod 600 it")
    try:
        keys = msgspec.json.decode(text, type=LocalKeys)
        sizes = {len(key["key"]) for key in keys.providers().values()}
        if sizes != {LOCAL_KEY_BYTES} or keys.newest not in keys.keys:
            raise ValueError
    except ValueError:
        # Without the cause: its message may quote the file.
        raise UnsafeMasterKey(f"The master key file {path} does not hold a master key") from None
    return keys


def replace_local_keys(path: Path, keys: LocalKeys) -> None:
    """Put `keys` in place of the file's content, atomically and durably."""
    _draft(path, keys).replace(path)
    _sync_folder(path.parent)


def _new_key() -> str:
    return base64.b64encode(os.urandom(LOCAL_KEY_BYTES)).decode()


def _draft(path: Path, keys: LocalKeys) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(keys))
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
