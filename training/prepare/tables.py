"""Tables about records, as PTB-XL has them and as people write them: columns checked, values understood."""

import ast
import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from training.prepare.listing import PrepareError

# PTB-XL hides the age of people over 89 as 300; 90 is what is left of it, and is no outlier to a model.
HIDDEN_AGE, OVER_89 = 300, 90
_CODE = re.compile(r"[A-Za-z0-9_()/+\-]{1,32}")
_SEX = {"0": 0, "1": 1, "m": 0, "male": 0, "f": 1, "female": 1}


def read_table(path: Path, required: Sequence[str]) -> pd.DataFrame:
    """A CSV with all values as text, "" where blank. Refuses one without the required columns, or without rows."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except OSError as error:
        raise PrepareError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, csv.Error) as error:  # pandas' own errors, and text that is not UTF-8
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise PrepareError(f"{path} is no readable CSV: {why}") from None
    if missing := [name for name in required if name not in table]:
        raise PrepareError(
            f"{path} lacks column {', '.join(missing)}: it has {', '.join(map(str, table.columns))}"
        )
    if not len(table):
        raise PrepareError(f"{path} has no row")
    return table


def people(table: pd.DataFrame, path: Path, *, folds: bool = True) -> dict[str, pd.Series]:
    """Patient, age, sex, fold and label source of each row; absent columns and blanks are unknown.

    Refuses a table in which no row has a fold: nothing could be kept apart for validation. ``folds`` False: they
    will come from elsewhere.
    """
    numbers = _numbers(table, "strat_fold").where(lambda fold: (fold >= 1) & (fold % 1 == 0) & (fold < 1000))
    if folds and numbers.isna().all():
        raise PrepareError(f"{path} gives no record a fold: strat_fold must hold whole numbers from 1 on")
    ages = _numbers(table, "age").replace(HIDDEN_AGE, OVER_89)
    return {
        "patient": _text(table, "patient_id").str.removesuffix(".0"),
        "age": ages.where((ages >= 0) & (ages <= 130)),
        "sex": _text(table, "sex").map(sex_of, na_action="ignore"),
        "fold": numbers,
        "label_source": _text(table, "label_source"),
    }


def statements_of(text: str) -> Mapping[str, float]:
    """SCP statements and their likelihoods out of a cell.

    Takes PTB-XL's way (``{'IMI': 100.0, 'SR': 0.0}``) or codes alone (``IMI SR``, ``IMI;SR``), whose likelihood is
    unknown and therefore 0. Refuses (ValueError) anything else.

    >>> statements_of("IMI; SR")
    {'IMI': 0.0, 'SR': 0.0}
    """
    text = text.strip()
    if text.startswith("{"):
        try:
            found = json.loads(text.replace("'", '"'))  # ten times as fast as the literal
        except (ValueError, RecursionError):
            try:
                found = ast.literal_eval(text)
            except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
                raise ValueError(str(error)) from None
        if not isinstance(found, dict):
            raise ValueError("not a mapping")
        pairs = {str(code): value for code, value in found.items()}
    else:
        pairs = dict.fromkeys((code for code in re.split(r"[\s,;|]+", text) if code), 0.0)
    if not all(_CODE.fullmatch(code) for code in pairs):
        raise ValueError("not SCP codes")
    try:
        likelihoods = {code: float(likelihood) for code, likelihood in pairs.items()}
    except (TypeError, OverflowError):
        raise ValueError("likelihoods that are no numbers") from None
    if not all(map(math.isfinite, likelihoods.values())):
        raise ValueError("likelihoods that are no numbers")
    return likelihoods


def sex_of(text: str) -> int | None:
    """0 for a man, 1 for a woman, as PTB-XL has it; None for what says neither."""
    return _SEX.get(text.strip().lower().removesuffix(".0"))


def _text(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table:
        return pd.Series(np.nan, index=table.index, dtype="str")
    stripped = table[name].str.strip()
    return stripped.where(stripped != "")


def _numbers(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table:
        return pd.Series(np.nan, index=table.index)
    return pd.to_numeric(table[name], errors="coerce")
