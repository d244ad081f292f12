"""The ledger is sound, and `decide` refuses an experiment that says another thing."""

import re
from pathlib import Path

import pytest

from gdcourse.experiments import Claim, decide, ledger
from gdcourse.experiments.claims import LEDGER

ROOT = Path(__file__).parents[2]
ANY = next(iter(ledger().values()))


def test_every_claim_belongs_to_a_slide_and_a_chapter_and_is_named_after_it():
    for claim in ledger().values():
        assert 1 <= claim.slide <= 35
        assert (ROOT / "book" / "src" / f"{claim.chapter}.md").exists(), claim.chapter
        assert claim.id.startswith(claim.chapter.replace("_", "-") + "-"), claim.id
        assert claim.says.endswith(".") and claim.statement.endswith("."), claim.id


def test_every_source_is_in_the_bibliography():
    known = set(re.findall(r"^@\w+\{([^,]+),", (ROOT / "book/references.bib").read_text(), re.M))
    for claim in ledger().values():
        assert set(claim.sources) <= known, f"{claim.id}: {set(claim.sources) - known}"


def test_every_claim_is_decided_by_one_cell_of_its_chapter_and_no_cell_decides_another():
    decided = {
        file.stem: re.findall(r"""\bdecide\(\s*["']([^"']+)["']""", file.read_text())
        for file in (ROOT / "book" / "src").glob("*.md")
    }
    for chapter, ids in decided.items():
        assert sorted(ids) == sorted(c.id for c in ledger().values() if c.chapter == chapter), chapter


@pytest.mark.parametrize("verdict", ["holds", "holds if", "does not hold"])
@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"as_worded": True}, "holds"),
        ({"as_worded": True, "under_condition": True}, "holds"),
        ({"as_worded": False, "under_condition": True}, "holds if"),
        ({"as_worded": False}, "does not hold"),
    ],
)
def test_decide_raises_exactly_when_experiment_and_ledger_differ(monkeypatch, capsys, verdict, found, says):
    claim = Claim("x-y", "x", 1, "This.", verdict, "That.", ())
    monkeypatch.setattr("gdcourse.experiments.claims.ledger", lambda: {"x-y": claim})
    if says == verdict:
        decide("x-y", **found)
        assert capsys.readouterr().out == f"The talk: This.\nVerdict:  {verdict}. That.\n"
    else:
        with pytest.raises(AssertionError, match=f"'{verdict}'.*'{says}'"):
            decide("x-y", **found)


def test_a_long_statement_is_wrapped_to_the_width_of_a_page(monkeypatch, capsys):
    claim = Claim("x-y", "x", 1, "This " * 40 + "is said.", "holds", "That " * 40 + "is true.", ())
    monkeypatch.setattr("gdcourse.experiments.claims.ledger", lambda: {"x-y": claim})
    decide("x-y", as_worded=True)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert out.split() == f"The talk: {claim.says} Verdict: holds. {claim.statement}".split()


def test_an_unknown_claim_is_refused():
    with pytest.raises(KeyError, match="no claim is called 'nonsense'"):
        decide("nonsense", as_worded=True)


def test_a_verdict_that_is_none_and_an_id_recorded_twice_are_refused(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="verdict must be one of"):
        Claim("x", "x", 1, "This.", "maybe", "That.", ())
    text = next(LEDGER.glob("*.toml")).read_text()
    (tmp_path / "a.toml").write_text(text)
    (tmp_path / "b.toml").write_text(text)
    monkeypatch.setattr("gdcourse.experiments.claims.LEDGER", tmp_path)
    ledger.cache_clear()
    try:
        with pytest.raises(ValueError, match="recorded twice"):
            ledger()
    finally:
        ledger.cache_clear()
