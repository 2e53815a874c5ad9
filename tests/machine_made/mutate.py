"""Machine-made mutants: ``python tests/machine_made/mutate.py [--sample N] [--seed S] [--skip N] [--all]``.

cosmic-ray makes single edits of the reference server. The conformance suite runs on each mutant, in a copy of the tree,
until a case has an unexpected outcome. Survivors need a judgement in ``judged.toml``. The results are merged into
``results.json``, and ``docs/mutation.md`` is made from both files. The exit status is 1 if a survivor of this run is a
hole or has no judgement, or if the trial of a mutant failed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path

import click

sys.path.append(str(Path(__file__).parents[1] / "mutants"))  # for forks, also of machine_trial
import score_page
from forks import IS_LINUX, end_with_parent
from machine_edits import PACKAGE, Edit, MachineMutant, all_edits, first_effective, shuffled
from machine_trial import ROOT, Baseline, Tree, Trial, attempt, baseline, joined, omitted_cases
from score_page import Judgement, Result

from conformance.core.settings import Settings
from conformance.core.verdicts import ExitCode

HERE = Path(__file__).parent
SEED = 1
SAMPLE = 150
POSITIVE, NATURAL = click.IntRange(min=1), click.IntRange(min=0)
_tree: Tree | None = None


@click.command()
@click.option(
    "--sample", default=SAMPLE, type=POSITIVE, show_default=True, help="Number of places in the source to edit."
)
@click.option("--seed", default=SEED, show_default=True, help="Chooses the places, and the edit of each.")
@click.option(
    "--skip", default=0, type=NATURAL, help="Skip so many places of the sample: to test a large one in pieces."
)
@click.option("--all", "whole", is_flag=True, help="Edit each place once.")
@click.option("--only", default="", metavar="MODULE", help="Test only mutants of this module.")
@click.option("--jobs", default=6, type=POSITIVE, show_default=True, help="Number of mutants to test at a time.")
@click.option("--time-scale", default=1.0, show_default=True, help="Multiply every deadline by this factor.")
@click.option("--page-only", is_flag=True, help="Only make the page from the results and the judgements.")
@click.option("--until", default=0.0, metavar="SECONDS", help="Begin no mutant after this time.")
def main(
    *,
    sample: int,
    seed: int,
    skip: int,
    whole: bool,
    only: str,
    jobs: int,
    time_scale: float,
    page_only: bool,
    until: float,
) -> None:
    """Run the conformance suite on machine-made mutants of the reference server."""
    if not IS_LINUX and not page_only:
        raise click.UsageError("this needs Linux: the servers are forks")
    if only and not (ROOT / PACKAGE / only).is_file():
        raise click.UsageError(f"--only: {PACKAGE} has no module {only!r}")
    start, settings = time.monotonic(), Settings(seed=SEED, time_scale=time_scale)
    judged = score_page.read_judgements()
    fresh, failed = list[Result](), 0
    if not page_only:
        last = None if whole else skip + sample
        places, fresh, failed = _experiment(
            seed, slice(skip, last), only=only, jobs=jobs, settings=settings, end=until and start + until
        )
        results = score_page.merged(score_page.read_results(), fresh, ROOT / PACKAGE)
        numbers = Counter(each[0].place.module for each in places)
        score_page.write_results(results, numbers if not only else None)
    results = score_page.read_results()
    page = score_page.page(results, judged, score_page.read_places(), omitted_cases())
    (ROOT / "docs" / "mutation.md").write_text(page, "utf-8")
    sys.exit(_report(results if page_only else fresh, judged, failed, time.monotonic() - start))


def _report(results: Sequence[Result], judged: Sequence[Judgement], failed: int, seconds: float) -> bool:
    """Print the survivors; return true if one of them is a hole, or is not judged, or if trials failed."""
    survivors = [each for each in results if not each.killer]
    bad = failed
    for each in survivors:
        word = score_page.judgement_of(each, judged)
        bad += word in ("hole", score_page.NOT_JUDGED)
        click.echo(f"{word:<12} {each.module}:{each.line} {each.inside}: {each.old} -> {each.new}")
    click.echo(f"{len(results)} mutants, {len(results) - len(survivors)} killed, {bad} to do, {seconds:.0f} s")
    return bool(bad)


def _experiment(
    seed: int, part: slice, *, only: str, jobs: int, settings: Settings, end: float
) -> tuple[list[list[Edit]], list[Result], int]:
    """Return the places that can be edited, in the order of the seed; the results of a part; how many trials failed."""
    place = tempfile.TemporaryDirectory(
        prefix="ipc-mutation-", ignore_cleanup_errors=True
    )  # workers end without removing their folders
    results, failed = list[Result | None](), 0
    pool = ProcessPoolExecutor(jobs, initializer=_begin, initargs=(os.getpid(), Path(place.name)))
    try:
        found = pool.submit(_edits)
        known = joined(list(pool.map(_baseline, [settings] * jobs, range(jobs), [jobs] * jobs)))
        for failure in known.failures:
            click.echo(f"not used, fails on the unchanged server: {failure}", err=True)
        places = [each for each in shuffled(found.result(), seed) if not only or each[0].place.module == only]
        trials = [pool.submit(_attempt, edits, known, settings, end) for edits in places[part]]
        for each in as_completed(trials):
            try:
                results.append(_told(each))
            except Exception as error:  # noqa: BLE001 - a lost worker, or the kit: the other results stay
                click.echo(f"a trial failed: {error!r}", err=True)
                failed += 1
    except KeyboardInterrupt:  # which reaches the workers too, and a pool whose workers end may wait for ever
        click.echo("interrupted", err=True)
        place.cleanup()
        os._exit(ExitCode.INTERRUPTED)
    finally:
        pool.shutdown(cancel_futures=True)
        place.cleanup()
    return places, [each for each in results if each], failed


def _told(future: Future[tuple[MachineMutant, Trial] | None]) -> Result | None:
    found = future.result()
    if not found:
        return None
    mutant, trial = found
    click.echo(
        f"{trial.seconds:6.1f} s  {mutant.module}:{mutant.line}  {mutant.old} -> {mutant.new}: "
        f"{trial.killer or 'SURVIVED'}  {trial.message}",
        err=True,
    )
    return Result(mutant.module, mutant.line, mutant.inside, mutant.operator, mutant.old, mutant.new, trial.killer)


def _begin(parent: int, place: Path) -> None:
    """Prepare a worker: a tree of its own, and what the servers import except the package itself."""
    global _tree  # noqa: PLW0603 - one for each process
    end_with_parent(parent)
    for name in ("asyncio", "click", "jsonschema_rs", "msgspec", "sqlite3", "ssl"):
        __import__(name)
    _tree = Tree(place)


def _edits() -> list[Edit]:
    assert _tree
    return all_edits(_tree.folder)


def _baseline(settings: Settings, number: int, of: int) -> Baseline:
    assert _tree
    return baseline(_tree, settings, number, of)


def _attempt(
    edits: Sequence[Edit], known: Baseline, settings: Settings, end: float
) -> tuple[MachineMutant, Trial] | None:
    assert _tree
    if end and time.monotonic() > end:
        return None
    mutant = first_effective(_tree.folder, edits)
    return (mutant, attempt(_tree, mutant, known, settings)) if mutant else None


if __name__ == "__main__":
    main()
