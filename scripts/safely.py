"""What the commands share for the day when something goes wrong.

One run at a time, files written whole or not at all, and a sentence where the reader would otherwise get a
traceback. Standard library only: `setup_env.py` uses it before there is an environment.
"""

import contextlib
import errno
import os
import shutil
import sys
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has none: there nobody waits for anybody
    fcntl = None

ROOT = Path(__file__).resolve().parents[1]
LITTLE_ROOM = 100e6  # bytes; with less than this on a disk, the disk is what went wrong

FULL = "Make room and run the command again: what is half done is made afresh."
READ_ONLY = (
    "The commands write to .venv and _build, `make notebooks` to book too: make them writable, or copy "
    "the folder to a place where you may write."
)
NO_NETWORK = (
    "pip did not reach the package index. The first set-up needs a network, or a folder of packages that "
    "PIP_FIND_LINKS names; later runs need neither. Run the command again when there is one."
)
CAUSES = [
    (("No space left on device", "Disk quota exceeded"), f"The disk is full. {FULL}"),
    (("Read-only file system", "Permission denied"), f"A place cannot be written to. {READ_ONLY}"),
    (
        ("NewConnectionError", "ProxyError", "ConnectTimeoutError", "NameResolutionError"),
        NO_NETWORK,
    ),
]


@contextlib.contextmanager
def alone(script, doing):
    """Wait until nobody else holds the lock of `script`, a file of ours, and hold it.

    Gives the lock's file descriptor. A child that gets it (`pass_fds`) keeps the lock until it ends: where
    the parent was killed, the next run waits for the child and does not work against it.
    """
    with open(script, "rb") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"Another run is {doing} here: waiting for its end …", flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:  # some network file systems have no locks
                pass
        yield file.fileno()


def write_whole(path, text):
    """Write a text file of which nobody ever finds a half: until it is complete, what was there stays."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        if isinstance(error, OSError):
            error.filename = str(path)  # the name that people know
        raise


def full_disks(places):
    """Those of the folders whose disk has hardly any room left, each with what is left."""
    left = {place: shutil.disk_usage(place).free for place in places if place.exists()}
    return [f"{place} has {free / 1e6:.0f} MB left" for place, free in left.items() if free < LITTLE_ROOM]


def cause(text, places):
    """A sentence with the likely cause of a failure and what to do, from a command's output and from how full
    the disks of the places are; '' where neither tells."""
    if full := full_disks(places):
        return f"The disk is full ({', '.join(full)}). {FULL}"
    return next((advice for marks, advice in CAUSES if any(mark in text for mark in marks)), "")


def explain(error):
    """The sentence for an error of the operating system that is no fault of the program; '' for any other."""
    place = error.filename or "a file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full: {place} could not be written. {FULL}"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{place} could not be written or removed ({error.strerror}). {READ_ONLY}"
    return ""


def run(main, *arguments):
    """Call a script's `main` and give back its exit status, also where it was interrupted or had no room."""
    try:
        return main(*arguments)
    except KeyboardInterrupt:
        print("\nInterrupted. Run the command again: what is half done is made afresh.", file=sys.stderr)
        return 130
    except OSError as error:
        if not (sentence := explain(error)):
            raise
        print(sentence, file=sys.stderr)
        return 1
