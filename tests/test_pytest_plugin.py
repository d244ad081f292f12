"""nbval in somebody else's repository: a folder outside the clone, with what the package's plug-in sets."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CHAPTER = "verdicts"  # prints numbers, and takes two seconds
SHOWS_WHETHER_STATIC = "from gdcourse.experiments import is_static\nprint(is_static())"


@pytest.fixture
def repository(tmp_path):
    """A folder that holds a chapter and a notebook that tells whether live cells are static."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    shutil.copy(ROOT / "book" / f"{CHAPTER}.ipynb", folder)
    cell = nbformat.v4.new_code_cell(SHOWS_WHETHER_STATIC, execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="True\n")]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / "static.ipynb")
    return tmp_path


def run_there(repository, *arguments):
    """What pytest says, started there without anything of the book's."""
    ours = ("GDCOURSE_STATIC", "OMP_NUM_THREADS", "PYTHONPATH", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER")
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    environment["PYTHONPATH"] = str(ROOT)  # as if this tree were what is installed
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    "workers",
    [pytest.param([], marks=pytest.mark.slow, id="alone"), pytest.param(["-n", "2"], id="two at a time")],
)
def test_notebooks_pass_there_with_no_other_setting(repository, workers):
    done = run_there(repository, "--nbval", *workers, "notebooks")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_a_changed_number_fails_there(repository):
    path = repository / "notebooks" / f"{CHAPTER}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    output = next(
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and re.search(r"\d", output.text)
    )
    output.text = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), output.text, count=1)
    nbformat.write(notebook, path)
    done = run_there(repository, "--nbval", f"notebooks/{CHAPTER}.ipynb")
    assert done.returncode == 1, done.stdout[-3000:]


def test_nothing_is_set_for_tests_that_run_no_notebooks(repository):
    test = "import os\ndef test_it():\n    assert 'GDCOURSE_STATIC' not in os.environ\n"
    (repository / "test_it.py").write_text(test)
    done = run_there(repository, "test_it.py")
    assert done.returncode == 0, done.stdout


def test_the_plug_in_loads_nothing():
    command = [sys.executable, "-c", "import sys, gdcourse_pytest; print('torch' in sys.modules)"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.slow
def test_the_workflow_to_copy_runs_there(repository):
    workflow = yaml.safe_load((ROOT / "docs" / "nbval.yml").read_text(encoding="utf-8"))
    *_, last = workflow["jobs"]["notebooks"]["steps"]
    program, *arguments = last["run"].split()
    assert program == "pytest"
    arguments = ["2" if one == "auto" else one for one in arguments]
    done = run_there(repository, *arguments)
    assert done.returncode == 0, done.stdout[-3000:]
