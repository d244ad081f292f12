"""Data of a reader's own: arrays, tensors, lists and Datasets, cut in three or in parts as they are."""

import numpy as np
import pytest
import torch

from gdcourse.problems import Data, Digits, Split, as_data, as_pixels, digits

X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 3


class Own(torch.utils.data.Dataset):
    def __len__(self):
        return 20

    def __getitem__(self, i):
        return X[i], int(Y[i])


class Ragged(Own):
    def __getitem__(self, i):
        return np.zeros(5 + i % 2, int), np.zeros(5 + i % 2, int)


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        [X, Y],
        (X.tolist(), Y.tolist()),
        (torch.tensor(X), torch.tensor(Y)),
        ([torch.tensor(row) for row in X], Y),
        Split(X, Y),
        Own(),
        torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y)),
    ],
    ids=["arrays", "list of arrays", "lists", "tensors", "list of tensors", "split", "own", "tensor dataset"],
)
def test_examples_of_every_kind_are_cut_alike(data):
    found = as_data(data)
    assert [len(part) for part in (found.train, found.validation, found.test)] == [12, 4, 4]
    together = torch.cat([found.train.x, found.validation.x, found.test.x])
    assert sorted(together[:, 0].tolist()) == X[:, 0].tolist(), "each example once"
    assert together[:, 0].tolist() != X[:, 0].tolist(), "shuffled"
    for part in (found.train, found.validation, found.test):
        assert part.y.dtype == torch.int64 and part.x.dtype == torch.float64
        assert (part.y == (part.x[:, 0] / 2).long() % 3).all(), "a label stays with its example"
    assert (as_data((X, Y)).train.x == found.train.x).all(), "the same order for everybody"


def test_parts_of_ones_own_stay_as_they_are():
    found = as_data(((X[:10], Y[:10]), (X[10:], Y[10:])))
    assert (found.train.x.numpy() == X[:10]).all() and (found.validation.x.numpy() == X[10:]).all()
    assert len(found.test) == 0
    three = as_data([Split(X[:10], Y[:10]), (X[10:15], Y[10:15]), Own()])
    assert [len(three.train), len(three.validation), len(three.test)] == [10, 5, 20]
    full = digits()
    assert as_data(full) is full and isinstance(full, Data)


def test_numbers_that_are_no_labels_stay_numbers():
    found = as_data((X, X[:, 0] / 7)).train
    assert found.y.dtype == torch.float64
    assert found.to("float32").y.dtype == torch.float32
    assert as_data((X, Y > 0)).train.y.dtype == torch.int64


@pytest.mark.parametrize("dtype", [torch.float32, "float32", np.float32, np.dtype("float32")])
def test_a_dtype_as_everybody_writes_it(dtype):
    found = digits(dtype=dtype)
    assert found.train.x.dtype == torch.float32 and found.train.y.dtype == torch.int64
    assert isinstance(found, Digits) and digits().to(dtype).test.x.dtype == torch.float32


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: as_data((X, Y[:-1])),
            ValueError,
            r"one entry for each example, got .* \(19,\)",
        ),
        (lambda: as_data(([[1, 2], [3]], [0, 1])), ValueError, "its rows differ in length"),
        (lambda: as_data(Ragged()), ValueError, "x must be an array of numbers: its rows differ in length"),
        (lambda: as_data((np.array(["a"] * 9), range(9))), TypeError, "x must be an array of numbers"),
        (lambda: as_data((np.where(X > 38, np.nan, X), Y)), ValueError, "x has 1 entries that are NaN"),
        (lambda: as_data((X[:4], Y[:4])), ValueError, "4 examples cannot be cut in three"),
        (lambda: as_data("digits"), TypeError, "a pair .x, y. of arrays, .* got str"),
        (lambda: as_data(X), TypeError, "got ndarray"),
        (lambda: as_data(torch.utils.data.DataLoader(Own())), TypeError, "data=loader.dataset"),
        (lambda: as_data([(X, Y)] * 4), ValueError, "two or three parts: .* got 4"),
        (lambda: digits().to(device="nosuch"), ValueError, "device 'nosuch' cannot be used here"),
        (lambda: digits(dtype=int), TypeError, "dtype must be one of floating-point numbers"),
        (lambda: digits(dtype="float33"), TypeError, "dtype must be one of floating-point numbers"),
    ],
)
def test_what_is_no_data_is_told(make, error, message):
    with pytest.raises(error, match=message):
        make()


# ---- pictures of a reader's own ----

PICTURE = digits().test.images[0].numpy()


@pytest.mark.parametrize(
    "picture",
    [
        PICTURE,
        PICTURE.astype(np.float32),
        PICTURE.ravel(),
        PICTURE.tolist(),
        torch.tensor(PICTURE),
        torch.tensor(PICTURE).requires_grad_(),
        (255 * PICTURE).round().astype(np.uint8),
        (255 * PICTURE).round().astype(int),
        torch.tensor((255 * PICTURE).round()).to(torch.uint8),
        (255 * PICTURE).tolist(),
    ],
    ids=str,
)
def test_one_picture_of_any_kind_of_number(picture):
    rows, is_one = as_pixels(picture)
    assert is_one and rows.shape == (1, 784) and rows.dtype == torch.float64
    np.testing.assert_allclose(rows[0], PICTURE.ravel(), atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 784), (3, 1, 28, 28)])
def test_many_pictures(shape):
    pictures = digits().test.images[:3].numpy()
    rows, is_one = as_pixels(pictures.reshape(shape))
    assert not is_one
    np.testing.assert_array_equal(rows, pictures.reshape(3, 784))


def test_ink_or_no_ink_is_black_and_white():
    rows, _ = as_pixels(PICTURE > 0.5)
    assert set(rows.unique().tolist()) == {0.0, 1.0}
    assert (as_pixels((PICTURE > 0.5).astype(int))[0] == rows).all()


@pytest.mark.parametrize(
    ("picture", "error", "message"),
    [
        (np.zeros((27, 28)), ValueError, r"shape \(28, 28\) or \(784,\), many of them .* got \(27, 28\)"),
        (np.zeros((0, 28, 28)), ValueError, r"got \(0, 28, 28\)"),
        (np.zeros((28, 28, 3)), ValueError, r"in colour .* picture.mean\(-1\)"),
        (PICTURE - 0.5, ValueError, "from 0 .paper. to 1 .ink., or from 0 to 255; these go from -0.5"),
        (PICTURE * 300, ValueError, "from 0 to 255"),
        (PICTURE * np.nan, ValueError, "go from nan"),
        ("seven", TypeError, "an array of numbers"),
        ([[0.0, 1.0], [0.0]], ValueError, "rows differ in length"),
    ],
)
def test_what_is_no_picture_is_told(picture, error, message):
    with pytest.raises(error, match=message):
        as_pixels(picture)


def test_a_picture_that_is_mostly_ink_gets_a_warning():
    with pytest.warns(UserWarning, match="1 - picture turns it round"):
        as_pixels(1 - PICTURE)
