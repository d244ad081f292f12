# Set-up: finds the package gdcourse, and fetches it where this notebook was opened alone.
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys


class NotFetched(Exception):
    def _render_traceback_(self):  # a notebook shows the sentence alone
        return [str(self)]


os.environ.setdefault("OMP_NUM_THREADS", "1")  # sums are taken in the same order on every machine
spec = importlib.util.find_spec("gdcourse")
if spec is None or spec.origin is None:
    here = pathlib.Path.cwd()
    places = [here, *here.parents, here / "gdcourse-book"]
    found = [place for place in places if (place / "gdcourse" / "__init__.py").exists()]
    if not found:
        print("Fetching gdcourse, the library that this notebook runs, from REPOSITORY_URL …")
        unfinished = here / "gdcourse-book.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was interrupted
        fetch = ["git", "clone", "--quiet", "--depth", "1", "REPOSITORY_URL", str(unfinished)]
        silent = os.environ | {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": ""}  # nobody would see it ask
        try:
            subprocess.run(fetch, env=silent, check=True, capture_output=True, input=b"", timeout=300)
            found = [unfinished.rename(here / "gdcourse-book")]
        except (OSError, subprocess.SubprocessError) as error:
            why = "git is not installed" if isinstance(error, FileNotFoundError) else "git could not reach it"
            raise NotFetched(
                f"The library gdcourse is not here, and {why}. With a network, run `%pip install "
                '"gdcourse[book] @ REPOSITORY_URL/archive/refs/heads/main.zip"` in a cell; without one, '
                "upload the folder gdcourse of the repository, or its wheel and `%pip install` that. Then "
                "run this cell again."
            ) from None
    sys.path.insert(0, str(found[0]))
