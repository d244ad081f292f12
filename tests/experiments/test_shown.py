"""Results show themselves: in a line, as a table in a live notebook, as a picture, as a DataFrame."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import nbformat
import notebooks as builder  # scripts/notebooks.py
import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.experiments import shown
from tests.test_notebooks import run_nbval

RUN = gd.descend(gd.Momentum(0.02), gd.problems.ravine(), steps=50)
FAMILY = gd.descend(gd.Momentum(np.array([0.01, 0.02, 5.0])), "ravine", steps=40)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def history():
    return gd.train(gd.problems.Network((784, 4, 10)), gd.digits(), gd.Adam(0.01), steps=5, examine=2)


@pytest.fixture
def live(monkeypatch):
    monkeypatch.setenv("GDCOURSE_STATIC", "0")


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (RUN, f"Run: 50 steps of Momentum(lr=0.02) on ravine, loss 18 → {RUN.loss[-1]:.4g}"),
        (
            gd.descend(gd.GradientDescent(1.0), "ravine", steps=9),
            "Run: 9 steps of GradientDescent(lr=1) on ravine, diverged at step 6: θ left for infinity",
        ),
        (
            FAMILY,
            "Run: 3 runs, 40 steps of Momentum(lr of shape (3,)) on ravine, diverged 1 of 3, loss "
            f"{FAMILY.loss[-1].min():.4g} … {FAMILY.loss[-1].max():.4g} at the end",
        ),
        (
            gd.descend(gd.Adam(0.1), lambda x: (x**2).sum(), [1.0], path=False, steps=1),
            "Run: of Adam(lr=0.1) on a function, loss 0.81",
        ),
        (
            gd.descend(lambda t: gd.GradientDescent(0.1 / t), torch.square, 1.0, steps=1),
            "Run: 1 steps of a function on square, loss 1 → 0.64",
        ),
    ],
)
def test_a_run_is_one_line(run, said):
    assert repr(run) == said


def test_a_history_a_comparison_and_data_are_short(history):
    first, last = 100 * history.validation_accuracy[[0, -1]]
    assert repr(history) == (
        f"History: 5 steps by Adam(lr=0.01), validation accuracy {first:.1f} % → {last:.1f} %, "
        f"loss {history.loss[0]:.4g} → {history.loss[-1]:.4g}"
    )
    broken = gd.train(
        gd.problems.Network((784, 4, 10)), gd.digits(), gd.GradientDescent(1e300), steps=3, examine=1
    )
    assert broken.diverged_at == 1
    assert "diverged at step 1: the loss was no longer a finite number" in repr(broken)
    for thing in (history, broken, gd.digits(), gd.digits().train, FAMILY):
        assert len(repr(thing)) < 200 and "\n" not in repr(thing)


def test_a_table_in_a_live_notebook_and_none_where_outputs_are_stored(live, monkeypatch, history):
    for thing in (RUN, history):
        assert "<table>" in thing._repr_html_()
    hostile = gd.descend(gd.Momentum(0.1), gd.problems.Function(torch.sum, name="<b>x</b>"), [1.0], steps=1)
    assert "<b>" not in hostile._repr_html_()
    monkeypatch.setenv("GDCOURSE_STATIC", "1")
    for thing in (RUN, history, RUN.animate()):
        assert thing._repr_html_() is None


@pytest.mark.slow
def test_strict_nbval_passes_a_cell_that_ends_in_a_result(tmp_path):
    notebook = nbformat.v4.new_notebook(metadata=builder.read_source(builder.SOURCES / "intro.md").metadata)
    source = (
        "import gdcourse as gd\ngd.descend(gd.Momentum(0.02), gd.problems.ravine(), steps=50)",
        "gd.descend(gd.Momentum(0.02), gd.problems.ravine(), steps=50).animate()",
    )
    notebook.cells = [nbformat.v4.new_code_cell(text) for text in source]
    builder.execute(tmp_path / "example.md", notebook)
    builder.tidy(tmp_path / "example.md", notebook)
    (output,) = notebook.cells[0].outputs
    assert output.data == {"text/plain": repr(RUN)}
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    nbformat.write(notebook, tmp_path / "example.ipynb")
    done = run_nbval(tmp_path / "example.ipynb")
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout


def test_a_run_draws_its_path_or_its_loss():
    drawn = [line.get_xydata() for line in RUN.plot().lines]
    assert any(d.shape == RUN.theta.shape and np.allclose(d, RUN.theta) for d in drawn)
    three = gd.descend(gd.Momentum(np.array([0.01, 0.02, 0.03])), "ravine", steps=9)
    drawn = [line.get_xydata() for line in three.plot().lines]
    for i in range(3):
        assert any(d.shape == (10, 2) and np.allclose(d, three.theta[:, i]) for d in drawn)
    line = gd.descend(gd.Adam(0.1), gd.problems.Quadratic([1.0, 2.0, 3.0]), steps=9)
    ax = line.plot()
    np.testing.assert_allclose(ax.lines[0].get_ydata(), line.loss)
    assert ax.get_yscale() == "log" and line.plot(ax) is ax
    diverged = gd.descend(gd.GradientDescent(1.0), "ravine", steps=200).plot()
    assert max(map(abs, diverged.get_xlim())) < 1e3, "what diverged is not followed"


def test_a_history_draws_its_losses(history):
    ax = history.plot()
    ys = [line.get_ydata() for line in ax.lines]
    assert any(len(y) == 5 and np.allclose(y, history.loss) for y in ys)
    assert any(len(y) == 3 and np.allclose(y, history.validation_loss) for y in ys)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gd.descend(gd.Momentum(0.1), "ravine", path=False).plot(), "run it with path=True"),
        (lambda: gd.descend(gd.Momentum(0.1), "ravine", path=False).animate(), "run it with path=True"),
        (lambda: gd.descend(gd.Momentum(0.1), torch.square, 1.0).animate(), "two coordinates"),
        (lambda: gd.descend(gd.Momentum(np.ones(101)), "ravine", steps=1).plot(), "101 runs are too many"),
        (lambda: RUN.animate(seconds=0), "above 0, got 0"),
    ],
)
def test_what_cannot_be_drawn_is_told(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_animation_plays_in_a_live_notebook_and_is_saved(live, tmp_path):
    run = gd.descend(gd.Momentum(0.02), "ravine", steps=3)
    assert run.animate()._repr_html_().count("data:image/png") == 4
    run.animate().save(tmp_path / "path.gif")
    from PIL import Image

    assert Image.open(tmp_path / "path.gif").n_frames == 4
    long = gd.descend(gd.Momentum(0.02), "ravine", steps=1000).animate()
    assert len(long.shown) == 60 and long.shown[-1] == 1000


@pytest.fixture
def pandas(monkeypatch):
    """What `to_pandas` asks of pandas; pandas itself need not be there."""
    fake = SimpleNamespace(DataFrame=lambda columns: columns, __name__="pandas")
    monkeypatch.setitem(sys.modules, "pandas", fake)


def test_a_run_as_a_table(pandas):
    run = gd.descend(gd.Momentum(np.array([0.01, 0.02])), "ravine", steps=3, record="v")
    columns = run.to_pandas()
    assert list(columns) == ["step", "run", "loss", "theta_1", "theta_2", "v_1", "v_2"]
    assert columns["step"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3] and columns["run"].tolist() == [0, 1] * 4
    np.testing.assert_array_equal(columns["theta_2"], run.theta[..., 1].ravel())
    np.testing.assert_array_equal(columns["loss"], run.loss.ravel())
    assert np.isnan(columns["v_1"][:2]).all()
    np.testing.assert_array_equal(columns["v_1"][2:], run.v[..., 0].ravel())
    alone = gd.descend(gd.RAdam(0.1), torch.square, 1.0, steps=3, record="rho").to_pandas()
    assert list(alone) == ["step", "loss", "theta", "rho"] and np.isnan(alone["rho"][0])


def test_a_history_and_a_comparison_as_tables(pandas, history):
    columns = history.to_pandas()
    assert list(columns) == ["step", "loss", "validation_loss", "validation_accuracy"]
    assert np.isnan(columns["loss"][0]) and np.allclose(columns["loss"][1:], history.loss)
    np.testing.assert_array_equal(columns["validation_loss"][history.steps], history.validation_loss)
    assert np.isfinite(columns["validation_loss"]).sum() == 3
    tuned = gd.experiments.Tuned(
        "Adam", "lr", np.array([0.1, 1.0]), np.full((2, 3), 0.5), np.ones((1, 2, 3)), 1, np.full(3, 0.4)
    )
    found = gd.experiments.Comparison({"Adam": tuned})
    assert repr(found) == "Comparison: Adam 40.0 % (40.0 … 40.0) at lr 1"
    rows = found.to_pandas()
    assert len(rows) == 6 and [row["is_best"] for row in rows] == [False] * 3 + [True] * 3
    assert np.isnan(rows[0]["test_accuracy"]) and rows[5]["test_accuracy"] == 0.4
    fresh = gd.experiments.Comparison({"Adam": replace(tuned, fresh=np.array([0.3, 0.5]))}).to_pandas()
    assert str(fresh[:6]) == str(rows) and [row["seed"] for row in fresh[6:]] == [3, 4]
    assert [(row["value"], row["test_accuracy"], row["is_best"]) for row in fresh[6:]] == [
        (1.0, 0.3, True),
        (1.0, 0.5, True),
    ]
    assert all(np.isnan(row["validation_accuracy"]) for row in fresh[6:])
    both = gd.experiments.Comparison({"Adam": replace(tuned, test_second=np.full(3, 0.2))}).to_pandas()
    assert [row["test_accuracy"] for row in both] == [0.2] * 3 + [0.4] * 3 and both[3:] == rows[3:]


def test_without_pandas_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match="to_pandas needs pandas: pip install pandas"):
        RUN.to_pandas()


def test_a_module_that_is_broken_inside_says_what_it_lacks(monkeypatch, tmp_path):
    (tmp_path / "brokenmodule.py").write_text("import notthereatall\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="notthereatall"):
        shown.needed("brokenmodule", "a sentence")
