"""Hostile inputs made of good ones: small edits of a text, of bytes, and of a JSON document as a tree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from random import Random
from typing import Any

LARGEST = 16 * 1024
"""Characters of a text that is still edited; what grew beyond it is cut."""

PIECES = (
    *(
        "",
        " ",
        "\t",
        "\r\n",
        "\x00",
        "\x7f",
        "\x85",
        "\u202e",
        "\ufeff",
        "\ud800",
        "a\u0301",
        "(" * 20,
        ")" * 20,
        "[" * 20,
    ),
    *"' '' \" ` \\ / // .. . , : ; = & ? # % %00 %ff %0d%0a %25 + - _ ( ) [ ] { } < > | $ @ * ^ !".split(),
    *"0 1 -1 1e999 NaN null true 2147483648 9223372036854775808 0x10 00 1.5 ß İ ſ é ٣ 𝟙 or and not eq".split(),
    *"../ <script> javascript: http://127.0.0.1/ https://[::1]/ file:/// //evil.example ${x} {{x}} (a+)+$".split(),
    "a" * 300,
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 0.5, -0.0, 1e308, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**40),
    *("", " ", "a" * 255, "a" * 256, "a" * 4097, "\x00", "a\x00b", "\ud800", "\u202ea", "2026-01-01T00:00:00Z"),
    *"0 true a ß All none * P1D PT999999999999H 10.0.0.0/8 ::/0 00000000-0000-0000-0000-000000000000".split(),
    *"https://127.0.0.1/ http://a.example https://u:p@a.example/#f javascript:alert(1) data:,x".split(),
    *([], {}, [None], [[]], [{}], {"": None}, ["a", "a"], [0] * 300, [["a"]] * 3, {"a": {"a": {"a": {}}}}),
)


def deep(levels: int) -> Any:
    """Arrays and objects within one another."""
    value: Any = 1
    for n in range(levels):
        value = [value] if n % 2 else {"a": value}
    return value


class Mutator:
    """Edits, drawn from `random`. `words` are texts that mean something to what is fed."""

    def __init__(self, random: Random, words: Sequence[str] = ()) -> None:
        self.random = random
        self._pieces = (*PIECES, *words, *words)
        self._words = tuple(words) or ("a",)

    def often(self, share: float) -> bool:
        """True for this share of the times."""
        return self.random.random() < share

    def text(self, text: str) -> str:
        """One to four edits of a text."""
        for _ in range(self.random.choice((1, 1, 1, 2, 2, 3, 4))):
            text = self._edited(text)[:LARGEST]
        return text

    def raw(self, data: bytes) -> bytes:
        """One to three edits of bytes: a bit, a byte, a part left out, doubled, or put elsewhere."""
        edited, random = bytearray(data), self.random
        for _ in range(random.choice((1, 1, 2, 3))):
            at, end = sorted((random.randint(0, len(edited)), random.randint(0, len(edited))))
            match random.randrange(5):
                case 0 if edited:
                    edited[at % len(edited)] ^= 1 << random.randrange(8)
                case 1 if edited:
                    edited[at % len(edited)] = random.choice((0, 0x7F, 0x80, 0xFF, random.randrange(256)))
                case 2:
                    del edited[at : at + 8]
                case 3:
                    edited[at:at] = edited[at:end][:64] * random.choice((1, 1, 16))
                case _:
                    edited[at:at] = random.randbytes(random.choice((1, 4, 32)))
        return bytes(edited[:LARGEST])

    def parameters(self, pairs: list[tuple[str, str]], *, crowded: float = 0.0) -> None:
        """One edit of parameters, in their place; `crowded` is the share of some edits that make very many of them."""
        random = self.random
        at = random.randrange(len(pairs))
        name, value = pairs[at]
        match random.randrange(6):
            case 0:
                pairs[at] = (self.text(name), value)
            case 1:
                pairs.append(
                    (random.choice(self._words), random.choice((random.choice(self._words), self.text(value))))
                )
            case 2 if len(pairs) > 1:
                del pairs[at]
            case 3 if crowded and self.often(crowded):
                pairs *= random.choice((2, 100, 300))
            case _:
                pairs[at] = (name, self.text(value))

    def document(self, value: Any) -> Any:
        """One to three edits of a copy of a JSON value, each anywhere in the tree."""
        edited = json.loads(json.dumps(value))
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            edited = self._changed(edited)
        return edited

    def written(self, value: Any) -> str:
        """A JSON value as text; at times with a member twice, other spaces, or edited as a text."""
        text = json.dumps(value, ensure_ascii=self.often(0.9))
        if self.often(0.03) and text.startswith("{") and len(text) > 2:
            text = "{" + text[1:-1] + "," + text[1:]
        return self.text(text) if self.often(0.1) else text

    def _edited(self, text: str) -> str:
        random = self.random
        at, end = sorted((random.randint(0, len(text)), random.randint(0, len(text))))
        match random.randrange(9):
            case 0 | 1 | 2:
                return text[:at] + random.choice(self._pieces) + text[at:]
            case 3:
                return text[:at] + random.choice(self._pieces) + text[at + random.randint(1, 4) :]
            case 4:
                return text[:at] + text[at + random.randint(1, 8) :]
            case 5:
                return text[:at] + text[at:end] * random.choice((2, 2, 40)) + text[end:]
            case 6:
                return text[:at] if self.often(0.3) else text[at:]
            case 7:
                return text[:at] + chr(random.randrange(32, 0x250)) + text[at:]
            case _:
                return text[:at] + random.choice((str.upper, str.lower, str.title))(text[at:end]) + text[end:]

    def _changed(self, root: Any) -> Any:
        """One edit at one place, reached by a walk from the root."""
        random, holder, key = self.random, None, None
        value = root
        while isinstance(value, dict | list) and value and not self.often(0.15):
            holder = value
            key = random.choice(list(value)) if isinstance(value, dict) else random.randrange(len(value))
            value = value[key]
        if holder is None:
            return self._replaced(root)
        match random.randrange(8):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[self.text(str(key)) if self.often(0.5) else random.choice(self._words)] = holder.pop(key)
            case 2 if isinstance(holder, list):
                holder.extend([value] * random.choice((1, 2, 150)))
            case 3:
                holder[key] = [value]
            case 4 if isinstance(holder, dict):
                holder[random.choice(self._words)] = self._value()
            case _:
                holder[key] = self._replaced(value)
        return root

    def _replaced(self, value: Any) -> Any:
        random = self.random
        if isinstance(value, str) and self.often(0.6):
            return self.text(value)
        if isinstance(value, bool | int | float) and self.often(0.4):
            return random.choice((not value, -value, value + 1, str(value)))
        if self.often(0.02):
            return deep(random.choice((5, 30, 70, 200)))
        return self._value() if self.often(0.7) else random.choice(self._words)

    def _value(self) -> Any:
        return deepcopy(self.random.choice(VALUES))
