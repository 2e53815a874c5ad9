"""The results of machine-made mutants, the judgements about survivors, and the page that shows both."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
MOST_SECONDS = 1.0
"""Longer cases are not run."""
RESULTS, JUDGED = HERE / "results.json", HERE / "judged.toml"
EQUIVALENT, OUTSIDE, ELSEWHERE, HOLE = "equivalent", "outside", "elsewhere", "hole"
NOT_JUDGED = "not judged"
MEANINGS = {
    EQUIVALENT: "no peer and no operator can see a difference",
    OUTSIDE: "a difference, but not in the protocol: logs, help, speed, memory, defences with numbers of their own",
    ELSEWHERE: "a case that this session omits notices it; counted as killed",
    HOLE: "a requirement is broken, or should be, and no case notices it yet",
    NOT_JUDGED: "nobody has read this survivor yet",
}


@dataclass(frozen=True)
class Result:
    """The outcome of one mutant.

    Attributes:
        module: the path of the module inside the package.
        line: the line of the edit, when it was made.
        inside: the name of the function or class around it.
        operator: the name of cosmic-ray's operator.
        old: the removed lines.
        new: the lines in their place.
        killer: the case that noticed it; empty for a survivor.
    """

    module: str
    line: int
    inside: str
    operator: str
    old: str
    new: str
    killer: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What names the mutant, also when lines above it change."""
        return self.module, self.inside, self.old, self.new


@dataclass(frozen=True)
class Judgement:
    """What a reader found out about a survivor.

    Attributes:
        module: the path of the module inside the package.
        inside: the name of the function or class around the edit; empty for the top of a module.
        old: the removed lines.
        new: the lines in their place.
        word: ``equivalent``, ``outside``, ``elsewhere`` or ``hole``.
        because: the reason, a sentence.
    """

    module: str
    inside: str
    old: str
    new: str
    word: str
    because: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What names the mutant, as :attr:`Result.key`."""
        return self.module, self.inside, self.old, self.new


def read_results(file: Path = RESULTS) -> list[Result]:
    """Return the results of earlier runs."""
    return [Result(**each) for each in json.loads(file.read_text("utf-8"))["mutants"]] if file.exists() else []


def read_places(file: Path = RESULTS) -> dict[str, int]:
    """Return the number of places in each module that can be edited."""
    return dict(json.loads(file.read_text("utf-8"))["places"]) if file.exists() else {}


def write_results(results: Iterable[Result], places: Mapping[str, int] | None, file: Path = RESULTS) -> None:
    """Write the results, a line each; without a number of places, keep the numbers of the file."""
    numbers = json.dumps(dict(sorted((places or read_places(file)).items())))
    lines = ",\n".join(json.dumps(asdict(each), ensure_ascii=False) for each in results)
    file.write_text(f'{{"places": {numbers},\n"mutants": [\n{lines}\n]}}\n', "utf-8")


def read_judgements(file: Path = JUDGED) -> list[Judgement]:
    """Return the judgements about survivors.

    Raises:
        ValueError: a word is none of these.
    """
    judged = [Judgement(**each) for each in tomllib.loads(file.read_text("utf-8"))["survivor"]]
    for each in judged:
        if each.word not in MEANINGS or each.word == NOT_JUDGED:
            raise ValueError(f"{file.name}: {each.word!r} is no judgement; use one of {', '.join(MEANINGS)}")
    return judged


def merged(old: Iterable[Result], new: Iterable[Result], package: Path) -> list[Result]:
    """Return the results of earlier runs and of a new one; without those whose lines the source no longer has."""
    together = {each.key: each for each in (*old, *new)}
    texts = {module: _flat(package / module) for module in {each.module for each in together.values()}}
    kept = [each for each in together.values() if each.old in texts[each.module] and _has(texts[each.module], each)]
    return sorted(kept, key=lambda each: (each.module, each.line, each.operator, each.new))


def _has(text: str, result: Result) -> bool:
    """Return true if a module has the function or class around an edit; its name may have changed."""
    return not result.inside or re.search(rf"\b(def|class) {re.escape(result.inside)}\b", text) is not None


def _flat(path: Path) -> str:
    """Return the lines of a module without indentation, joined by spaces, as edits have them."""
    return " ".join(line.strip() for line in path.read_text("utf-8").splitlines()) if path.exists() else ""


def judgement_of(result: Result, judged: Iterable[Judgement]) -> str:
    """Return the word about a survivor."""
    return next((each.word for each in judged if each.key == result.key), NOT_JUDGED)


def without_survivor(results: Iterable[Result], judged: Iterable[Judgement]) -> list[Judgement]:
    """Return judgements about mutants that do not survive, or were not made."""
    survivors = {each.key for each in results if not each.killer}
    return [each for each in judged if each.key not in survivors]


def page(
    results: Sequence[Result], judged: Sequence[Judgement], places: Mapping[str, int], omitted: Sequence[str]
) -> str:
    """Return the page about the results."""
    survivors = [each for each in results if not each.killer]
    words = Counter(judgement_of(each, judged) for each in survivors)
    judging = len(results) - words[EQUIVALENT] - words[OUTSIDE]
    killed = len(results) - len(survivors)
    return "\n".join(
        (
            *_introduction(results, places, omitted),
            "## Score",
            "",
            f"Of {len(results)} mutants, the suite killed {killed}. Of the {len(survivors)} survivors, "
            f"{words[EQUIVALENT]} are equivalent, {words[OUTSIDE]} are outside the protocol, {words[ELSEWHERE]} are "
            f"noticed by cases that this session omits, {words[HOLE]} are holes, "
            f"and {words[NOT_JUDGED]} are not judged. The score is the share of killed mutants among all except the "
            f"equivalent ones and those outside: **{_percent(killed + words[ELSEWHERE], judging)}**.",
            "",
            *_scores(results, judged, places),
            "",
            "## Survivors",
            "",
            *_survivors(survivors, judged),
        )
    )


def _introduction(results: Sequence[Result], places: Mapping[str, int], omitted: Sequence[str]) -> list[str]:
    return [
        "# Machine-made mutants",
        "",
        "<!-- Made by tests/machine_made/mutate.py from results.json and judged.toml there; do not edit. -->",
        "",
        "`nox -s mutation` edits the reference server at one place, runs the conformance suite on it, and goes on with",
        "the next place. [cosmic-ray](https://cosmic-ray.readthedocs.io/) makes the edits: other comparisons and",
        "operators, numbers one larger or smaller, negated conditions, other exceptions, loops without a round,",
        "missing decorators. A mutant is *killed* if a case has another outcome than on the unchanged server.",
        "[Decision 67](decisions/0067-cosmic-ray-makes-mutants.md) has the reasons.",
        "",
        f"cosmic-ray can edit {sum(places.values())} places. A seed draws them; {len(results)} mutants",
        "were tested so far. Edits of annotations are not counted, because nothing evaluates them. Not edited are the",
        "command line, logs, the client, examples, and measures against waste of memory (`OMITTED` in",
        "[machine_edits.py](../tests/machine_made/machine_edits.py)).",
        "",
        "The cases are those that `nox -s conformance` runs on the reference server, the most telling ones first. For",
        "modules that differ there, some run with other targets too: no profiles, no state file, a token and TLS, a",
        f"unix socket. Cases of more than {MOST_SECONDS:g} s, and some that take long beside others, are omitted:",
        "each survivor would cost their time. They are:",
        f"{', '.join(f'`{each}`' for each in omitted)}.",
        "",
    ]


def _scores(results: Sequence[Result], judged: Sequence[Judgement], places: Mapping[str, int]) -> list[str]:
    lines = [
        "| module | places | mutants | killed | equivalent | outside | elsewhere | hole | not judged | score |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    groups = defaultdict[str, list[Result]](list)
    for result in results:
        groups[result.module].append(result)
    for module in sorted(places):
        found = groups[module]
        words = Counter(judgement_of(each, judged) for each in found if not each.killer)
        killed = sum(bool(each.killer) for each in found)
        counts = " | ".join(str(words[word]) for word in MEANINGS)
        score = _percent(killed + words[ELSEWHERE], len(found) - words[EQUIVALENT] - words[OUTSIDE])
        lines.append(f"| `{module}` | {places[module]} | {len(found)} | {killed} | {counts} | {score} |")
    return lines


def _survivors(survivors: Sequence[Result], judged: Sequence[Judgement]) -> list[str]:
    reasons = {each.key: each.because for each in judged}
    lines = list[str]()
    for word, meaning in MEANINGS.items():
        chosen = [each for each in survivors if judgement_of(each, judged) == word]
        lines += [f"### {word.capitalize()}: {len(chosen)}", "", f"{meaning.capitalize()}.", ""]
        if chosen:
            lines += ["| where | edit | why |", "|---|---|---|"]
        for each in chosen:
            where = f"`{each.module}`" + (f" `{each.inside}`" if each.inside else "")
            edit = f"{_code(each.old)} → {_code(each.new)}"
            lines.append(f"| {where} | {edit} | {reasons.get(each.key, '')} |")
        lines += [""] if chosen else []
    return lines


def _code(text: str) -> str:
    """Return a piece of source for a cell of a table."""
    escaped = text.replace("|", "\\|")
    return f"`` {escaped} ``" if "`" in text else f"`{escaped}`"


def _percent(part: int, whole: int) -> str:
    """Return a share, rounded down, so that 100 % means all."""
    return f"{100 * part // whole} %" if whole else "-"
