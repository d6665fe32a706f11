"""No bytes of others become code: what could do that is named here, with the reason, or is not there."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("shared", "services", "training", "deploy", "benchmarks", "selfmis")
# Modules whose import alone is worth a question.
MODULES = frozenset({"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"})
CALLS = frozenset({
    "eval", "exec", "compile", "__import__", "torch.load", "torch.jit.load", "yaml.load", "yaml.unsafe_load",
    "yaml.full_load", "pandas.read_pickle", "pd.read_pickle", "os.system", "os.popen", "subprocess.getoutput",
    "runpy.run_path", "runpy.run_module", "tempfile.mktemp", "extractall",
})  # fmt: skip
# Where a call that is not as safe as could be is right all the same: file and call, and why.
ALLOWED: dict[tuple[str, str], str] = {}


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of a name, ``?.c`` of an attribute of what has none; "" of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else f"?.{node.attr}"
    return ""


def unsafe(tree: ast.AST) -> set[str]:
    """What in a module could turn bytes into code, or a text into a command of a shell."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [name.name for name in node.names] + [getattr(node, "module", None) or ""]
            found |= {name for name in names if name.split(".")[0] in MODULES}
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if name in CALLS or name.endswith(".extractall"):
            found.add(name)
        for argument in node.keywords:
            true = isinstance(argument.value, ast.Constant) and argument.value.value is False
            if argument.arg in {"shell", "allow_pickle"} and not true:
                found.add(f"{name}({argument.arg})")
            if argument.arg == "weights_only" and true:
                found.add(f"{name}(weights_only=False)")
    return found


def test_nothing_of_ours_unpickles_evaluates_or_starts_a_shell() -> None:
    found = {
        (str(path.relative_to(ROOT)), call)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for call in unsafe(ast.parse(path.read_bytes()))
    }
    assert found == set(ALLOWED)


def test_the_look_for_unsafe_calls_finds_them() -> None:
    text = """
import pickle
from marshal import loads
import numpy as np, subprocess, torch, yaml
eval("1"); torch.load("x"); yaml.load("x"); np.load("x", allow_pickle=True); subprocess.run("x", shell=True)
np.load("x", allow_pickle=False); yaml.safe_load("x"); subprocess.run(["x"]); model.eval()
archive.extractall()
"""
    assert unsafe(ast.parse(text)) == {
        "pickle", "marshal", "eval", "torch.load", "yaml.load", "np.load(allow_pickle)", "subprocess.run(shell)",
        "archive.extractall",
    }  # fmt: skip
