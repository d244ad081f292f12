"""The data that come with the package, read whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path


def stored(path: Path, sha256: str, what: str) -> bytes:
    """A file's bytes.

    Parameters
    ----------
    path : the file.
    sha256 : the checksum that it must have.
    what : what the file holds, with its verb, as in "the digits are".

    Raises
    ------
    FileNotFoundError : it is not there.
    ValueError : it has another checksum.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{what} missing: {path} is not there. It comes with gdcourse: install the package again."
        )
    raw = path.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{what} damaged: {path} has {len(raw)} bytes and sha256 {found}, expected {sha256}. "
            "Install gdcourse again, or restore the file from the repository."
        )
    return raw
