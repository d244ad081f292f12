"""Each exercise accepts every right form, tells the known wrong ones apart, and nothing that an answer does
raises."""

from __future__ import annotations

import json
import math
import re
from functools import partial
from pathlib import Path

import pytest

import gdcourse as gd
from gdcourse import exercises
from gdcourse.exercises import Choice, Formula, MissingLine, Number, Verdict, WholeRule
from gdcourse.exercises.answers import number_from
from gdcourse.exercises.behaviour import Behaviour, departs, same, walk
from gdcourse.exercises.exercise import Chapter
from tests.exercises.right_answers import RIGHT, SlidesMomentum

ALL = [one for name in exercises.CHAPTERS for one in exercises.chapter(name)]
BEHAVIOURS = [one for one in ALL if isinstance(one, Behaviour)]
WHOLE = [one for one in ALL if isinstance(one, WholeRule)]
OTHERS = ("introduction.shorter", "momentum.torch_form")
"""These are rules that the library does not have."""
LIBRARY = {
    "momentum.heavy_ball": gd.Momentum,
    "nesterov.whole": gd.Nesterov,
    "adagrad.whole": gd.Adagrad,
    "rmsprop.whole": gd.RMSProp,
    "adadelta.whole": gd.Adadelta,
    "adam.whole": gd.Adam,
    "weight_decay.adamw": gd.AdamW,
    "sign.lion": gd.Lion,
    "schedule_free.whole": gd.ScheduleFreeSGD,
    "conclusion.amsgrad": gd.AMSGrad,
}


def over(ones):
    return pytest.mark.parametrize("one", ones, ids=[one.name for one in ones])


@pytest.fixture(autouse=True)
def fresh():
    exercises.forget()
    yield
    exercises.forget()


def test_each_chapter_has_three_and_each_exercise_its_chapters_name():
    folder = Path(exercises.__file__).parent / "chapters"
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(exercises.CHAPTERS)
    for name in exercises.CHAPTERS:
        chapter = exercises.chapter(name)
        assert isinstance(chapter, Chapter) and chapter is getattr(exercises, name)
        assert len(chapter.exercises) >= 3
        for one in chapter:
            assert re.fullmatch(rf"{name}\.\w+", one.name)
            assert getattr(chapter, one.name.split(".")[1]) is one
    assert len({one.name for one in ALL}) == len(ALL)


def test_the_chapters_are_in_the_books_order():
    toc = (Path(__file__).parents[2] / "_toc.yml").read_text(encoding="utf-8")
    in_book = re.findall(r"file: book/(\w+)", toc)
    assert [name for name in in_book if name in exercises.CHAPTERS] == list(exercises.CHAPTERS)


@over(ALL)
def test_every_right_form_is_accepted(one):
    answers = RIGHT[one.name]
    assert len(answers) >= 3
    for answer in answers:
        verdict = one.judge(answer)
        assert verdict.right, f"{answer}: {verdict}"
        assert str(verdict) and not verdict.hint


def as_class(exercise, lines):
    """A step's lines as the source of a class: γ from self, state from a dictionary, the slope as grad."""
    look = re.search(r"gradient\(((?:[^()]|\([^()]*\))*)\)", lines)
    point = look[1] if look else "theta"
    body = lines.replace(f"gradient({point})", "grad")
    defined = re.search(rf"^{point} = (.*)$", lines, re.M) if point == "look" else None
    point = defined[1] if defined else point
    state = dict(re.findall(r"^(\w+) = (\w+)$", exercise.begin, re.M))
    fields = "\n".join(f"        {letter} = self.{name}" for name, letter in exercise.fields.items())
    unpacked = "\n".join(f"        {name} = state[{name!r}]" for name in state)
    body = "\n".join(f"        {line}" for line in body.splitlines())
    return f"""
class Answer:
    def __init__(self, {", ".join(exercise.fields)}):
        {"; ".join(f"self.{name} = {name}" for name in exercise.fields)}
    def init(self, theta, zeros):
        return {{{", ".join(f"{name!r}: {first}" for name, first in state.items())}}}
    def at(self, t):
        return {{"t": t}}
    def look(self, theta, state):
{fields}
{unpacked}
        return {point}
    def step(self, theta, grad, state, at):
        t = at["t"]
{fields}
{unpacked}
{body}
        return theta, {{{", ".join(f"{name!r}: {name}" for name in state)}}}
"""


def given(one, answer):
    return as_class(one, answer) if isinstance(one, WholeRule) else answer


@over(ALL)
def test_every_known_wrong_answer_gets_its_own_words(one):
    assert len(one.wrong) >= (5 if isinstance(one, Behaviour) else 3)
    assert len({wrong.says for wrong in one.wrong}) == len(one.wrong)
    for wrong in one.wrong:
        verdict = one.judge(given(one, wrong.answer))
        assert not verdict.right and verdict.says.startswith(wrong.says), f"{wrong}: {verdict}"
        assert verdict.hint


@over([one for one in ALL if isinstance(one, Choice)])
def test_every_option_but_the_right_one_has_its_words(one):
    assert {one.right, *(wrong.answer for wrong in one.wrong)} == set(one.lettered)


@over(BEHAVIOURS)
def test_the_probes_tell_all_known_answers_apart(one):
    known = [one.traces(one.solution), *(one.traces(wrong.answer) for wrong in one.wrong)]
    assert not any(trace.stop for trace in known[0])
    assert not [(i, j) for i in range(len(known)) for j in range(i) if same(known[i], known[j])]


@over(BEHAVIOURS)
def test_a_wrong_answer_shows_the_first_step_with_both_values(one):
    shown = 0
    for wrong in one.wrong:
        verdict = one.judge(given(one, wrong.answer))
        if verdict.theirs is None:
            continue
        shown += 1
        mine, right = one.traces(wrong.answer), one.traces(one.solution)
        probe, t = next(
            (i, t) for i, (a, b) in enumerate(zip(mine, right, strict=True)) if (t := departs(a, b))
        )
        assert (verdict.theirs, verdict.ours) == (
            pytest.approx(mine[probe].values[t - 1], rel=1e-12),
            right[probe].values[t - 1],
        )
        assert verdict.probe and all(
            abs(a - b) <= 1e-9 * max(1, abs(b))
            for a, b in zip(mine[probe].values[: t - 1], right[probe].values[: t - 1], strict=True)
        )
    assert shown >= len(one.wrong) - 3


@over([one for one in WHOLE if one.name in LIBRARY])
def test_the_lines_that_are_right_are_the_librarys(one):
    assert {*LIBRARY, *OTHERS} == {one.name for one in WHOLE}
    library = partial(Calls, LIBRARY[one.name])
    for probe, ours in zip(one.probes, one.traces(one.solution), strict=True):
        assert departs(walk(library, one.fields, probe), ours) is None


class Calls:
    """A rule that has the library's do the work."""

    def __init__(self, kind, **settings):
        self.kind, self.settings = kind, settings
        self.rule = kind(**settings)

    def init(self, theta, zeros):
        return self.rule.init(theta, zeros)

    def at(self, t):
        return self.rule.at(t)

    def look(self, theta, state):
        return self.rule.look(theta, state)

    def step(self, theta, grad, state, at):
        return self.rule.step(theta, grad, state, at)


@over([one for one in WHOLE if one.name in LIBRARY])
def test_the_librarys_rule_is_no_answer(one):
    library = LIBRARY[one.name]

    class Renamed(library):
        pass

    class Asks(library):
        def step(self, theta, grad, state, at):
            return super().step(theta, grad, state, at)

    answers = [
        library,
        library(**dict.fromkeys(one.fields, 0.1)),
        Renamed,
        Asks,
        lambda **settings: library(**settings),
        partial(Calls, library),
    ]
    for answer in answers:
        verdict = one.judge(answer)
        assert not verdict.right and "Write the equation yourself" in verdict.says, verdict


def test_the_librarys_closed_forms_and_torchs_optimizers_are_no_answer():
    import torch

    for answer in (
        gd.theory.rho,
        lambda t, beta2: gd.theory.rho(t, beta2),
        lambda t, beta2: gd.RAdam(beta2=beta2).at(t)["rho"],
        "__import__('gdcourse').theory.rho(t, beta2)",
    ):
        assert "Write the equation yourself" in exercises.radam.rho.judge(answer).says

    def step(theta, eta, g):
        optimizer = torch.optim.SGD([torch.tensor(theta)], lr=eta)
        return theta - optimizer.param_groups[0]["lr"] * g

    assert "Write the equation yourself" in exercises.gradient_descent.step.judge(step).says


@over(BEHAVIOURS)
def test_no_constant_passes(one):
    class Rests:
        def __init__(self, *arguments, **settings):
            pass

        def step(self, theta, grad, state, at):
            return 0.25

    for value in (0, 1, 0.25, -1):
        line = f"theta = {value}" if isinstance(one, MissingLine) and not one.target else str(value)
        answer = Rests if isinstance(one, WholeRule) else line
        assert not one.judge(answer).right


class NoStep:
    def __init__(self, *arguments, **settings):
        pass


class Raises(NoStep):
    def step(self, theta, grad, state, at):
        return 1 / 0


class Leaves(NoStep):
    def step(self, theta, grad, state, at):
        raise SystemExit


class Prints(NoStep):
    def step(self, theta, grad, state, at):
        print("x" * 10_000_000)
        return theta, {}


class Bottomless(NoStep):
    def step(self, theta, grad, state, at):
        return self.step(theta, grad, state, at)


class Forgets(NoStep):
    def init(self, theta, zeros):
        return {"v": zeros}

    def step(self, theta, grad, state, at):
        return theta, {}


class GivesText(NoStep):
    def step(self, theta, grad, state, at):
        return "theta", {}


class Hostile:
    def __getattr__(self, name):
        raise RuntimeError(name)

    def __repr__(self):
        raise RuntimeError("no repr")

    def __float__(self):
        raise RuntimeError("no float")

    def __eq__(self, other):
        raise RuntimeError("no comparison")

    __hash__ = None


def returns(value):
    class Returns(NoStep):
        def step(self, theta, grad, state, at):
            return value, {}

    return Returns


NASTY = [
    None, ..., "", "   ", "# nothing", "...", "theta = ...", "____", "x" * 100_000, "(" * 10_000, "1 +", "\0",
    "raise SystemExit", "raise KeyError(3)", "theta = 1j", "nonsense", "import os\nos.nothing", "del theta",
    "def f(:", "class A: pass", "class A:\n  def step(self): return 1", "lambda: 1/0", "10**400", "nan",
    "print('x' * 10**7)", "theta = theta = theta", "z", "(z)",
    lambda: 1 / 0, lambda *a: a, lambda **k: k, lambda theta: theta, print, len, type, int, object, object(),
    float("nan"), float("inf"), 10**400, -1, True, 1j, [], [1.0], {}, (1, 2), {1, 2}, b"12", bytearray(b"1"),
    NoStep, NoStep(), Raises, Leaves, Prints, Bottomless, Forgets, GivesText, Hostile, Hostile(), Exception,
    returns(float("nan")), returns(None), returns(1j), returns(10**400), returns([1, 2]), returns(...),
]  # fmt: skip


@over(ALL)
def test_nothing_that_an_answer_does_raises(one, capsys):
    towers = ["9**9**9"] if isinstance(one, Number) else []
    for answer in [*NASTY, *towers]:
        verdict = one.check(answer)
        assert not verdict.right
        assert 0 < len(str(verdict)) < 3000 and str(verdict) == repr(verdict)
        assert json.loads(json.dumps(verdict.as_dict(), allow_nan=False))["text"] == str(verdict)
    assert not capsys.readouterr().out


def bare(text):
    return re.sub(r"\s|·|\*(?!\*)", "", text)


@over(ALL)
def test_no_message_holds_the_solution(one):
    messages = [one.title, one.prompt, one.how_to_answer, one.why, repr(one), *one.hints]
    messages += [str(one.judge(answer)) for answer in NASTY if not isinstance(answer, str)]
    messages += [wrong.says for wrong in one.wrong]
    if isinstance(one, Behaviour):
        lines = one.solution.splitlines()
        secret = (
            lines if isinstance(one, Formula) else [line.split(" = ")[-1] for line in lines if " = " in line]
        )
        secret = [line for line in secret if len(bare(line)) > 4 and line != "gradient(theta)"]
        assert secret
    elif isinstance(one, Number):
        secret = [f"{one.right:.6g}"] if isinstance(one.right, float) and len(f"{one.right:.6g}") > 3 else []
    else:
        secret = []
    for line in secret:
        assert not [text for text in messages if bare(line) in bare(text)], line


def test_an_open_answer_is_no_try_and_each_wrong_one_gives_the_next_hint():
    one = exercises.momentum.heavy_ball
    for nothing in (None, ..., "", one.stub):
        verdict = one.check(nothing)
        assert not verdict.answered and not verdict.hint and str(verdict).startswith("Open.")
    assert "heavy_ball  open" in repr(exercises.momentum)
    hints = [one.check(NoStep).hint for _ in range(len(one.hints) + 1)]
    assert hints == [one.hint(i) for i in range(len(one.hints))] + [one.hint(99)]
    assert hints[0].startswith("Hint 1 of 2: ") and one.hints[0] in hints[0] and hints[-1] == hints[-2]
    assert "heavy_ball  tried" in repr(exercises.momentum)
    assert one.judge(NoStep).hint == hints[0]  # without a memory
    assert one.check(RIGHT[one.name][0]).right and one.check(NoStep).hint
    assert "heavy_ball  solved" in repr(exercises.momentum)


@over(WHOLE)
def test_a_stub_is_open_as_text_and_as_a_class(one):
    assert "..." in one.stub and not one.judge(one.stub).answered
    names = {"gd": gd}
    exec(one.stub, names)
    verdict = one.judge(names["Mine"])
    assert not verdict.answered and not verdict.right, verdict


def test_progress_counts_by_chapter(capsys):
    exercises.batch.sum.check("2/75")
    exercises.batch.chunks.check(4.5)
    assert exercises.progress() is None
    table = {row.split()[0]: row.split()[1:] for row in capsys.readouterr().out.splitlines()[1:]}
    assert list(table) == [*exercises.CHAPTERS, "all"]
    assert table["batch"] == ["1", "1", str(len(exercises.batch.exercises) - 2)]
    assert table["all"] == ["1", "1", str(len(ALL) - 2)]


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no exercise nonsense; it has heavy_ball"):
        _ = exercises.momentum.nonsense
    with pytest.raises(AttributeError, match="no exercises for nonsense"):
        _ = exercises.nonsense


def test_a_complaint_names_the_line():
    verdict = exercises.adam.bias.judge("m_hat = m\nv_hat = v + nothing")
    assert "NameError" in verdict.says and "line 2, `v_hat = v + nothing`" in verdict.says
    verdict = exercises.momentum.heavy_ball.judge(Raises)
    assert "ZeroDivisionError" in verdict.says and "`return 1 / 0`" in verdict.says
    assert "** in Python" in exercises.adam.step.judge("theta - eta * m_hat / (v_hat^0.5 + eps)").says
    assert "cannot read line 1, `theta = = 1`" in exercises.adam.step.judge("theta = = 1").says
    assert "equation's letters" in exercises.adam.step.judge("theta - lr * m_hat").says
    assert "asks for lr" in exercises.gradient_descent.step.judge(lambda theta, lr, g: theta - lr * g).says
    assert "has to set look" in exercises.nesterov.look_ahead.judge("point = theta - gamma * v").says
    assert "complex" in exercises.adam.step.judge("theta - eta * (-v_hat)**0.5").says


def test_a_text_copied_from_the_page_is_read_as_it_was_meant():
    step = exercises.adam.step
    assert step.judge("θ − η · m_hat / (√v_hat + ε)").right
    assert step.judge("“a”\ntheta = theta − eta * m_hat / (v_hat**0.5 + eps)").right
    assert "has its sign" in step.judge("theta − eta m_hat / (√v_hat + eps)").says
    assert "has its sign" not in step.judge("theta = = 1 if eta else 0").says


def test_a_verdict_on_one_page():
    says = str(
        exercises.momentum.heavy_ball.judge(
            as_class(
                exercises.momentum.heavy_ball, "v = gamma * v + eta * gradient(theta)\ntheta = theta + v"
            )
        )
    )
    assert says == (
        "Not yet. v is minus the velocity: subtract it.\n"
        "First difference at t = 1: your θ is 1.2, it should be 0.8.\n"
        "Tried with θ_0 = 1, η = 0.1, γ = 0.9, a gradient of 2.\n"
        "Hint 1 of 2: v_t has two parts: what is left of the last step, and a gradient step."
    )


def test_a_class_may_name_its_arguments_by_letters_and_not_by_anything():
    assert exercises.momentum.heavy_ball.judge(RIGHT["momentum.heavy_ball"][2]).right

    class Takes:
        def __init__(self, one, two, three):
            pass

        step = None

    assert "its arguments are: one, two, three" in exercises.momentum.heavy_ball.judge(Takes).says


def test_what_a_class_leaves_out_is_said():
    whole = exercises.momentum.heavy_ball

    class BareInit(NoStep):
        def init(self, theta, zeros):
            return zeros

        def step(self, theta, grad, state, at):
            return theta, {}

    for answer, said in (
        (Forgets, "init names v, and step does not give it back"),
        (BareInit, "init gives back the state's names"),
        (returns(None), "θ is None at t = 1, which is no number"),
        (returns(1j), "θ becomes a complex number"),
        (returns(float("nan")), "θ is nan at t = 1"),
        (NoStep, "NoStep has no step"),
        (SlidesMomentum(0.1), "Give the class SlidesMomentum itself"),
        ("x = 3", "no class with a step"),
        (3, "Give a class with a step"),
    ):
        assert said in whole.judge(answer).says, whole.judge(answer)


def test_no_truth_value_is_a_number():
    assert "True is not a number" in exercises.batch.sum.judge(True).says
    assert "with a point" in exercises.batch.sum.judge("0,026").says
    assert "nan" in exercises.batch.sum.judge(float("nan")).as_dict()["says"]


def test_a_value_that_json_has_not_is_a_text():
    verdict = Verdict(False, "says", 1, float("inf"), 1.0)
    assert verdict.as_dict()["theirs"] == "inf" and json.dumps(verdict.as_dict(), allow_nan=False)


def test_an_open_answer_shows_the_gap_and_the_options_line_by_line():
    text = str(exercises.nesterov.look_ahead.check("look = ..."))
    assert text.startswith("Open. Give the line that sets look")
    assert (
        "v = 0\nfor t in range(1, steps + 1):\n    ____\n    v = gamma * v + eta * gradient(look)\n" in text
    )
    assert "\n  (a) 0.5/√t\n  (b) 0.5/t\n" in str(exercises.stochastic.sums.check(...))
    assert "class Mine(gd.Rule):\n    def __init__" in str(exercises.adam.whole.check())


def test_a_slip_of_the_pen_costs_no_hint():
    for one, slip in (
        (exercises.adam.step, "theta - (eta"),
        (exercises.batch.sum, "0,026"),
        (exercises.batch.twice, "e"),
    ):
        verdict = one.check(slip)
        assert not verdict.answered and not verdict.hint
        assert one.hint() == one.hint(0)


@pytest.mark.parametrize(
    "answer",
    ["300·64/6,000", "= 3.2", "mine = 16/5", "≈ 3.2", "16⁄5", ">>> 3.2", "√10.24", "32·10⁻¹", "2⁴ / 5"],
)
def test_a_number_may_be_written_as_on_paper(answer):
    assert exercises.introduction.passes.judge(answer).right


@pytest.mark.parametrize("answer", ["3,2", (3, 2), "0,031", "1,250"])
def test_a_comma_that_may_be_a_point_is_asked_about(answer):
    verdict = exercises.race.luck.judge(answer)
    assert not verdict.answered and "with a point" in verdict.says


def test_a_number_that_is_rounded_too_far_is_not_called_wrong():
    for answer in ("3.1 %", 0.031):
        assert "rounded too far" in exercises.race.luck.judge(answer).says
    assert "rounded" not in exercises.race.luck.judge(0.032).says
    assert "rounded too far" in exercises.conclusion.chance.judge(0.008).says  # 0.00794
    assert "rounded too far" not in exercises.conclusion.chance.judge(0.007).says


def test_a_function_may_stand_before_its_number_without_brackets():
    for text in ("ln 10", "log 10", "ln(10)", "ln 100 / 2", "0.5 * ln 100"):
        assert number_from(text) == pytest.approx(math.log(10))
    assert number_from("sqrt 2") == number_from("√2") == pytest.approx(2**0.5)
    for text in ("ln 10**2", "ln 10(2)", "ln x"):  # of what, is not clear
        assert number_from(text) is None


@pytest.mark.parametrize(
    "name, answer",
    [
        ("radam.rho", "2/(1-β₂) - 1 - 2*t*β₂ᵗ/(1-β₂ᵗ)"),
        ("radam.rho", "ρ_t = 2/(1 - β₂) - 1 - 2*t*β₂ᵗ/(1 - β₂ᵗ)"),
        ("network.softmax", "p₁ = exp(s₁)/(exp(s₁) + exp(s₂))"),
        ("network.softmax", "1/(1 + e**(s2 - s1))"),
        ("network.softmax", lambda a, b: 2.718281828459045**a / sum(2.718281828459045**s for s in (a, b))),
        ("adam.step", "θ = θ − η·m\u0302/(√v\u0302 + ε)"),
        ("adam.step", ">>> theta = theta - eta*m_hat/(√(v_hat) + eps)"),
        ("adam.step", "theta\xa0= theta - eta*m_hat/(v_hat**.5 + eps)"),
        ("lookahead.sync", ">>> if t % k == 0:\n...     slow += alpha*(theta - slow)\n...     theta = slow"),
    ],
)
def test_an_answer_may_use_the_pages_signs_and_names(name, answer):
    chapter, own = name.split(".")
    verdict = getattr(exercises.chapter(chapter), own).judge(answer)
    assert verdict.right, str(verdict)


def test_a_formula_without_steps_shows_both_values():
    text = str(exercises.network.softmax.judge("s1 / (s1 + s2)"))
    assert "Your p₁ is 0.6667 there; it should be 0.7311." in text


def test_a_rounded_answer_is_not_said_to_do_something_else():
    one = exercises.network.softmax
    verdict = one.judge(lambda s1, s2: round(1 / (1 + 2.718281828459045 ** (s2 - s1)), 7))
    assert not verdict.right and "rounded" in verdict.says


def test_a_class_of_bare_fields_is_told_of_dataclass():
    step = "    def step(self, theta, grad, state, at):\n        return theta, {}"
    text = f"class Mine(Rule):\n    lr: float\n{step}"
    assert "@dataclass" in exercises.introduction.shorter.judge(text).says


LION = """class Mine(gd.Rule):
    def __init__(self, lr, beta1, beta2, weight_decay):
        self.lr, self.beta1, self.beta2, self.weight_decay = lr, beta1, beta2, weight_decay

    def init(self, theta, zeros):
        return {"m": zeros}

    def step(self, theta, grad, state, at):
        c = self.beta1 * state["m"] + (1 - self.beta1) * grad
        m = self.beta2 * state["m"] + (1 - self.beta2) * grad
        return theta - self.lr * (WORD(c) + self.weight_decay * theta), {"m": m}
"""


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("gd.rules.sign", ""),
        ("gd.sign", "here it is called gd.rules.sign"),
        ("gd.sqrt", "module 'gdcourse' has no attribute 'sqrt'"),
    ],
)
def test_a_name_of_the_package_means_the_same_in_a_page_and_in_a_notebook(word, says):
    text, names = LION.replace("WORD", word), {"gd": gd}
    exec(text, names)
    lion = exercises.sign.lion
    for answer in (text, names["Mine"]):
        verdict = lion.judge(answer)
        assert says in verdict.says and verdict.right == (not says)


def test_a_librarys_name_in_a_text_is_explained():
    assert "sqrt" in exercises.adam.step.judge("theta - eta*m_hat/(np.sqrt(v_hat) + eps)").says


def test_a_choice_may_come_with_its_words():
    one = exercises.introduction.report
    words = one.lettered["c"]
    assert all(one.judge(text).right for text in ("'c'", f"c) {words}", f"(c) {words}", words))
    assert not one.judge(f"b) {words}").answered
