"""Cells of a table as numbers: decimal commas, units, dates and times of day as other programs write them.

Rule: a whole column at a time where it is alike, cell by cell where it is not; what is no number is said to be none,
never guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from gateway.traces.flights import Floats
from gateway.traces.importing.columns import TIMES, UNITS, Column

DAY_S = 86_400.0
_NOTHING = frozenset(("", "-", "--", "nan", "na", "n/a", "null", "none", "nil", "inf", "infinity", "*", "?"))
_EPOCH = datetime(1970, 1, 1)
_WITH_UNIT = re.compile(r"([-+]?[\d.,]*\d(?:[eE][-+]?\d+)?)\s*([A-Za-zµμ]+)")
_OTHER_UNITS = frozenset(("db", "dbm", "hz", "b", "byte", "bytes"))
_DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})[T ,]*(.*)")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?(?:\s*([AaPp])\.?[Mm]\.?)?")
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?\Z")


@dataclass(slots=True)
class Cells:
    """One column's cells, piece by piece: what is learned of its first cells holds for the rest."""

    column: Column
    delimiter: str
    is_time: bool = False
    """Whether the cells are moments, not lengths of time."""
    is_day_first: bool | None = None
    """Of dates such as 04/05/2026; None: not known yet."""
    is_guessed: bool = False
    """Whether there were dates of which neither day nor month is above 12."""
    is_of_day: bool = False
    """Whether moments were times of day, in seconds since midnight."""
    _is_seen: bool = False

    def numbers(self, texts: Sequence[str]) -> tuple[Floats, NDArray[np.bool_]]:
        """(cells,): numbers, NaN for none; and which cells are neither a number nor a word for none."""
        if not any(texts):
            return np.full(len(texts), math.nan), np.zeros(len(texts), bool)
        if not self._is_seen:
            self._look(texts)
        try:
            values = np.fromiter(map(float, texts), np.float64, len(texts))
        except ValueError:
            quick = self._alike(texts)
            if quick is None:
                return self._one_by_one(texts)
            values = quick
        values[np.isinf(values)] = math.nan
        return values, np.zeros(len(texts), bool)

    def _look(self, texts: Sequence[str]) -> None:
        """A unit that stands in the cells; whether dates have the day first."""
        known = [text for text in texts[:1000] if text.strip().lower() not in _NOTHING]
        self._is_seen = bool(known)
        for text in known[:20]:
            found = _WITH_UNIT.fullmatch(text.strip())
            unit = _unit(found[2]) if found else ""
            if unit and not self.column.unit and self.column.field in TIMES:
                self.column = replace(self.column, unit=unit)
        if self.is_time:
            dates = [found for text in known if (found := _DATE.fullmatch(text.strip())) and len(found[1]) < 4]
            if any(int(found[1]) > 12 for found in dates) or any(found[2] == "." for found in dates):
                self.is_day_first = True
            elif any(int(found[3]) > 12 for found in dates):
                self.is_day_first = False

    def _alike(self, texts: Sequence[str]) -> Floats | None:
        """A piece whose cells are all plain numbers, empty or with a decimal comma, or all ISO dates; None if not."""
        swap = self.delimiter != ","
        try:
            return np.fromiter(
                (float((text.replace(",", ".") if swap else text) or "nan") for text in texts), np.float64, len(texts)
            )
        except ValueError:
            pass
        if not self.is_time or not all(map(_ISO.match, texts)):
            return None
        try:
            return np.array(texts, "datetime64[ns]").astype(np.int64) / 1e9
        except ValueError:
            return None

    def _one_by_one(self, texts: Sequence[str]) -> tuple[Floats, NDArray[np.bool_]]:
        values, wrong = np.full(len(texts), math.nan), np.zeros(len(texts), bool)
        for place, text in enumerate(texts):
            cell = text.strip()
            if cell.lower() in _NOTHING:
                continue
            number = self._number(cell)
            if number is None:
                wrong[place] = True
            elif math.isfinite(number):
                values[place] = number
        return values, wrong

    def _number(self, cell: str) -> float | None:
        try:
            return float(cell)
        except ValueError:
            pass
        if cell.count(",") == 1 and self.delimiter != ",":
            try:
                return float(cell.replace(",", "."))
            except ValueError:
                pass
        if self.is_time and (":" in cell or "-" in cell[1:] or "/" in cell or cell.count(".") == 2):
            return self._moment(cell)
        found = _WITH_UNIT.fullmatch(cell)
        if found is None:
            return None
        try:
            number = float(found[1].replace(",", "."))
        except ValueError:
            return None
        unit = _unit(found[2])
        if unit and self.column.unit:
            return number * UNITS[unit] / UNITS[self.column.unit]
        return number if found[2].lower() in _OTHER_UNITS else None

    def _moment(self, cell: str) -> float | None:
        """Seconds since 1970, or since midnight for a time of day without a date; dates without a zone are UTC."""
        try:
            when = datetime.fromisoformat(cell.replace(",", ".") if cell.count(",") == 1 else cell)
            return (when - _EPOCH).total_seconds() if when.tzinfo is None else when.timestamp()
        except ValueError:
            pass
        found = _DATE.fullmatch(cell)
        if found is None:
            of_day_s = _clock_s(cell)
            self.is_of_day |= of_day_s is not None
            return of_day_s
        first, second, third = int(found[1]), int(found[3]), int(found[4])
        if len(found[1]) == 4:
            year, month, day = first, second, third
        else:
            year = third + 2000 if len(found[4]) <= 2 else third
            self.is_guessed |= self.is_day_first is None
            day, month = (first, second) if self.is_day_first else (second, first)
        of_day_s = _clock_s(found[5]) if found[5] else 0.0
        try:
            return None if of_day_s is None else (datetime(year, month, day) - _EPOCH).total_seconds() + of_day_s
        except ValueError:
            return None


def _unit(word: str) -> str:
    """As in UNITS; "" for none of them."""
    word = word.lower().replace("μ", "µ").removesuffix("ec").removesuffix("sec")
    return word if word in UNITS else ""


def _clock_s(text: str) -> float | None:
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    hours, minutes, seconds = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[5]:
        hours = hours % 12 + (12 if found[5] in "pP" else 0)
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    return 3600.0 * hours + 60 * minutes + seconds + float(f"0.{found[4] or 0}")


def over_midnight(times: Floats) -> tuple[Floats, int]:
    """Times of day counted on past midnight, and how many midnights there were."""
    falls = np.diff(times, prepend=times[:1]) < -DAY_S / 2
    return times + DAY_S * np.cumsum(falls), int(np.count_nonzero(falls))
