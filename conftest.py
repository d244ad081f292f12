"""For every pytest run, nbval's included: kernels find the package and show the static form of live cells."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
os.environ["GDCOURSE_STATIC"] = "1"
