"""The HTML report: whole, linked, silent about nothing, and deaf to what a target says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kit_commands import mini, run_on
from markupsafe import escape

from conformance.cli.main import main
from conformance.core.verdicts import Verdict
from conformance.protocol.requirements import load
from conformance.reports.html.marks import MARKS, worst
from conformance.reports.html.page import explained, page
from conformance.reports.html.views import changes_of, columns_of, tally
from conformance.reports.summary import verdict_of
from conformance.results.case_result import CaseResult
from conformance.results.comparison import compare
from conformance.results.run import Run
from conformance.results.survey import Finding, State, Survey

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
SURVEY = Survey((
    Finding("ping", "answers pings", "survey/ping", State.NO, 0.1),
    Finding("own_delivery", "delivers", "survey/own-delivery", State.YES, 0.1),
))  # fmt: skip
FRAME = {"at": 0.5, "peer": "A", "direction": "sent", "octets": 6, "hex": "000000027b7d", "text": "{}"}
PIECE = {"at": 0.6, "peer": "A", "direction": "received", "octets": 2, "hex": "ff00", "text": "(not one frame) octets"}


def result(case: str, verdict: Verdict = Verdict.PASS, rule: str = "SUB-003", **members: Any) -> CaseResult:
    return CaseResult(case, [rule], "must", verdict, verdict is Verdict.PASS, 1, reproduce="again", **members)


def run(*results: CaseResult, name: str = "it", role: str = "server", hours: int = 0) -> Run:
    return Run(
        role, 7, target_name=name, results=[*results], survey=SURVEY, took=1.5, started=NOON + timedelta(hours=hours)
    )


class Reader(HTMLParser):
    """Collects what a page links to, what it loads, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: list[str] = []
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [found["href"] or ""] if tag == "a" else []
        self.loaded += [name for name in ("src", "srcset", "data") if name in found] + ([tag] if tag == "link" else [])
        self.anchors += [found["id"] or ""] if "id" in found else []
        self.scripts += tag == "script"


def data_of(text: str) -> Any:
    packed = text.partition('<script type="text/plain" id="data">')[2].partition("</script>")[0]
    return json.loads(zlib.decompress(base64.b64decode(packed)))


BAD = result("subscribe/order", Verdict.FAIL, message="it came late", wanted="a", received="b", trace=[FRAME, PIECE])
TWO_RUNS = (
    run(result("publish/one"), BAD),
    run(result("client-loss/one"), result("client-loss/two", Verdict.WARN), name="client", role="client"),
)


def test_a_page_needs_no_other_file_and_no_network() -> None:
    reader = Reader(page(TWO_RUNS))
    assert reader.loaded == []
    assert {each[:1] for each in reader.links} == {"#"}


def test_every_link_leads_somewhere_and_every_anchor_is_one_place() -> None:
    text = page([*TWO_RUNS, run(result("subscribe/order"), hours=1)])
    reader, data = Reader(text), data_of(text)
    assert [each for each, number in Counter(reader.anchors).items() if number > 1] == []
    for link in reader.links:
        kind, _, rest = link[1:].partition("=")
        if rest:
            target, _, case = rest.partition(":")
            cases = data["results"][int(target)]
            assert any(
                case in (each, f"{each.partition('/')[0]}/", *data["cases"][each]["requirements"]) for each in cases
            )
            assert kind in ("case", "cases")
        else:
            assert kind in reader.anchors


def test_the_first_part_has_verdict_survey_and_causes() -> None:
    first = page([run(BAD)]).partition('id="chapters"')[0]
    assert "not conformant: 1 unexpected, 0 known failures" in first
    assert "own delivery" in first
    assert "It came late" in first


def test_words_of_a_target_are_no_markup() -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    hostile = result(
        "a/1", Verdict.FAIL, message=evil, wanted=evil, received=evil, known=evil, trace=[FRAME | {"text": evil}]
    )
    text = page([run(hostile, name=evil)])
    assert Reader(text).scripts == 2
    assert Reader(text).loaded == []
    assert "<img" not in text


def test_traces_of_failures_are_there_and_octets_only_where_the_text_does_not_say_them() -> None:
    data = data_of(page([run(BAD, result("publish/one", trace=[FRAME]))]))["results"][0]
    assert data["subscribe/order"]["trace"] == [
        [0.5, "A", 0, 6, "{}", ""],
        [0.6, "A", 1, 2, "(not one frame) octets", "ff00"],
    ]
    assert "trace" not in data["publish/one"]


def test_servers_come_first_and_runs_of_one_target_in_the_order_of_time() -> None:
    columns = columns_of([run(name="c", role="client"), run(name="s", hours=2), run(name="s", hours=1)])
    assert [each.name for each in columns] == ["s, 2026-11-29 13:00:00", "s, 2026-11-29 14:00:00", "c"]


def test_a_tally_has_the_worst_outcome_and_how_many_had_it() -> None:
    found = tally([result("a/1"), result("a/2"), result("a/3", Verdict.FAIL), result("a/4", Verdict.UNSUPPORTED)])
    assert (found.mark.style, found.text) == ("bad", "1 of 4")
    assert found.title == "2 passed, 1 failed, 1 unsupported"
    assert tally([result("a/1")]).text == "1"
    assert tally([]).title == "not tested"


def test_requirements_lead_to_the_specification_where_it_is_known_to_be() -> None:
    text = page([run(BAD)], "https://example.org/site/")
    outside = [each for each in Reader(text).links if not each.startswith("#")]
    assert outside == ["https://example.org/site/spec/07-publish-subscribe.html#SUB-003"]
    assert data_of(text)["requirements"]["SUB-003"][3] == outside[0]


def test_two_runs_are_compared_case_by_case() -> None:
    def fail(case: str, message: str = "red") -> CaseResult:
        return result(case, Verdict.FAIL, message=message)

    names = ("a/fixed", "a/gone", "a/other", "a/same", "a/left-out")
    earlier = run(*map(fail, names), result("a/new"))
    skipped = result("a/left-out", Verdict.UNSUPPORTED)
    later = run(result("a/fixed"), fail("a/other", "blue"), fail("a/same"), fail("a/new"), skipped)
    found = compare(earlier, later)
    assert (found.new, found.fixed) == (("a/new",), ("a/fixed",))
    assert (found.changed, found.unchanged) == (("a/other",), ("a/same",))
    assert found.undecided == ("a/gone", "a/left-out")


@pytest.mark.parametrize(
    ("before", "after", "group"),
    [
        (Verdict.PASS, Verdict.FAIL, "new"),
        (Verdict.FLAKY, Verdict.WARN, "new"),
        (Verdict.UNSUPPORTED, Verdict.FAIL, "first_seen"),
        (Verdict.ERROR, Verdict.FAIL, "first_seen"),
        (None, Verdict.FAIL, "first_seen"),
        (Verdict.FAIL, Verdict.WARN, "changed"),
        (Verdict.WARN, Verdict.FAIL, "changed"),
        (Verdict.FAIL, Verdict.PASS, "fixed"),
        (Verdict.FAIL, Verdict.SLOW, "late"),
        (Verdict.FAIL, Verdict.ERROR, "undecided"),
        (Verdict.FAIL, Verdict.UNSUPPORTED, "undecided"),
        (Verdict.FAIL, None, "undecided"),
        (Verdict.FAIL, Verdict.FAIL, "unchanged"),
        (Verdict.PASS, Verdict.PASS, ""),
    ],
)
def test_every_pair_of_outcomes_is_in_one_group(before: Verdict | None, after: Verdict | None, group: str) -> None:
    earlier, later = (run(*([result("a/1", each)] if each else [])) for each in (before, after))
    found = vars(compare(earlier, later))
    assert [name for name, cases in found.items() if cases == ("a/1",)] == ([group] if group else [])


def test_settings_that_differ_between_compared_runs_are_told() -> None:
    one, other = run(result("a/1"), result("a/2")), run(result("a/1"), hours=1)
    other.seed, other.kit, other.profiles, other.chop, other.protocol = 8, "9.9", ("stream",), "octets", "1.0"
    assert compare(one, other).settings == (
        "seed 7, then 8",
        f"kit {one.kit}, then 9.9",
        "protocol none, then 1.0",
        "profiles none, then stream",
        "chop whole, then octets",
        "1 case only before",
    )
    assert "seed 7, then 8" in page([one, other])
    assert compare(one, one).settings == ()


def test_the_last_two_runs_of_a_target_are_compared() -> None:
    runs = [run(hours=hours) for hours in (2, 0, 1)]
    (change,) = changes_of(columns_of(runs))
    assert [change.earlier.run.started, change.later.run.started] == [runs[2].started, runs[0].started]


def written(folder: Path, *runs: Run) -> list[str]:
    for number, each in enumerate(runs):
        each.write(folder / f"{number}.json")
    return [str(folder / f"{number}.json") for number in range(len(runs))]


def test_the_command_shows_runs_together_and_writes_the_page(tmp_path: Path) -> None:
    files = written(tmp_path, run(BAD), run(result("subscribe/order"), hours=1))
    done = CliRunner().invoke(main, ["report", *files, "--html", str(tmp_path / "r.html")])
    assert done.exit_code == 0, done.output
    assert "     1  were fixed: subscribe/order" in done.output
    assert "What changed" in (tmp_path / "r.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--html", "/nonexistent/r.html"), "cannot write /nonexistent/r.html: the folder /nonexistent does not exist"),
        (("--spec-url", "javascript:alert(1)"), "is no https, http or file URL"),
    ],
)
def test_wrong_usage_of_the_command_is_told(tmp_path: Path, options: tuple[str, ...], reason: str) -> None:
    done = CliRunner().invoke(main, ["report", *written(tmp_path, run(BAD)), *options])
    assert done.exit_code == 2
    assert reason in done.output


def test_a_run_writes_the_page(tmp_path: Path) -> None:
    done = run_on(mini(), "--case", "framing/*", "--html", str(tmp_path / "r.html"))
    assert "cases executed" in done.stdout
    assert "framing/" in json.dumps(data_of((tmp_path / "r.html").read_text("utf-8")))


def attributes_of(text: str, tag: str) -> list[dict[str, str]]:
    return [dict(re.findall(r'([\w-]+)="([^"]*)"', each)) for each in re.findall(rf"<{tag}\b([^>]*)>", text)]


def test_the_policy_of_the_page_allows_its_own_script() -> None:
    text = page([run(BAD)])
    script = text.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


def test_rows_of_requirements_have_what_filters_look_for() -> None:
    text = page([run(BAD, result("publish/one", rule="SUB-004"))])
    rows = {each["id"]: each for each in attributes_of(text, "tr") if "id" in each}
    assert {each: row["data-state"] for each, row in rows.items()} == {
        "server-SUB-003": "bad",
        "server-SUB-004": "good",
    }
    assert rows["server-SUB-003"]["data-level"] == load()["SUB-003"].level


def test_links_to_a_requirement_lead_to_the_row_of_the_role() -> None:
    bad = result("client-loss/one", Verdict.FAIL)
    text = page([run(BAD), run(bad, name="client", role="client")])
    assert {"server-SUB-003", "client-SUB-003"} <= set(Reader(text).anchors)
    assert {"#server-SUB-003", "#client-SUB-003"} <= set(Reader(text).links)


def test_the_survey_has_a_sign_for_each_state() -> None:
    signs = dict(re.findall(r'<dt class="\w+"><span aria-hidden="true">(.)</span> (\w+)</dt>', page([run()])))
    assert signs == {"✓": "yes", "✗": "no"}


def test_code_in_sentences_is_code() -> None:
    name = next(each for each, rule in load().items() if rule.text.count("`") == 2)
    code = load()[name].text.split("`")[1]
    assert f"<code>{escape(code)}</code>" in page([run(result("a/1", rule=name))])


def test_a_case_has_its_texts_its_tries_its_cause_and_its_command() -> None:
    tries = [{"verdict": "fail", "message": "late", "received": "", "trace": [FRAME]}]
    data = data_of(page([run(result("a/1", Verdict.FAIL, message="red", wanted="a", received="b", earlier=tries))]))
    shown = data["results"][0]["a/1"]
    assert (shown["wanted"], shown["received"], shown["again"]) == ("a", "b", "again")
    assert shown["earlier"] == [{"verdict": "fail", "message": "late", "trace": [[0.5, "A", 0, 6, "{}", ""]]}]
    assert data["targets"][0]["causes"][shown["cause"]]
    assert data["requirements"]["SUB-003"][2] == load()["SUB-003"].section.replace("#", ", ")


@pytest.mark.parametrize(
    ("entry", "octets"),
    [
        ({}, ""),
        ({"hex": "000000037b7d"}, "000000037b7d"),
        ({"hex": "000000027b7e"}, "000000027b7e"),
        ({"octets": 7}, "000000027b7d"),
        ({"text": "\ud800", "octets": 7, "hex": "00000003eda080"}, "00000003eda080"),
        ({"octets": 0, "hex": "", "text": ""}, ""),
    ],
)
def test_octets_are_left_out_only_if_the_text_says_them(entry: dict[str, Any], octets: str) -> None:
    bad = result("a/1", Verdict.FAIL, trace=[FRAME | entry])
    assert data_of(page([run(bad)]))["results"][0]["a/1"]["trace"][0][5] == octets


def test_directions_are_kept_apart() -> None:
    event = {"at": 0.7, "peer": "A", "direction": "event", "octets": 0, "hex": "", "text": "e" * 3000}
    bad = result("a/1", Verdict.FAIL, trace=[FRAME, FRAME | {"direction": "received"}, event])
    trace = data_of(page([run(bad)]))["results"][0]["a/1"]["trace"]
    assert [each[2] for each in trace] == [0, 1, 2]
    assert len(trace[2][4]) == 2001


def test_of_a_long_trace_the_first_and_the_last_entries_are_shown() -> None:
    bad = result("a/1", Verdict.FAIL, trace=[FRAME | {"at": float(at)} for at in range(500)])
    trace = data_of(page([run(bad)]))["results"][0]["a/1"]["trace"]
    assert [each[0] for each in (trace[0], trace[99], trace[101], trace[200])] == [0, 99, 400, 499]
    assert trace[100][4] == "… 300 entries omitted; the results file has them"
    assert len(trace) == 201


@pytest.mark.parametrize("state", ["unreachable", "kit_errors", "is_interrupted", "is_unfinished"])
def test_a_run_that_did_not_finish_is_never_conformant(tmp_path: Path, state: str) -> None:
    values = {
        "unreachable": "gone\n| Traceback",
        "kit_errors": ["it broke"],
        "is_interrupted": True,
        "is_unfinished": True,
    }
    unfinished = run(result("a/1"))
    unfinished.selected = 2
    setattr(unfinished, state, values[state])
    unfinished.write(tmp_path / "r.json")
    (column,) = columns_of([Run.read(tmp_path / "r.json")])
    assert "conformant" not in column.verdict
    assert column.mark.style == ("none" if state == "is_interrupted" else "fair")
    notes = {"unreachable": ["| Traceback"], "kit_errors": ["it broke"]}.get(state, [])
    assert column.notes == notes
    assert "\n".join(notes) in page([unfinished])


def test_a_file_of_an_older_kit_that_does_not_say_why_it_is_not_conformant_is_not_decided(tmp_path: Path) -> None:
    content = run(result("a/1")).as_json()
    content["summary"]["conformant"] = False
    for name in ("unreachable", "kit_errors", "interrupted"):
        del content[name]
    (tmp_path / "r.json").write_text(json.dumps(content))
    read = Run.read(tmp_path / "r.json")
    assert verdict_of(read).startswith("not decided, because the run did not finish")
    read.write(tmp_path / "again.json")
    assert not Run.read(tmp_path / "again.json").is_conformant


def test_an_unreachable_target_has_its_reason_and_no_failed_case() -> None:
    gone = Run("server", 7, target_name="down", unreachable="nothing listens\n| Traceback\n|   x", took=1.0)
    text = page([gone])
    assert "nothing listens</span>" in text
    assert "| Traceback\n|   x</p>" in text
    assert "No case was executed." in text


def test_failures_of_a_target_outweigh_errors_of_the_kit() -> None:
    verdicts = [Verdict.FAIL, Verdict.ERROR, Verdict.WARN, Verdict.SLOW, Verdict.FLAKY, Verdict.PASS]
    for number, verdict in enumerate(verdicts):
        found = worst([*verdicts[number:], Verdict.UNSUPPORTED])
        assert found is MARKS[verdict]


def test_known_failures_are_marked() -> None:
    known = CaseResult("a/1", ["SUB-003"], "must", Verdict.FAIL, True, 1, message="red", known="Issue 42")
    text = page([run(known)])
    assert "MUST, known" in text
    assert data_of(text)["results"][0]["a/1"]["known"] == "Issue 42"
    assert "MUST, 1 unexpected of 2" in page([run(known, result("a/2", Verdict.FAIL, message="red"))])


def test_a_requirement_that_the_installed_specification_lacks_is_named() -> None:
    text = page([run(result("a/1", Verdict.FAIL, rule="DRF-001"))])
    assert "[DRF-001]" in text
    assert 'id="server-DRF-001"' in text


ODD = "\ud800 \u202e \x1b[31m"


def test_a_page_has_no_lone_surrogates_nor_controls() -> None:
    bad = result("a/1", Verdict.FAIL, message=ODD, purpose=ODD, wanted=ODD, trace=[FRAME | {"text": ODD}])
    text = page([run(bad, name=ODD)])
    shown = text + json.dumps(data_of(text), ensure_ascii=False)
    assert shown.encode()
    assert not re.search("[\u202e\x1b]", shown)


@pytest.mark.parametrize(
    ("text", "hour"),
    [("2026-11-29T12:00:00", 12), ("2026-11-29T12:00:00+05:00", 7), ("2026-11-29T12:00:00Z", 12)],
)
def test_times_of_files_are_utc(tmp_path: Path, text: str, hour: int) -> None:
    (tmp_path / "r.json").write_text(json.dumps(run().as_json() | {"started": text}))
    assert Run.read(tmp_path / "r.json").started == NOON.replace(hour=hour)


def test_a_file_whose_time_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(run().as_json() | {"started": "yesterday"}))
    done = CliRunner().invoke(main, ["report", str(path)])
    assert done.exit_code == 2
    assert "r.json: /started: 'yesterday' is no time" in done.output


def test_examples_of_causes_are_the_same_whatever_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    long = result("a/1", Verdict.FAIL, message="red " * 60, trace=[FRAME] * 30)
    (column,) = columns_of([run(long)])
    wide = explained(column.causes[0])
    monkeypatch.setenv("COLUMNS", "40")
    assert explained(column.causes[0]) == wide
    assert "the page of the case shows them" in wide
    assert "--trace" not in wide


def test_the_terminal_names_few_cases_of_many(tmp_path: Path) -> None:
    bad = [result(f"a/{number}", Verdict.FAIL) for number in range(9)]
    files = written(tmp_path, run(result("b/1")), run(*bad, hours=1))
    done = CliRunner().invoke(main, ["report", *files])
    assert "had no verdict before: a/0, a/1, a/2, a/3 and 5 more" in done.output


def test_names_are_text_on_the_terminal(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["report", *written(tmp_path, run(name="[red]x[/blue]\u202e"))])
    assert done.exit_code == 0
    assert "[red]x[/blue]\\u202e" in done.output


def test_chapters_of_several_runs_come_before_each_run() -> None:
    text = page(TWO_RUNS)
    assert text.index('class="verdicts"') < text.index('id="chapters"') < text.index('<details class="target"')
