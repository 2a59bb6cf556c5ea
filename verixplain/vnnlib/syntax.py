"""Text -> nested lists of words, for both versions of VNN-LIB. Every file is taken as hostile."""

import gzip
import re
import zlib
from pathlib import Path
from typing import NoReturn

from verixplain.errors import QueryError

MOST_BYTES = 2**28
"""Of a query once it is unpacked."""

DEEPEST = 100
"""Parentheses inside parentheses."""

_TOKEN = re.compile(r"""[()]|\[[^\[\]()";]*\]|"(?:[^"\\]|\\.)*"|;[^\n]*|[^\s()\[\]";]+|\S""")


class Form(list):
    """What stands between two parentheses: words and forms. `at` is its place in the file.

    A word with an index, `X[0, 1]`, is one word; spaces inside the brackets are dropped.
    """

    __slots__ = ("at",)


class Text:
    """A query's text; forms of it can say where they stand.

    Args:
        text: the whole query.
        name: what it is called in messages.
    """

    def __init__(self, text: str, name: str = "query") -> None:
        self.text, self.name = text, name

    @classmethod
    def read(cls, path: str | Path) -> "Text":
        """The text of a file; of an unpacked one where the name ends in .gz.

        Raises:
            QueryError: no such file, too large, or not text.
        """
        path = Path(path)
        try:
            if path.suffix == ".gz":
                with gzip.open(path) as file:
                    data = file.read(MOST_BYTES + 1)
            else:
                with path.open("rb") as file:
                    data = file.read(MOST_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            words = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise QueryError(f"cannot read {str(path)!r}: {words}") from error
        if len(data) > MOST_BYTES:
            raise QueryError(f"{str(path)!r} has more than {MOST_BYTES:,} bytes of text")
        try:
            return cls(data.decode("utf-8"), path.name)
        except UnicodeDecodeError as error:
            raise QueryError(f"{str(path)!r} is not text: {error}") from error

    def forms(self) -> list[Form]:
        """Every form of the outermost level, in order.

        Raises:
            QueryError: parentheses do not match, or something stands outside all of them.
        """
        found: list[Form] = []
        open_: list[Form] = []
        for number, token in enumerate(_TOKEN.findall(self.text)):
            first = token[0]
            if first == "(":
                form = Form()
                form.at = number
                if len(open_) == DEEPEST:
                    self.refuse(f"more than {DEEPEST} parentheses inside one another", number)
                open_.append(form)
            elif first == ")":
                if not open_:
                    self.refuse("a parenthesis closes that nobody opened", number)
                form = open_.pop()
                (open_[-1] if open_ else found).append(form)
            elif first == ";":
                continue
            elif not open_:
                self.refuse(f"{token!r} stands outside all parentheses", number)
            elif first == "[" and len(token) > 1:
                self._index(open_[-1], token, number)
            elif first in '["]' and len(token) == 1:
                self.refuse(f"{token!r} opens or closes nothing", number)
            else:
                open_[-1].append(token)
        if open_:
            self.refuse("a parenthesis is never closed", open_[-1].at)
        return found

    def _index(self, form: Form, token: str, number: int) -> None:
        """Join `[...]` to the variable before it; after a type's name it is a shape, kept apart."""
        word = "".join(token.split())
        declared = form and isinstance(form[0], str) and form[0].startswith("declare-")
        if form and not declared and isinstance(form[-1], str) and not form[-1].endswith("]"):
            form[-1] += word
        elif declared:
            form.append(word)
        else:
            self.refuse(f"{token!r} follows no variable", number)

    def refuse(self, words: str, at: "int | Form", unsupported: bool = False) -> NoReturn:
        """Raise an error with the line of token number `at`."""
        from verixplain.errors import UnsupportedQueryError

        number = at.at if isinstance(at, Form) else at
        line = 1
        for count, found in enumerate(_TOKEN.finditer(self.text)):
            if count == number:
                line = self.text.count("\n", 0, found.start()) + 1
                break
        kind = UnsupportedQueryError if unsupported else QueryError
        raise kind(f"{self.name}, line {line}: {words}")
