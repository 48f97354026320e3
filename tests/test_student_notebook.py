"""The notebook for students: made from the solution, it stops at each blank, and its checks say what is wrong."""

import json
import re
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
MAKE = runpy.run_path(str(NOTEBOOKS / "make_student.py"))
SOLUTION = json.loads((NOTEBOOKS / "two_layer_net.ipynb").read_text(encoding="utf-8"))
STUDENT = json.loads((NOTEBOOKS / "two_layer_net_student.ipynb").read_text(encoding="utf-8"))
BEFORE_CIFAR10 = "data-code"


def code(notebook):
    """Return the source of every code cell."""
    return {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"}


def run_toy_part(cells):
    """Run the cells that need no data; return the name of the one that fails and its error, or None twice."""
    namespace = {}
    for name, source in cells.items():
        if name == BEFORE_CIFAR10:
            return None, None
        try:
            exec(compile(source.replace("%matplotlib inline", ""), name, "exec"), namespace)
        except (AssertionError, NotImplementedError) as error:
            return name, error
    raise AssertionError("there is no such cell")


@pytest.fixture(autouse=True)
def quiet_figures(monkeypatch):
    plt.switch_backend("agg")
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))


def test_it_is_made_from_the_solution():
    assert MAKE["student_notebook"](SOLUTION) == STUDENT, "run make notebooks"
    nbformat.validate(nbformat.from_dict(STUDENT))
    text = json.dumps(STUDENT)
    assert "SOLUTION" not in text
    assert text.count('raise NotImplementedError(\\"') == 8
    kept = {name for name, source in code(STUDENT).items() if source == code(SOLUTION)[name]}
    assert {
        "forward-code",
        "loss-code",
        "gradient-code",
        "toy-training-code",
        "trainer-code",
        "data-code",
        "training-code",
    } <= kept


def test_it_stops_at_each_blank_and_says_what_belongs_there():
    cells, solved = code(STUDENT), code(SOLUTION)
    for blank, check, words in [
        ("forward-write", "forward-code", "forward: compute H = max"),
        ("loss-write", "loss-code", "softmax_loss: compute P"),
        ("gradient-write", "gradient-code", "backward: compute the gradients of W1, b1, W2 and b2"),
        ("steps-write", "toy-training-code", "momentum_step: change v in place"),
    ]:
        where, error = run_toy_part(cells)
        assert (where, type(error)) == (check, NotImplementedError)
        assert words in str(error)
        cells = cells | {blank: solved[blank]}


def test_filled_in_it_prints_the_published_numbers(capsys):
    solved = {name: source for name, source in code(SOLUTION).items() if name.endswith("-write")}
    assert run_toy_part(code(STUDENT) | solved) == (None, None)
    printed = capsys.readouterr().out
    assert "SGD: last loss 0.940686\nmomentum: last loss 0.494394\nRMSProp: last loss 0.439368\n" in printed
    assert "loss and gradients are those of the package" in printed


@pytest.mark.parametrize(
    ("cell", "right", "wrong", "words"),
    [
        ("forward-write", "np.maximum(0, ", "(", "without the ReLU"),
        ("forward-write", ' + model["b1"]', "", "without b1"),
        ("forward-write", ' + model["b2"]', "", "without b2"),
        ("forward-write", "scores = ", "scores = 2 * ", "Compare every line with the formulas"),
        ("loss-write", "0.5 * reg", "reg", "The penalty counts twice"),
        ("loss-write", "0.5 * reg", "0 * reg", "without the penalty"),
        ("loss-write", ".mean()", ".sum()", "This is the sum over the examples"),
        ("loss-write", ' + np.sum(model["W2"] ** 2)', "", "here it is on W1 alone"),
        ("loss-write", "scores - scores.max(axis=1, keepdims=True)", "scores", "subtract the largest score"),
        ("gradient-write", "    dS /= n\n", "", "The gradient of W2 is wrong. It is as many times too large .* divide by n"),
        ("gradient-write", ' + reg * model["W2"]', "", "The gradient of W2 is wrong. The gradient of the penalty is missing"),
        ("gradient-write", ' + reg * model["W1"]', ' + 2 * reg * model["W1"]', "of W1 is wrong. .* counts twice"),
        ("gradient-write", "dZ.sum(axis=0)", "dZ.sum(axis=1)", r"of b1 is wrong. It has the shape \(5,\), and b1 has \(10,\)"),
        ("gradient-write", " * (H > 0)", "", "The gradient of W1 is wrong"),
        ("steps-write", "v *= momentum\n    v -= ", "v = momentum * v - ", "v is not changed in place"),
        ("steps-write", "    p += v\n", "    p = p + v\n", "p is not changed in place"),
        ("steps-write", "v -= ", "v += ", "A step goes against the gradient"),
        ("steps-write", "np.sqrt(c + epsilon)", "(np.sqrt(c) + epsilon)", "ε belongs inside the square root"),
        ("steps-write", "    c *= decay_rate\n", "", "c is multiplied by ρ"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of overflows, where a mistake leads to them
def test_a_check_says_what_is_wrong(cell, right, wrong, words):
    cells = code(SOLUTION)
    assert right in cells[cell]
    where, error = run_toy_part(cells | {cell: cells[cell].replace(right, wrong)})
    assert isinstance(error, AssertionError), where
    assert re.search(words, str(error)), error
