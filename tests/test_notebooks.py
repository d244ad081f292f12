"""The notebooks: made from their texts, run throughout, storing what nbval compares and small pictures.

The comparison itself is nbval's: `pytest --nbval book`. Here is what makes it mean something.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import notebooks as builder  # scripts/notebooks.py
import pytest
import yaml

from gdcourse.experiments import ledger, plain

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "book" / "src").glob("*.md"))
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))

# What a cell's tags may be. None of nbval's own: an exempt cell is a cell that nobody checks.
TAGS = {
    "hide-cell",
    "hide-input",
    "hide-output",
    "remove-cell",
    "remove-input",
    "remove-output",
    "raises-exception",
}
EXEMPTIONS = ("NBVAL_", "PYTEST_VALIDATE")


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[tuple[int, nbformat.NotebookNode]]:
    return [(i, cell) for i, cell in enumerate(read(path).cells) if cell.cell_type == "code"]


def test_every_text_has_its_notebook_and_the_other_way_round():
    assert SOURCES, "there are no chapters in book/src"
    assert [p.stem for p in SOURCES] == [p.stem for p in NOTEBOOKS], "run `make notebooks`"


def test_every_notebook_is_in_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = {toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])}
    assert {f"book/{p.stem}" for p in NOTEBOOKS} <= files


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_text_and_notebook_agree_cell_by_cell(source):
    def parts(notebook):
        return [(cell.id, cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]

    made, stored = builder.plain_source(source), read(source.parents[1] / f"{source.stem}.ipynb")
    for expected, found in zip(parts(made), parts(stored), strict=True):
        assert found == expected, f"book/src/{source.name} was changed: run `make notebooks`"
    assert stored.metadata == made.metadata


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_code_cell_was_run_in_order(path):
    # Without counts strict nbval compares nothing, and passes.
    counts = [cell.execution_count for _, cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_verdicts_that_are_stored_say_what_the_ledger_says(path):
    printed = " ".join(out.text for _, cell in code_cells(path) for out in cell.outputs if "text" in out)
    told = " ".join(printed.split())
    for claim in ledger().values():
        if claim.chapter == path.stem:
            for words in (f"{plain(claim.says)} Verdict: {claim.verdict}", plain(claim.statement)):
                assert " ".join(words.split()) in told, f"run {path.stem} again: its ledger has changed"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_cell_that_is_to_show_code_shows_it(path):
    # What it returns shows itself, if it is the last thing in the cell.
    silent = [i for i, cell in code_cells(path) if "show_source(" in cell.source and not cell.outputs]
    assert not silent, f"{path.stem}: cells {silent} show nothing"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_outputs_are_text_and_small_pictures(path):
    pictures = 0
    for i, cell in code_cells(path):
        for output in cell.outputs:
            if output.output_type == "stream":
                assert output.name == "stdout", f"cell {i} writes to {output.name}"
            elif output.output_type == "error":
                assert "raises-exception" in cell.metadata.get("tags", []), f"cell {i} raises {output.ename}"
            else:
                assert set(output.data) <= builder.STORED, f"cell {i} stores {sorted(output.data)}"
                size = len(base64.b64decode(output.data.get("image/png", "")))
                assert size <= builder.PICTURE_LIMIT, f"cell {i} stores a picture of {size:,} bytes"
                pictures += size
    assert pictures <= builder.PICTURES_LIMIT


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_no_cell_is_exempt_from_comparison(path):
    for i, cell in code_cells(path):
        tags = set(cell.metadata.get("tags", []))
        assert tags <= TAGS, f"cell {i} has the tags {sorted(tags - TAGS)}"
        assert not any(mark in cell.source for mark in EXEMPTIONS), f"cell {i} exempts itself in a comment"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_cell_that_draws_says_what_it_shows(path):
    for i, cell in code_cells(path):
        shown = [output.data for output in cell.outputs if "image/png" in output.get("data", {})]
        if shown and shown[0].get("text/plain", "").startswith("interactive figure:"):
            continue  # it brings its alt text with it: see test_interactive.py
        if shown:
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt.split()) >= 4, f"cell {i} draws, and its alt text is {alt!r}"


def test_the_set_up_cell_has_the_address_of_config(tmp_path):
    url = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    source = builder.setup_source()
    assert source.count(url) == 3 and "REPOSITORY_URL" not in source
    for path in NOTEBOOKS:
        first = code_cells(path)[0][1]
        assert first.source == source and first.metadata.tags == ["remove-cell"], path.stem


@pytest.mark.parametrize(
    ("wall", "cpu", "allowed"),
    [(29, 29, None), (31, 31, 30), (31, 58, 30), (44, 31, 30), (50, 31, None), (80, 44, None), (80, 46, 45)],
)
def test_a_chapter_that_takes_too_long_is_refused_and_a_busy_machine_allowed_for(wall, cpu, allowed):
    path = SOURCES[0]
    if allowed is None:
        builder.check_time(path, wall, cpu)
    else:
        with pytest.raises(
            builder.ChapterError, match=rf"took {wall} s \({cpu} s of CPU\); {allowed} s allowed"
        ):
            builder.check_time(path, wall, cpu)


def run_set_up_cell(folder: Path, git: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up cell in a folder, with a `git` of our own, on a Python without gdcourse."""
    bin_ = folder / "bin"
    bin_.mkdir(exist_ok=True)
    (bin_ / "git").write_text(f"#!/bin/sh\n{git}\n")
    (bin_ / "git").chmod(0o755)
    # -S -I: no site-packages, hence no editable installation of gdcourse
    code = builder.setup_source() + "\nimport gdcourse\nprint(gdcourse.__file__)"
    environment = {"PATH": f"{bin_}:{os.defpath}"}
    command = [sys.executable, "-S", "-I", "-c", code]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, input="answer\n"
    )


def test_a_notebook_alone_fetches_the_package_and_says_so(tmp_path):
    fake_clone = 'for last; do :; done; mkdir -p "$last/gdcourse" && echo "" > "$last/gdcourse/__init__.py"'
    done = run_set_up_cell(tmp_path, fake_clone)
    assert done.returncode == 0, done.stderr
    assert "Fetching gdcourse" in done.stdout
    assert str(tmp_path / "gdcourse-book" / "gdcourse") in done.stdout


def test_git_asks_nothing_where_nobody_would_see_it(tmp_path):
    """A git that wants a name and a password would wait in the terminal behind the notebook for ever."""
    told = 'test "$GIT_TERMINAL_PROMPT" = 0 && test -z "${GIT_ASKPASS-asks}" && ! read answer'
    fake_clone = 'for last; do :; done; mkdir -p "$last/gdcourse" && echo "" > "$last/gdcourse/__init__.py"'
    done = run_set_up_cell(tmp_path, f"{told} || exit 1; {fake_clone}")
    assert done.returncode == 0, done.stderr


def test_a_fetch_that_was_cut_off_is_made_afresh(tmp_path):
    """A killed git leaves half a folder; the next run must neither take it nor stumble over it."""
    half = 'for last; do :; done; mkdir -p "$last/.git"; kill -9 $PPID; sleep 1'
    assert run_set_up_cell(tmp_path, half).returncode != 0
    assert not (tmp_path / "gdcourse-book").exists()
    whole = (
        'for last; do :; done; test ! -e "$last" || exit 128'
        ' && mkdir -p "$last/gdcourse" && echo "" > "$last/gdcourse/__init__.py"'
    )
    done = run_set_up_cell(tmp_path, whole)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "gdcourse-book" / "gdcourse") in done.stdout


@pytest.mark.parametrize(("git", "why"), [(None, "git is not installed"), ("exit 128", "could not reach")])
def test_without_git_or_a_network_a_sentence_says_what_to_do(tmp_path, git, why):
    """In IPython, as in a notebook: the sentence, and no traceback."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    if git:
        (bin_ / "git").write_text(f"#!/bin/sh\n{git}\n")
        (bin_ / "git").chmod(0o755)
    hide = "import importlib.util; importlib.util.find_spec = lambda name: None"
    cell = f"{hide}\n{builder.setup_source()}"
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        f"done = InteractiveShell.instance(colors='nocolor').run_cell({cell!r})\n"
        "raise SystemExit(0 if done.success else 3)"
    )
    environment = {"PATH": str(bin_), "HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    told = done.stdout + done.stderr
    assert done.returncode == 3, told
    assert why in told and "%pip install" in told and "Traceback" not in told
    assert not (tmp_path / "gdcourse-book").exists()


def test_a_notebook_in_a_clone_fetches_nothing(tmp_path):
    (tmp_path / "gdcourse").mkdir()
    (tmp_path / "gdcourse" / "__init__.py").write_text("")
    (tmp_path / "book").mkdir()
    done = run_set_up_cell(tmp_path / "book", "exit 1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "gdcourse" / "__init__.py")]


def run_nbval(path: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "--nbval-current-env",
        "-p",
        "no:cacheprovider",
        "-q",
    ]
    return subprocess.run([*command, str(path)], cwd=path.parent, capture_output=True, text=True)


def test_nbval_bites(tmp_path):
    """A notebook passes; with one digit of one stored output changed it fails, and so does one not run."""
    notebook = nbformat.v4.new_notebook(metadata=builder.read_source(SOURCES[0]).metadata)
    cell = nbformat.v4.new_code_cell("print(0.1234)", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="0.1234\n")]
    notebook.cells = [cell]
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    path = tmp_path / "example.ipynb"

    nbformat.write(notebook, path)
    good = run_nbval(path)
    assert good.returncode == 0 and "1 passed" in good.stdout, good.stdout

    cell.outputs[0].text = "0.1235\n"
    nbformat.write(notebook, path)
    bad = run_nbval(path)
    assert bad.returncode == 1 and "1 failed" in bad.stdout, bad.stdout


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_nbval_bites_in_every_chapter(path, tmp_path):
    """A digit changed in the last printed number of a real chapter turns nbval red."""
    notebook = read(path)
    texts = [o for c in notebook.cells for o in c.get("outputs", []) if o.output_type == "stream"]
    numbers = [output for output in texts if any(ch.isdigit() for ch in output.text)]
    if not numbers:
        pytest.skip("this chapter prints no number")
    text = numbers[-1].text
    at = max(i for i, ch in enumerate(text) if ch.isdigit())
    numbers[-1].text = text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    nbformat.write(notebook, tmp_path / path.name)
    assert run_nbval(tmp_path / path.name).returncode == 1
