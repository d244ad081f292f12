"""The text: the file is the one that was shipped, letters and windows are in their places, and no letter is
in two parts."""

import hashlib
import lzma
import socket
import time
import urllib.request

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.problems import Text, as_text
from gdcourse.problems.text import FILE, SHA256

STORED = lzma.decompress(FILE.read_bytes()).decode()


@pytest.fixture(scope="module")
def data():
    return gd.text()


def test_the_file_is_the_one_that_was_shipped():
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == SHA256
    assert STORED.startswith("OPTICKS:\n\nOR, A\n\nTREATISE") and len(STORED) == 566_900


def test_letters_are_numbered_by_their_symbols(data):
    assert list(data.symbols) == sorted(set(STORED)) and len(data.symbols) == 91
    assert data.letters.dtype == torch.int64 and data.decode(data.letters) == STORED
    assert data.encode("Light").tolist() == [data.symbols.index(letter) for letter in "Light"]
    assert data.decode(data.encode("Æther, 1/2´")) == "Æther, 1/2´" and data.encode("").shape == (0,)


def test_windows_are_in_the_texts_order_each_with_the_letters_after(data):
    ends = [round(566_900 * share) for share in (0.9, 0.95, 1)]
    for part, start, end in ((data.train, 0, ends[0]), (data.test, ends[1], ends[2])):
        length = 32 * len(part)
        assert part.x.dtype == part.y.dtype == torch.int64
        assert end - start - 33 < length < end - start
        assert data.decode(part.x.flatten()) == STORED[start : start + length]
        assert data.decode(part.y.flatten()) == STORED[start + 1 : start + length + 1]


def test_validation_is_of_8192_letters_spread_over_its_part(data):
    x, y = data.validation.x, data.validation.y
    assert x.numel() == 8192 and (x[:, 1:] == y[:, :-1]).all()
    start, end = round(0.9 * 566_900), round(0.95 * 566_900)
    part = STORED[start:end]
    places = [part.index(data.decode(torch.cat([a, b[-1:]]))) for a, b in zip(x, y, strict=True)]
    assert places[0] == 0 and places[-1] > len(part) - 100
    assert set(np.diff(places)) == {96, 128}, "every third or fourth window"


def test_other_windows():
    data = gd.text(context=100)
    assert data.train.x.shape == (5102, 100) and data.validation.x.shape == (81, 100)
    assert data.decode(data.train.x[0]) == STORED[:100]


def test_the_words_for_it(data):
    windows = "windows of 32 letters, of 91 symbols: 15,944 to train on, 256 for validation, 885 for test"
    assert repr(data) == f"Text: {windows}" and isinstance(data, gd.problems.Data)


def test_many_rows_are_an_array_of_strings(data):
    rows = data.decode(data.train.x[:4].reshape(2, 2, 32))
    assert rows.shape == (2, 2) and "".join(rows.ravel()) == STORED[:128]
    assert data.decode([44, 45]) == data.symbols[44:46] and data.decode(np.array([], int)) == ""


def test_it_stays_whole_whatever_dtype_is_asked_for(data):
    moved = data.to(torch.float32, "cpu")
    assert isinstance(moved, Text) and moved.train.x.dtype == moved.letters.dtype == torch.int64
    assert moved.symbols == data.symbols
    with pytest.raises(ValueError, match="device 'nosuch' cannot be used here"):
        gd.text(device="nosuch")


def test_a_text_of_ones_own():
    string = "the rays of light, " * 50
    data = as_text(string, context=8)
    assert data.symbols == "".join(sorted(set(string))) and data.decode(data.letters) == string
    assert data.decode(data.train.x[0]) == "the rays" and data.decode(data.train.y[0]) == "he rays "
    assert len(data.validation) == (round(950 * 0.95) - round(950 * 0.9) - 1) // 8
    assert as_text("𝔸b" * 30, 1).symbols == "b𝔸"


def test_it_is_read_quickly(tmp_path):
    path = tmp_path / "opticks.txt.xz"
    path.write_bytes(FILE.read_bytes())
    start = time.process_time()
    gd.text(path=path)
    assert time.process_time() - start < 0.2


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda data: gd.text(context=0), ValueError, "context must be a whole number ≥ 1, got 0"),
        (lambda data: gd.text(context=2.5), ValueError, "context must be .* got 2.5"),
        (lambda data: gd.text(context=True), ValueError, "context must be"),
        (lambda data: as_text(b"light"), TypeError, "a text must be a string, got bytes"),
        (lambda data: as_text("light", 32), ValueError, "5 letters is too short for windows of 32: .* 660"),
        (lambda data: gd.text(context=30_000), ValueError, "too short for windows of 30000"),
        (lambda data: data.encode("naïve é"), ValueError, "'é', 'ï': not among the text's 91 symbols"),
        (lambda data: data.encode("ï"), ValueError, "'ï': not among"),
        (lambda data: data.encode(3), TypeError, "encode takes a string, got int"),
        (lambda data: data.decode([0.5]), TypeError, "decode takes whole numbers, got float64"),
        (lambda data: data.decode([91]), ValueError, "from 0 to 90, got 91 to 91"),
        (lambda data: data.decode([-1, 3]), ValueError, "from 0 to 90, got -1 to 3"),
    ],
)
def test_what_is_no_text_is_told(data, make, error, message):
    with pytest.raises(error, match=message):
        make(data)


def test_660_letters_are_enough_for_windows_of_32():
    assert len(as_text("ab" * 330, 32).test) == 1
    with pytest.raises(ValueError, match="too short"):
        as_text("ab" * 320, 32)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="the text is missing: .*nowhere.xz is not there"):
        gd.text(path=tmp_path / "nowhere.xz")


def broken(how):
    raw = bytearray(FILE.read_bytes())
    if how == "a flipped bit":
        raw[len(raw) // 2] ^= 1
    return {"cut": raw[:1000], "empty": b"", "another": lzma.compress(b"light")}.get(how, raw)


@pytest.mark.parametrize("how", ["cut", "empty", "a flipped bit", "another"])
def test_a_damaged_file(tmp_path, how):
    (tmp_path / "other.xz").write_bytes(broken(how))
    with pytest.raises(ValueError, match=f"damaged: .*other.xz has .* bytes and sha256 .* expected {SHA256}"):
        gd.text(path=str(tmp_path / "other.xz"))


def test_nothing_is_downloaded(tmp_path, monkeypatch):
    def reach(*_, **__):
        raise AssertionError("it reaches for something outside")

    for owner, name in ((socket, "socket"), (urllib.request, "urlopen"), (torch.hub, "download_url_to_file")):
        monkeypatch.setattr(owner, name, reach)
    (tmp_path / "text.xz").write_bytes(FILE.read_bytes())
    assert len(gd.text(path=tmp_path / "text.xz").letters) == 566_900
    with pytest.raises(FileNotFoundError):
        gd.text(path=tmp_path / "none.xz")
