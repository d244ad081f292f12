"""Numbers go into a page and come back: to half a quantisation step, whole ones exactly."""

import json
import zlib
from base64 import b64decode

import numpy as np
import pytest

from gdcourse.explore.pack import Encoding, decimals, pack, steps_apart, unpack
from gdcourse.explore.template import fill

RNG = np.random.default_rng(0)
ARRAYS = {
    "walk": (np.cumsum(RNG.normal(size=(3, 4, 50)), -1), Encoding()),
    "walk in 8 bits": (np.cumsum(RNG.normal(size=(3, 40, 5)), 1), Encoding(bits=8)),
    "over decades": (np.exp(RNG.normal(size=60) * 8), Encoding(log=True)),
    "with gaps": (np.where(RNG.random((6, 7)) < 0.3, np.nan, RNG.normal(size=(6, 7))), Encoding(bits=8)),
    "constant": (np.full((2, 3), 0.1), Encoding()),
    "constant but for rounding": (0.1 * (1 + 1e-15 * np.arange(6)), Encoding()),
    "nothing": (np.full(4, np.nan), Encoding()),
    "one": (np.array([[2.5]]), Encoding(bits=8)),
    "extremes": (np.array([-1e300, 1e300, 0.0]), Encoding()),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_there_and_back(name):
    array, encoding = ARRAYS[name]
    text, entries = pack({name: array}, {name: encoding})
    back = unpack(text, json.loads(json.dumps(entries)))[name]
    assert back.shape == array.shape
    assert steps_apart(array, back, entries[name]) <= 0.5 + 1e-6
    span = np.nanmax(np.log10(array) if encoding.log else array) if np.isfinite(array).any() else 0
    low = np.nanmin(np.log10(array) if encoding.log else array) if np.isfinite(array).any() else 0
    assert entries[name]["step"] <= (span / 2 - low / 2) / (2 ** (encoding.bits - 1) - 1) * (1 + 1e-9) or (
        entries[name]["step"] == 1.0
    )


def test_many_arrays_share_one_stream_in_their_order():
    arrays = {name: array for name, (array, _) in ARRAYS.items()}
    text, entries = pack(arrays, {name: encoding for name, (_, encoding) in ARRAYS.items()})
    size = sum(int(np.prod(e["shape"])) * e["bits"] // 8 for e in entries.values())
    assert len(zlib.decompress(b64decode(text))) == size
    for name, back in unpack(text, entries).items():
        assert steps_apart(arrays[name], back, entries[name]) <= 0.5 + 1e-6


FORMS = ["d", ".0f", ".3f", ".1%", ".0%", ".1g", ".2g", ".4g", ".0e", ".2e"]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_told_prints_the_same_digits(form):
    numbers = np.concatenate(
        [
            RNG.normal(size=300),
            np.array([0.0, -0.0, 0.5, 1.5, -2.5, 0.125, 0.9996, 99.95, -1e-9, 1234.5, np.nan, np.inf]),
            np.exp(RNG.normal(size=300) * 6) if form in ("d", ".0f", ".0e") or "g" in form else [],
            [1e-300, -1e300, 3e25] if form[-1] in "eg" else [],
        ]
    ).reshape(3, -1)
    text, entries = pack({}, {}, {("n", form): numbers})
    back = unpack(text, json.loads(json.dumps(entries)))[f"n:{form}"]
    assert back.shape == numbers.shape

    def printed(value):
        return fill(f"{{n:{form}}}", {}, lambda *_: value, {})

    for before, after in zip(numbers.ravel(), back.ravel(), strict=True):
        assert printed(before) == printed(after), (before, after)


def test_codes_of_neighbours_are_neighbours():
    codes, entry = decimals(np.array([9.98, 9.99, 10.0, 10.1, 0.0, np.nan]), ".3g")
    assert np.diff(codes[:4]).tolist() == [1, 1, 1] and codes[4] == 0 and codes[5] == -32768
    assert entry == {"digits": 3, "lowest": -2}


def test_digits_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="n: what '.3f' prints of a number as large as 1e\\+09 does not fit"):
        pack({}, {}, {("n", ".3f"): np.array([1.0, 1e9])})


def test_whole_numbers_are_exact():
    numbers = np.array([-300.0, 0, 7, 32767, np.nan])
    text, entries = pack({"n": numbers}, {})
    np.testing.assert_array_equal(unpack(text, entries)["n"], numbers)


def test_what_is_clipped_lies_at_the_bound_and_costs_no_precision_inside():
    values = np.array([0.0, 0.5, 1.0, 1e9, np.inf, -np.inf])
    text, entries = pack({"v": values}, {"v": Encoding(bits=8, clip=(-1, 2))})
    np.testing.assert_allclose(unpack(text, entries)["v"], [0, 0.5, 1, 2, 2, -1], atol=entries["v"]["step"])
    assert entries["v"]["step"] < 0.012


def test_an_infinite_number_without_a_bound_is_missing():
    text, entries = pack({"v": np.array([1.0, np.inf])}, {})
    np.testing.assert_array_equal(unpack(text, entries)["v"], [1.0, np.nan])


def test_differences_make_a_smooth_array_smaller():
    smooth = np.round(1000 * np.sin(np.arange(4000) / 300))
    text, entries = pack({"s": smooth}, {})
    assert entries["s"]["delta"] == 0
    plain = zlib.compress(smooth.astype("<i2").tobytes(), 9)
    assert len(b64decode(text)) < 0.5 * len(plain)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="bits must be 8 or 16, got 12"):
        Encoding(bits=12)
    with pytest.raises(ValueError, match="loss: a logarithmic encoding takes numbers > 0"):
        pack({"loss": np.array([1.0, 0.0])}, {"loss": Encoding(log=True)})


def test_steps_apart_sees_a_wrong_number_and_a_missing_one():
    array = np.linspace(0, 1, 11)
    text, entries = pack({"a": array}, {})
    back = unpack(text, entries)["a"]
    wrong = array.copy()
    wrong[3] += 3 * entries["a"]["step"]
    assert steps_apart(wrong, back, entries["a"]) > 2
    wrong[3] = np.nan
    assert steps_apart(wrong, back, entries["a"]) == float("inf")
