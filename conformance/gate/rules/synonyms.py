"""Ways of saying the same: numbers, units, bounds and phrases that can be exchanged without changing a duty."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

_SPAN = re.compile(r"`[^`]+`")
_FIRST_MASK = 0xE000
"""The first of the private characters that stand for code spans, so that nothing inside of them is exchanged."""
_UNITS = {
    "milliseconds?|ms": (1, "ms"),
    "seconds?|s": (1000, "ms"),
    "minutes?": (60_000, "ms"),
    "hours?": (3_600_000, "ms"),
    "days?": (86_400_000, "ms"),
    "octets?|bytes?": (1, "octets"),
    "kibibytes?|KiB": (1 << 10, "octets"),
    "mebibytes?|MiB": (1 << 20, "octets"),
    "gibibytes?|GiB": (1 << 30, "octets"),
}
"""How much a unit is, and of what. *KB* and *MB* are missing: some mean a thousand, others 1024; *Mib* are bits."""
_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_MANY = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_QUANTITY = r"[0-9][0-9.]*(?: (?:ms|octets))?(?![\w.]*[0-9])"
_WITH_UNIT = r"[0-9][0-9.]* (?:ms|octets)"
_TIME = r"[0-9][0-9.]* ms"
_CLAUSE = r"(?=$|[.,;)]| (?:of|after|before|when|if|from|while)\b)"
_COUNTED = "batch|body|frame|message|list|array|string|payload|job"
"""Things of a size: *a batch of up to N items* is each such batch, while *accept up to N* does not mean *at most*."""


def _number(found: re.Match[str]) -> str:
    return str(_NUMBERS.index(found[0].lower()))


def _many(found: re.Match[str]) -> str:
    return str((int(found[1]) if found[1].isdigit() else 1) * _MANY[found[2].lower()])


def _grouped(found: re.Match[str]) -> str:
    return "".join(found[0].split())


def _in_base_unit(found: re.Match[str]) -> str:
    return " ".join(in_base_unit(found[1], found[2]))


_Exchange = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def _words(pattern: str, said: str | Callable[[re.Match[str]], str]) -> _Exchange:
    return re.compile(rf"\b(?:{pattern})", re.IGNORECASE), said


def _exactly(pattern: str, said: str) -> _Exchange:
    return re.compile(pattern), said


_AMOUNTS: tuple[_Exchange, ...] = (
    _words(rf"(?:{'|'.join(_NUMBERS)})\b", _number),
    _words(r"([0-9]+|an?) (hundred|thousand|million)\b", _many),
    (re.compile(r"(?<![\w.,])[0-9]{1,3}(?:[ \u00a0\u202f][0-9]{3})+(?![\w.,]*[0-9])"), _grouped),
    _words(rf"(within|at least|at most|than|latest) an? (second|minute|hour|day)\b{_CLAUSE}", r"\1 1 \2"),
    (re.compile(rf"\b([0-9]+(?:\.[0-9]+)?) ({'|'.join(_UNITS)})\b"), _in_base_unit),
    (re.compile(rf"({_WITH_UNIT}) \(\1\)"), r"\1"),
)
_BOUNDS: tuple[_Exchange, ...] = (
    _exactly(r"\bn(?:o|ot) (?:less|fewer) than\b", "at least"),
    _exactly(r"\bn(?:o|ot) more than\b", "at most"),
    _words(r"a minimum of\b", "at least"),
    _words(r"a maximum of\b", "at most"),
    _words(rf"((?:that|whose)\b[^,.;]*?) up to (?={_QUANTITY})", r"\1 at most "),
    _words(rf"((?:an?|each|every) (?:{_COUNTED}) of) up to (?={_QUANTITY})", r"\1 at most "),
    _words(rf"({_QUANTITY})((?: [a-z]+)?) or more\b(?! than)", r"at least \1\2"),
    _words(rf"({_QUANTITY})((?: [a-z]+)?) or (?:fewer|less)\b(?! than)", r"at most \1\2"),
    _words(rf"(?:more|greater|larger|longer) than (?={_WITH_UNIT})", "above "),
    _words(rf"(?:over|beyond|exceeding) (?={_WITH_UNIT}|(?:its|the|their) limit\b)", "above "),
    _words(rf"(?:less|fewer|shorter|smaller|under) (?:than )?(?={_WITH_UNIT})", "below "),
    _words(r"(versions?\b[^,.;]*?) (?:older|earlier|lower) than (?=[0-9])", r"\1 below "),
    _words(rf"({_TIME}) (after [^,.;]*?),? at the latest\b", r"at the latest \1 \2"),
    _words(rf"(?:no later than|not later than|at the latest|at most|within) ({_TIME}) after\b", r"within \1 of"),
    _words(rf"within ({_TIME}),? when\b", r"within \1 of"),
)
_PHRASES: tuple[_Exchange, ...] = (
    _words(r"(?:ahead of|prior to)\b", "before"),
    _words(r"behind\b", "after"),
    _words(r"bytes?\b", "octets"),
    _words(r"octet\b", "octets"),
    _words(r"simultaneously\b", "at the same time"),
    _words(r"no matter how\b", "however"),
    _words(r"(?:apart from|except for|with the exception of)\b", "except"),
    (re.compile(r", ([^,;.]*?) aside(?=[,.;]|$)"), r" except \1"),
    _words(r"except (?:when|if)\b", "unless"),
    _words(r"every (?:1 )?(?=of\b)", "each "),
    _words(r"(?:every|each) (?!(?:1|other)\b)", "each "),
    _words(r"for (?:example|instance),?", "such as"),
    _words(r"e\.g\.,?", "such as"),
    _words(r"(?:due|owing) to\b", "because of"),
    _words(r"provided that\b", "when"),
    (re.compile(r"(?<!\bas )\bif\b", re.IGNORECASE), "when"),
    _words(r"till\b", "until"),
    _words(r"upon\b", "on"),
    _words(r"whilst\b", "while"),
    _words(r"(?:right|straight) away\b", "immediately"),
    _words(r"additional\b", "further"),
    _words(r"in (?:the )?order of (?:their )?arrival\b", "in the order in which they arrived"),
    _exactly(r"\b(MUST|SHOULD) never\b", r"\1 NOT"),
    _words(r"(?:cannot|can not|can['\u2019]t)\b", "can not"),
    _words(r"(do|does|did|is|are|was|were|has|have|need)n['\u2019]t\b", r"\1 not"),
    _words(r"not ([a-z]+) anything\b", r"\1 nothing"),
    _words(
        r"(is|was) no (?!(?:longer|more|less|fewer|other|later|earlier|greater|larger|further|better|1)\b)([a-z]+)",
        r"\1 not a \2",
    ),
    _words(r"an? ([a-z]+) that is ([a-z]+)(?=[,.;]|$| with the (?:fatal )?error\b)", r"a \2 \1"),
)


def plainly(sentence: str) -> str:
    """Return a sentence with the words, numbers and units that this module prefers; code spans stay as they are.

    It is made for comparing: two sentences that become the same demand the same. It need not be good English.
    """
    spans = _SPAN.findall(sentence)
    masks = iter(range(len(spans)))
    said = " ".join(_SPAN.sub(lambda _: chr(_FIRST_MASK + next(masks)), sentence).split())
    for exchanges in (_AMOUNTS, _BOUNDS, _PHRASES):
        for pattern, by in exchanges:
            said = pattern.sub(by, said)
    for number, span in enumerate(spans):
        said = said.replace(chr(_FIRST_MASK + number), span)
    return said


def in_base_unit(value: str, unit: str) -> tuple[str, str]:
    """Return an amount in milliseconds or octets, or as it is if the unit is of another kind."""
    for names, (factor, base) in _UNITS.items():
        if re.fullmatch(names, unit):
            amount = Fraction(value) * factor
            return (str(amount.numerator), base) if amount.denominator == 1 else (str(float(amount)), base)
    return value, unit
