"""What a regular expression needs: words of which every text that it matches holds at least one.

Most lines of a page hold no such word of any rule, and need not be shown to its pattern. The idea is that of Cox,
"Regular Expression Matching with a Trigram Index" (2012), and of the literal prefixes in Rust's `regex`; here the words
are read off the pattern whole.
"""

from collections.abc import Iterable
from dataclasses import dataclass

# Strings in a set; an expression that stands for more of them is taken for one that could be anything.
_MAX_STRINGS = 250
# A word that is longer tells hardly more.
_TELLING_CHARS = 7

# Characters that equal one of ASCII, Latin or Cyrillic when case does not count, and are not its capital: the long s,
# the signs of Kelvin and Ångström, and old forms of Cyrillic letters (CaseFolding.txt of Unicode).
SAME_WITHOUT_CASE = "\u017f\u212a\u212b" + "".join(map(chr, range(0x1C80, 0x1C89)))
# Letters whose capital is the only other form, but for those above: of Latin-1 and Latin Extended-A, and of Cyrillic.
_PAIRED_LETTERS = ((0xC0, 0x17E), (0x400, 0x45F))

Strings = frozenset[str]

_NOTHING: Strings = frozenset({""})


@dataclass(frozen=True)
class _Part:
    """What a part of a pattern matches.

    Attributes:
        exact: all that it matches, null where that is too much to name.
        needed: strings of which each match holds one, null where there are none.
    """

    exact: Strings | None
    needed: Strings | None


_ANYTHING = _Part(None, None)
_EMPTY = _Part(_NOTHING, None)


class _UnknownSyntaxError(ValueError):
    """The pattern has what this module does not read."""


def needed_words(pattern: str) -> Strings | None:
    """Words of which every text that the pattern matches holds one; ASCII letters are in small ones.

    Case never counts, so the words serve patterns with and without `(?i)`, if they are looked for in a text whose ASCII
    letters are made small. SAME_WITHOUT_CASE, which pass for other letters then, are not thought of.

    Args:
        pattern: a regular expression in the syntax of Rust's `regex`.

    Returns:
        None where no such words are known.
    """
    reader = _Reader(pattern)
    try:
        found = reader.alternatives()
        reader.expect_end()
    except _UnknownSyntaxError:
        return None
    return None if found.needed is None else _shortest(found.needed)


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def expect_end(self) -> None:
        if self._at < len(self._pattern):
            raise _UnknownSyntaxError(self._pattern)

    def alternatives(self) -> _Part:
        branches = [self._sequence()]
        while self._take("|"):
            branches.append(self._sequence())
        if len(branches) == 1:
            return branches[0]
        exact = _union([branch.exact for branch in branches])
        needed = exact if exact is not None and "" not in exact else _union([branch.needed for branch in branches])
        return _Part(exact, needed)

    def _sequence(self) -> _Part:
        run: Strings = _NOTHING
        is_exact = True
        candidates: list[Strings] = []
        while self._peek() not in ("", "|", ")"):
            part = self._repeated(self._atom())
            joined = None if part.exact is None else _product(run, part.exact)
            if joined is not None:
                run = joined
                continue
            is_exact = False
            candidates += [found for found in (run, part.needed) if found is not None]
            run = part.exact if part.exact is not None else _NOTHING
        candidates.append(run)
        telling = [found for found in candidates if "" not in found]
        return _Part(run if is_exact else None, max(telling, key=_worth) if telling else None)

    def _repeated(self, part: _Part) -> _Part:
        least, most = 1, 1
        match self._peek():
            case "*":
                least, most = 0, 2
            case "+":
                least, most = 1, 2
            case "?":
                least, most = 0, 1
            case "{":
                end = self._pattern.find("}", self._at)
                low, comma, high = self._pattern[self._at + 1 : end].partition(",")
                if not low.isdecimal() or not (high.isdecimal() or not high):
                    raise _UnknownSyntaxError(self._pattern)
                least = int(low)
                most = int(high) if high else (least + 1 if comma else least)
                self._at = end
            case _:
                return part
        self._at += 1
        self._take("?")
        if (least, most) == (1, 1):
            return part
        if (least, most) == (0, 1):
            return _Part(None if part.exact is None else part.exact | _NOTHING, None)
        return _Part(None, part.needed if least else None)

    def _atom(self) -> _Part:
        character = self._next()
        match character:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case ".":
                return _ANYTHING
            case "^" | "$":
                return _EMPTY
            case "\\":
                return self._escape()
            case "*" | "+" | "?" | "{":
                raise _UnknownSyntaxError(self._pattern)
            case _:
                return _literal(character)

    def _group(self) -> _Part:
        if self._take("?"):
            if self._take("P<") or self._take("<"):
                self._at = self._pattern.index(">", self._at) + 1
            else:
                begin = self._at
                while self._peek() in ("i", "m", "s", "u", "-"):
                    self._at += 1
                if self._take(")"):  # flags for the rest of the group
                    return _EMPTY if self._at > begin + 1 else _ANYTHING
                if not self._take(":"):
                    raise _UnknownSyntaxError(self._pattern)
        found = self.alternatives()
        if not self._take(")"):
            raise _UnknownSyntaxError(self._pattern)
        return found

    def _class(self) -> _Part:
        """A class of a few characters is a choice among them, any other could be anything."""
        is_open = self._take("^")
        found: set[str] = set()
        is_first = True
        while is_first or self._peek() != "]":
            character = self._next()
            is_first = False
            if character == "[":
                self._class()
                is_open = True
            elif character == "\\":
                part = self._escape()
                if part.exact is None or part.exact == _NOTHING:
                    is_open = True
                else:
                    found |= part.exact
            elif self._peek() in ("-", "&", "~") and not self._pattern.startswith("-]", self._at):
                is_open = True  # a range, or an operation on classes
            else:
                found |= _literal(character).exact or set()
                is_open |= _literal(character).exact is None
        self._at += 1
        if is_open:
            return _ANYTHING
        return _Part(frozenset(found), frozenset(found))

    def _escape(self) -> _Part:
        character = self._next()
        if character in "pP":
            self._at = self._pattern.index("}", self._at) + 1 if self._peek() == "{" else self._at + 1
            return _ANYTHING
        if character in "dDwWsS":
            return _ANYTHING
        if character in "bBAz":
            if self._peek() == "{":
                raise _UnknownSyntaxError(self._pattern)
            return _EMPTY
        if character == "x":
            return _literal(chr(int(self._digits(), 16)))
        if character in "nrtfv":
            return _literal({"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}[character])
        if character.isalnum():
            raise _UnknownSyntaxError(self._pattern)
        return _literal(character)

    def _digits(self) -> str:
        if self._take("{"):
            begin, self._at = self._at, self._pattern.index("}", self._at) + 1
            return self._pattern[begin : self._at - 1]
        self._at += 2
        return self._pattern[self._at - 2 : self._at]

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _next(self) -> str:
        if self._at >= len(self._pattern):
            raise _UnknownSyntaxError(self._pattern)
        self._at += 1
        return self._pattern[self._at - 1]

    def _take(self, text: str) -> bool:
        is_there = self._pattern.startswith(text, self._at)
        self._at += len(text) * is_there
        return is_there


def _literal(character: str) -> _Part:
    """A character, or outside ASCII its two forms; what has more of them could be anything."""
    forms = {character.lower()} if character.isascii() else {character, character.lower(), character.upper()}
    is_paired = any(first <= ord(character) <= last for first, last in _PAIRED_LETTERS)
    if (len(forms) > 1 and not is_paired) or any(len(form) > 1 for form in forms):
        return _ANYTHING
    return _Part(frozenset(forms), frozenset(forms))


def _product(left: Strings, right: Strings) -> Strings | None:
    if len(left) * len(right) > _MAX_STRINGS:
        return None
    return frozenset(a + b for a in left for b in right)


def _union(sets: Iterable[Strings | None]) -> Strings | None:
    found: Strings = frozenset()
    for strings in sets:
        if strings is None:
            return None
        found |= strings
    return found if len(found) <= _MAX_STRINGS else None


def _worth(strings: Strings) -> tuple[int, int]:
    """The longer the shortest of them, the fewer texts hold one."""
    return min(_TELLING_CHARS, *map(len, strings)), -len(strings)


def _shortest(strings: Strings) -> Strings:
    """Without those that hold another one."""
    return frozenset(one for one in strings if not any(other != one and other in one for other in strings))
