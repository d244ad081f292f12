"""The digits: the file is the one that was shipped, and the split is the one that everybody has."""

import hashlib
import socket
import subprocess
import urllib.request

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.problems.digits import FILE, SHA256


@pytest.fixture(scope="module")
def data():
    return gd.digits()


def test_sizes_ranges_and_kinds(data):
    for split, size in ((data.train, 6000), (data.validation, 2000), (data.test, 2000)):
        assert len(split) == size and split.x.shape == (size, 784) and split.y.shape == (size,)
        assert split.x.dtype == torch.float64 and split.y.dtype == torch.int64
        assert split.x.min() == 0 and split.x.max() == 1
        assert split.images.shape == (size, 28, 28)
        # each digit is roughly a tenth
        assert (torch.bincount(split.y, minlength=10) / size - 0.1).abs().max() < 0.03


def test_the_labels_are_those_of_mnists_first_ten_thousand(data):
    labels = torch.cat([data.train.y, data.validation.y, data.test.y])
    assert torch.bincount(labels).tolist() == [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]


def test_the_parts_share_no_example(data):
    images = torch.cat([data.train.x, data.validation.x, data.test.x]).numpy()
    different = {hashlib.sha256(image.tobytes()).digest() for image in images}
    stored = np.load(FILE)["images"]
    assert len(different) == len(np.unique(stored.reshape(len(stored), -1), axis=0)) == 10_000


def test_pixels_and_labels_stay_together(data):
    """The split shuffles examples, not pixels: each image is found in the file, with its label."""
    with np.load(FILE) as stored:
        labelled = {
            image.tobytes(): int(y) for image, y in zip(stored["images"], stored["labels"], strict=True)
        }
    for split in (data.train, data.validation, data.test):
        for i in range(0, len(split), 97):
            image = (split.images[i] * 255).round().to(torch.uint8).numpy()
            assert labelled[image.tobytes()] == split.y[i]


def test_the_split_is_the_same_every_time(data):
    again = gd.digits(torch.float32)
    assert again.train.x.dtype == torch.float32
    torch.testing.assert_close(again.test.x.double(), data.test.x, rtol=0, atol=1e-7)
    assert (again.train.y == data.train.y).all()


@pytest.mark.parametrize("picks", [[5, 0, 5], [[1, 2], [3, 4]]])
def test_a_batch_is_the_examples_picked(data, picks):
    picks = torch.tensor(picks)
    x, y = data.validation.batch(picks)
    assert torch.equal(x, data.validation.x[picks]) and torch.equal(y, data.validation.y[picks])


def test_one_digit_alone(data):
    nines = data.test.only(9)
    assert (nines.y == 9).all() and len(nines) == int((data.test.y == 9).sum()) == len(nines.x) > 100


def test_the_file_is_the_one_that_was_shipped():
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == SHA256


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="the digits are missing: .*nowhere.npz is not there"):
        gd.digits(path=tmp_path / "nowhere.npz")


@pytest.mark.parametrize("keep", [0, 1000, -1])
def test_a_file_cut_short(tmp_path, keep):
    (tmp_path / "cut.npz").write_bytes(FILE.read_bytes()[:keep])
    with pytest.raises(
        ValueError, match=f"the digits are damaged: .*cut.npz has .* bytes .* expected {SHA256}"
    ):
        gd.digits(path=tmp_path / "cut.npz")


def test_a_flipped_bit(tmp_path):
    raw = bytearray(FILE.read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "flipped.npz").write_bytes(raw)
    with pytest.raises(ValueError, match=f"damaged: .*flipped.npz has .* sha256 .* expected {SHA256}"):
        gd.digits(path=tmp_path / "flipped.npz")


def test_another_file_in_its_place(tmp_path):
    np.savez(tmp_path / "other.npz", images=np.zeros((10, 28, 28), np.uint8), labels=np.zeros(10, np.uint8))
    with pytest.raises(ValueError, match=f"damaged: .*other.npz has .* sha256 .* expected {SHA256}"):
        gd.digits(path=str(tmp_path / "other.npz"))


@pytest.mark.parametrize("there", [True, False], ids=["there", "missing"])
def test_nothing_is_ever_downloaded(tmp_path, monkeypatch, there):
    """Neither a whole file nor a missing one makes the library reach for a network or another program."""

    def reach(*_, **__):
        raise AssertionError("it reaches for something outside")

    for owner, name in (
        (socket, "socket"),
        (socket, "create_connection"),
        (socket, "getaddrinfo"),
        (urllib.request, "urlopen"),
        (subprocess, "Popen"),
        (torch.hub, "download_url_to_file"),
    ):
        monkeypatch.setattr(owner, name, reach)
    if there:  # at a place where it has not been read from before
        (tmp_path / "digits.npz").write_bytes(FILE.read_bytes())
        assert len(gd.digits(path=tmp_path / "digits.npz").train) == 6000
    else:
        with pytest.raises(FileNotFoundError, match="the digits are missing"):
            gd.digits(path=tmp_path / "digits.npz")
    assert {path.name for path in tmp_path.iterdir()} <= {"digits.npz"}
