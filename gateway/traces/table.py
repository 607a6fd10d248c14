"""A trace as columns: what statistics, replay and import work on, for a million rows are too many for objects.

Rule: values only. A number that is not known is NaN, a text that is not known is "". Whole numbers are float64 here:
exact up to 2^53.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.traces.record import COLUMNS, MAX_TEXT, Direction, Outcome, TraceRecord, record_from_list

DIRECTIONS = tuple(item.value for item in Direction)
OUTCOMES = tuple(item.value for item in Outcome)
TEXTS = ("direction", "outcome", "source", "destination", "kind", "status")
NUMBERS = tuple(name for name in COLUMNS if name not in TEXTS)
WHOLE = ("sequence", "over", "size", "digest")
_CHUNK_ROWS = 1 << 16
_EXACT = 2.0**53


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """`numbers[name]` float64 (rows,), `codes[name]` int32 (rows,) into `words`."""

    numbers: dict[str, NDArray[np.float64]]
    codes: dict[str, NDArray[np.int32]]
    words: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.numbers["at_s"])

    def is_word(self, name: str, *words: str) -> NDArray[np.bool_]:
        """(rows,): whether the text `name` is one of `words`."""
        wanted = [code for code, word in enumerate(self.words) if word in words]
        return np.isin(self.codes[name], wanted)

    def take(self, rows: NDArray[Any]) -> Table:
        """The rows of a mask or of indices, in that order."""
        return Table(
            {name: column[rows] for name, column in self.numbers.items()},
            {name: column[rows] for name, column in self.codes.items()},
            self.words,
        )

    def rows(self) -> Iterator[list[Any]]:
        """Lists in the order of COLUMNS, not known at the end left out: as records are written."""
        whole = {name: name in WHOLE for name in NUMBERS}
        for start in range(0, len(self), _CHUNK_ROWS):
            part = slice(start, start + _CHUNK_ROWS)
            columns: list[list[Any]] = []
            for name in COLUMNS:
                if name in TEXTS:
                    columns.append([self.words[code] for code in self.codes[name][part].tolist()])
                    continue
                column = self.numbers[name][part]
                unknown = np.isnan(column)
                if unknown.all():
                    columns.append([None] * len(column))
                    continue
                values = np.where(unknown, 0, column).astype(np.int64).tolist() if whole[name] else column.tolist()
                if unknown.any():
                    values = [None if gone else value for gone, value in zip(unknown.tolist(), values, strict=True)]
                columns.append(values)
            while len(columns) > 3 and all(value is None or value == "" for value in columns[-1]):
                columns.pop()  # a column that nobody knows costs nothing
            for row in map(list, zip(*columns, strict=True)):
                while row[-1] is None or row[-1] == "":
                    row.pop()
                yield row

    def records(self) -> Iterator[TraceRecord]:
        """The rows as values."""
        for row in self.rows():
            record = record_from_list(row)
            assert record is not None
            yield record


@dataclass(slots=True)
class TableBuilder:
    """Rows as lists, or whole columns, into a Table; rows that are no records are counted."""

    unknown: int = 0
    _words: dict[str, int] = field(default_factory=lambda: {"": 0})
    _numbers: dict[str, list[NDArray[np.float64]]] = field(default_factory=lambda: {name: [] for name in NUMBERS})
    _codes: dict[str, list[NDArray[np.int32]]] = field(default_factory=lambda: {name: [] for name in TEXTS})

    def add_rows(self, rows: Sequence[Sequence[Any]]) -> None:
        """Rows in the order of COLUMNS, each as long as it likes."""
        if not rows:
            return
        columns = list(itertools.islice(itertools.zip_longest(*rows), len(COLUMNS)))
        columns += [(None,) * len(rows)] * (len(COLUMNS) - len(columns))
        known = dict(zip(COLUMNS, columns, strict=True))
        numbers = {name: _numbers(known[name]) for name in NUMBERS}
        good = np.isfinite(numbers["at_s"])
        codes = {name: self._coded(known[name]) for name in TEXTS}
        for name, allowed in (("direction", DIRECTIONS), ("outcome", OUTCOMES)):
            good &= np.isin(codes[name], [self._code(word) for word in allowed])
        self.unknown += int(np.count_nonzero(~good))
        for name in NUMBERS:
            self._numbers[name].append(numbers[name][good])
        for name in TEXTS:
            self._codes[name].append(codes[name][good])

    def add_columns(self, n_rows: int, columns: dict[str, Any]) -> None:
        """`columns[name]`: an array of numbers (NaN unknown), a list of texts, or one text or number for all rows."""
        for name in NUMBERS:
            self._numbers[name].append(np.broadcast_to(np.asarray(columns.get(name, math.nan), float), n_rows))
        for name in TEXTS:
            value = columns.get(name, "")
            if isinstance(value, str):
                self._codes[name].append(np.full(n_rows, self._code(value), np.int32))
            else:
                self._codes[name].append(self._coded(value))

    def build(self) -> Table:
        """All rows so far, in the order in which they came."""
        empty_numbers, empty_codes = np.empty(0), np.empty(0, np.int32)
        numbers = {name: np.concatenate([empty_numbers, *parts]) for name, parts in self._numbers.items()}
        for name in WHOLE:
            numbers[name][np.abs(numbers[name]) > _EXACT] = math.nan  # no count of anything
        return Table(
            numbers,
            {name: np.concatenate([empty_codes, *parts]).astype(np.int32) for name, parts in self._codes.items()},
            tuple(self._words),
        )

    def _coded(self, words: Sequence[Any]) -> NDArray[np.int32]:
        if not set(map(type, words)) <= _TEXT_TYPES:
            words = [word if isinstance(word, str) else "" for word in words]
        known = {word: self._code(word or "") for word in set(words)}
        if len(known) == 1:
            return np.full(len(words), next(iter(known.values())), np.int32)
        return np.array([known[word] for word in words], np.int32)

    def _code(self, word: str) -> int:
        known = self._words.get(word)
        if known is None:
            word = word[:MAX_TEXT]
            known = self._words.setdefault(word, len(self._words))
        return known


_NONE = type(None)
_PLAIN = frozenset((_NONE, int, float))
_TEXT_TYPES = frozenset((_NONE, str))


def _numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    kinds = set(map(type, values))
    if kinds == {_NONE}:
        return np.full(len(values), math.nan)
    if kinds <= _PLAIN:
        try:
            column = np.array(values, dtype=np.float64)
        except OverflowError:
            pass
        else:
            column[np.isinf(column)] = math.nan
            return column
    return np.array([_number(value) for value in values])


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def table_of(records: Sequence[TraceRecord]) -> Table:
    """Records as columns."""
    builder = TableBuilder()
    for start in range(0, len(records), _CHUNK_ROWS):
        part = records[start : start + _CHUNK_ROWS]
        builder.add_rows([[getattr(record, name) for name in COLUMNS] for record in part])
    return builder.build()
