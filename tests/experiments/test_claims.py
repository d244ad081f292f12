"""The ledger is sound, and `decide` refuses an experiment that says another thing or could say no other."""

import ast
import math
import re
from pathlib import Path

import jupytext
import pytest

from gdcourse.experiments import Claim, at_least, at_most, decide, ledger, plain
from gdcourse.experiments.claims import KINDS, LEDGER

ROOT = Path(__file__).parents[2]
ANY = next(iter(ledger().values()))


def test_every_claim_belongs_to_a_chapter_and_is_named_after_it_and_the_talks_to_a_slide():
    for claim in ledger().values():
        assert claim.after or 1 <= claim.slide <= 35
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


def test_every_claim_can_be_written_without_typesetting():
    for claim in ledger().values():
        for text in (claim.says, claim.statement):
            written = plain(text)
            assert "$" not in written and "\\" not in written, claim.id
            bare = re.sub(r"\$[^$]*\$", "", text)
            assert not re.search(r"\w_\{?\w|[₀-₉ₐ-ₜ²√ηθγβερ]|\^", bare), (
                f"{claim.id}: a formula outside dollar signs"
            )


def deciding_calls(path):
    """The calls of `decide` in a chapter."""
    for cell in jupytext.reads(path.read_text(encoding="utf-8"), fmt="md:myst").cells:
        if cell.cell_type == "code" and "decide(" in cell.source:
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "decide":
                    yield node


@pytest.mark.parametrize("path", sorted((ROOT / "book" / "src").glob("*.md")), ids=lambda path: path.stem)
def test_every_claim_that_an_experiment_decides_has_a_counter_case_on_its_page(path):
    # that it comes out the other way, `decide` itself demands whenever the page is run
    for call in deciding_calls(path):
        claim = ledger()[ast.literal_eval(call.args[0])]
        has_counter = any(
            keyword.arg == "counter"
            for node in ast.walk(call)
            if isinstance(node, ast.Call)
            for keyword in node.keywords
        )
        removes_a_condition = any(keyword.arg == "given" for keyword in call.keywords)
        named_before = any(isinstance(node, ast.Name | ast.Starred) for node in call.args[1:])
        assert claim.kind != "experiment" or has_counter or removes_a_condition or named_before, claim.id


@pytest.fixture
def recorded(monkeypatch):
    """A ledger of one claim, x-y, with a verdict and a kind."""

    def record(verdict, kind="experiment", says="This.", statement="That."):
        claim = Claim("x-y", "x", says, verdict, statement, (), kind, slide=1)
        monkeypatch.setattr("gdcourse.experiments.claims.ledger", lambda: {"x-y": claim})

    monkeypatch.setenv("GDCOURSE_STATIC", "1")
    return record


SMALL = at_most("gap", 0.1, 1.0, counter=("upside down", 7.0))
LARGE = at_most("gap", 7.0, 1.0, counter=("upside down", 0.1))


@pytest.mark.parametrize("verdict", ["holds", "holds if", "does not hold"])
@pytest.mark.parametrize(
    ("found", "says"),
    [
        (((SMALL,), ()), "holds"),
        (((SMALL,), SMALL), "holds"),
        (((LARGE,), SMALL), "holds if"),
        (((SMALL, LARGE), [SMALL]), "holds if"),
        (((LARGE,), ()), "does not hold"),
        (((LARGE,), LARGE), "does not hold"),
    ],
)
def test_decide_raises_exactly_when_experiment_and_ledger_differ(recorded, verdict, found, says):
    recorded(verdict)
    worded, given = found
    if says == verdict:
        decide("x-y", *worded, given=given)
    else:
        with pytest.raises(AssertionError, match=f"'{says}'.*'{verdict}'"):
            decide("x-y", *worded, given=given)


def test_decide_prints_claim_verdict_statistic_bound_margin_and_counter_case(recorded, capsys):
    recorded("holds if", says=r"It is $\gamma v_{t-1}$.", statement=r"If $\eta \le 1$.")
    decide(
        "x-y", at_least("share", 0.25, 0.5), given=at_least("share", 0.75, 0.5, counter=("no memory", 0.0))
    )
    assert capsys.readouterr().out == (
        "The talk: It is γvₜ₋₁.\n"
        "Verdict:  holds if. If η ≤ 1.\n"
        "As said:  share: 0.25 < 0.5, margin ×2\n"
        "If so:    share: 0.75 ≥ 0.5, margin ×1.5\n"
        "Counter:  no memory: 0\n"
    )


@pytest.mark.parametrize(
    ("verdict", "worded", "given"),
    [
        ("holds", at_most("gap", 0.1, 1.0, counter=("upside down", 0.2)), ()),
        ("does not hold", at_most("gap", 7.0, 1.0, counter=("upside down", 8.0)), ()),
        ("holds if", LARGE, at_most("gap", 0.1, 1.0, counter=("upside down", 0.2))),
    ],
)
def test_a_counter_case_that_agrees_is_refused(recorded, verdict, worded, given):
    recorded(verdict)
    with pytest.raises(AssertionError, match="the counter-case 'upside down' of 'gap' agrees"):
        decide("x-y", worded, given=given)


def test_an_experiment_needs_a_counter_case_and_algebra_or_a_definition_do_not(recorded, capsys):
    bare, failing, other = at_most("gap", 0.1, 1.0), at_most("gap", 7.0, 1.0), at_most("way", 7.0, 1.0)
    for verdict, worded, given in (
        ("holds", bare, ()),
        ("does not hold", failing, ()),
        ("holds if", other, bare),
    ):
        recorded(verdict)
        with pytest.raises(AssertionError, match="no counter-case"):
            decide("x-y", worded, given=given)
        for kind in ("algebra", "definition"):
            recorded(verdict, kind)
            decide("x-y", worded, given=given)
            assert f"{verdict} ({KINDS[kind]})" in capsys.readouterr().out


def test_the_condition_removed_is_a_counter_case_by_itself(recorded):
    recorded("holds if")
    decide("x-y", at_most("gap", 7.0, 1.0), given=at_most("gap", 0.1, 1.0))
    with pytest.raises(AssertionError, match="no counter-case"):  # another bound is another question
        decide("x-y", at_most("gap", 7.0, 2.0), given=at_most("gap", 0.1, 1.0))


@pytest.mark.parametrize(
    "measured",
    [at_most("gap", math.nan, 1.0), at_least("gap", 1.0, 0.5, counter=("upside down", math.nan))],
)
def test_nan_decides_nothing(recorded, measured):
    for verdict in ("holds", "does not hold"):
        recorded(verdict)
        with pytest.raises(AssertionError, match="'gap' is not a number"):
            decide("x-y", measured)


def test_a_run_that_diverged_is_above_every_bound(recorded, capsys):
    recorded("does not hold")
    decide("x-y", at_most("loss", math.inf, 1.0, counter=("half the step", 0.5)))
    assert "loss: inf > 1, margin without limit" in capsys.readouterr().out


def test_a_reader_with_a_setting_of_their_own_is_told_and_not_stopped(recorded, capsys, monkeypatch):
    monkeypatch.delenv("GDCOURSE_STATIC")
    recorded("holds")
    decide("x-y", LARGE)
    out = capsys.readouterr().out
    assert "With your setting: the claim comes out otherwise: 'does not hold'" in out and "gave" in out
    decide("x-y", at_most("gap", math.nan, 1.0))
    assert "not a number" in capsys.readouterr().out
    decide("x-y", SMALL)
    assert "With your setting" not in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["algebra", "definition"])
def test_algebra_and_definitions_stand_whatever_a_reader_sets(recorded, capsys, monkeypatch, kind):
    recorded("holds", kind)
    with pytest.raises(AssertionError, match="comes out otherwise"):
        decide("x-y", LARGE)
    monkeypatch.delenv("GDCOURSE_STATIC")
    decide("x-y", LARGE)
    out = " ".join(capsys.readouterr().out.split())
    assert "'gap' does not keep its bound" in out and f"The claim is {KINDS[kind]} and stands" in out
    assert "comes out otherwise" not in out


def test_what_is_not_measured_is_refused(recorded):
    recorded("holds")
    for nothing in ((), (True,), (0.5,)):
        with pytest.raises(TypeError, match="at_most"):
            decide("x-y", *nothing)


def test_rounding_errors_are_not_printed_digit_by_digit(recorded, capsys):
    recorded("holds")
    decide("x-y", at_most("gap", 3.1e-16, 1e-9, counter=("upside down", 0.5)))
    assert "gap: under 1e−9 ≤ 1e−9, margin over ×100" in capsys.readouterr().out


def test_a_rounding_error_of_none_is_printed_as_one_of_another_machine(recorded, capsys):
    recorded("holds")
    told = []
    for gap in (0.0, 3.1e-16):
        decide("x-y", at_most("gap", gap, 1e-12, counter=("upside down", 0.5)))
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    decide("x-y", at_most("seeds", 0, 2, counter=("upside down", 5)))
    assert "seeds: 0 ≤ 2, margin 2" in capsys.readouterr().out


def test_a_long_statement_is_wrapped_to_the_width_of_a_page(recorded, capsys):
    recorded("holds", says="This " * 40 + "is said.", statement="That " * 40 + "is true.")
    decide("x-y", SMALL)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_an_unknown_claim_is_refused():
    with pytest.raises(KeyError, match="no claim is called 'nonsense'"):
        decide("nonsense", SMALL)


def test_a_verdict_that_is_none_and_an_id_recorded_twice_are_refused(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="verdict must be one of"):
        Claim("x", "x", "This.", "maybe", "That.", (), slide=1)
    with pytest.raises(ValueError, match="kind must be one of"):
        Claim("x", "x", "This.", "holds", "That.", (), "guess", slide=1)
    for places in ({}, {"slide": 1, "after": 1}):
        with pytest.raises(ValueError, match="give its slide, or"):
            Claim("x", "x", "This.", "holds", "That.", (), **places)
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


def test_claims_after_the_talk_follow_those_of_the_talk_in_the_order_of_their_chapters(
    monkeypatch, tmp_path, capsys
):
    entry = '[[claim]]\nid = "{}-x"\n{}says = "A."\nverdict = "holds"\nstatement = "B."\nsources = []\n'
    for chapter, head, place in (
        ("a", "after = 2\n", ""),
        ("b", "after = 1\n", ""),
        ("c", "", "slide = 35\n"),
    ):
        (tmp_path / f"{chapter}.toml").write_text(head + entry.format(chapter, place))
    monkeypatch.setattr("gdcourse.experiments.claims.LEDGER", tmp_path)
    ledger.cache_clear()
    try:
        assert [*ledger()] == ["c-x", "b-x", "a-x"]
        decide("b-x", SMALL)
        assert capsys.readouterr().out.startswith("The claim: A.\nVerdict:  holds. B.\n")
    finally:
        ledger.cache_clear()
