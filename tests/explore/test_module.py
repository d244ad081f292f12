"""The module that draws: tested under Node against numbers from Python, and for what must not be in it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from gdcourse.explore.pack import Encoding, pack, unpack
from gdcourse.explore.template import fill
from gdcourse.problems import Network

HERE = Path(__file__).parent
MODULE = HERE.parents[1] / "gdcourse" / "explore" / "explore.js"
RNG = np.random.default_rng(0)


def listed(array):
    return [None if np.isnan(value) else value for value in array.ravel().tolist()]


def fixture():
    """What the module must agree with."""
    arrays = {
        "walk": np.cumsum(RNG.normal(size=(3, 4, 20)), -1),
        "steep": np.cumsum(RNG.normal(size=(5, 6)) * 1e3, 0),
        "bytes": np.sin(np.arange(300).reshape(3, 100) / 9),
        "decades": np.exp(RNG.normal(size=40) * 8),
        "gaps": np.where(RNG.random((6, 7)) < 0.3, np.nan, RNG.normal(size=(6, 7))),
        "whole": np.array([0.0, 5, -30000]),
    }
    encodings = {"bytes": Encoding(bits=8), "decades": Encoding(log=True)}
    payload, entries = pack(arrays, encodings)
    # none that lies halfway between two roundings: there the two languages differ
    numbers = [
        0,
        1,
        -1,
        0.6,
        1 / 3,
        123.456,
        999.6,
        1000,
        1234.6,
        0.00012345,
        1.6e-5,
        -2e-7,
        1e10,
        6.02e12,
        99.96,
    ]
    forms = ["d", ".0f", ".2f", ".3g", ".4g", ".2g", ".1e", ".2e", ".0%", ".1%"]

    def python(value, form):
        return fill(f"{{value:{form}}}", {}, lambda name, at: value, {})

    scattered = np.concatenate(
        [RNG.normal(size=200), [0.5, 2.5, -0.004, 0.125, 9.995, 1 / 3, 0.0, np.nan, np.inf]]
    )
    decades = scattered * np.exp(np.cos(np.arange(scattered.size)) * 20)
    told = {("n", form): decades if form[-1] in "eg" else scattered for form in forms}
    told_payload, told_entries = pack({}, {}, told)
    network = Network(sizes=(16, 6, 3))
    theta, inputs = network.init(0), torch.from_numpy(RNG.random((4, 16)))
    outputs = torch.softmax(network.forward(theta, inputs)[-1], -1)
    return {
        "payload": payload,
        "entries": entries,
        "arrays": {
            name: {"shape": list(array.shape), "data": listed(array)}
            for name, array in unpack(payload, entries).items()
        },
        "formats": [(v, f, python(v, f)) for v in numbers for f in forms],
        "told": {
            "payload": told_payload,
            "entries": told_entries,
            "texts": {f"{n}:{f}": [python(v, f) for v in told[n, f]] for n, f in told},
        },
        "layers": [{"weights": w.tolist(), "biases": b.tolist()} for w, b in network.layers(theta)],
        "inputs": inputs.tolist(),
        "outputs": outputs.tolist(),
    }


def test_under_node(tmp_path):
    node = shutil.which("node")
    if node is None:
        reason = "no node on PATH (`make test` installs it on Debian where it has the right to)"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    (tmp_path / "fixture.json").write_text(json.dumps(fixture()))
    module = tmp_path / "gdcourse" / "explore" / "explore.mjs"  # Node takes it for a module by its name
    module.parent.mkdir(parents=True)
    shutil.copy(MODULE, module)
    test = tmp_path / "tests" / "explore" / "explore.test.mjs"
    test.parent.mkdir(parents=True)
    test.write_text((HERE / "explore.test.mjs").read_text().replace("explore.js", "explore.mjs"))
    done = subprocess.run(
        [node, "--test", str(test)],
        env={**os.environ, "FIXTURE": str(tmp_path / "fixture.json")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "# pass 14" in done.stdout, done.stdout[-600:]


def test_no_optimizer_is_computed_on_the_page():
    """Not one hyperparameter, state or rule goes by its name in the module."""
    code = re.sub(r"//.*|/\*.*?\*/", "", MODULE.read_text(encoding="utf-8"), flags=re.S)
    words = set(re.findall(r"[A-Za-z_]\w*", code))
    assert not words & {
        "lr",
        "gamma",
        "beta1",
        "beta2",
        "eps",
        "grad",
        "theta",
        "velocity",
        "momentum",
        "adam",
        "rho",
    }
