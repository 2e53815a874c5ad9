"""Builds the site of the specification: ``python docs/site/build.py [FOLDER]``.

The site works from disk, without a network. The exit status is 1 if Sphinx warns, or if a link, an anchor or an
identifier is dead.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import dead_links
from sphinx.cmd.build import main as sphinx
from staging import add_files, stage, wanted_links

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
JOBS = 2


def build(output: Path) -> int:
    """Build the site in a folder, which is emptied first; return the exit status.

    Raises:
        ValueError: the folder has files, and is no site.
    """
    is_site = any((output / name).exists() for name in (".buildinfo", "objects.inv"))
    if output.exists() and any(output.iterdir()) and not is_site:
        raise ValueError(f"{output} is not empty and is no site of Sphinx, so it is not emptied")
    shutil.rmtree(output, ignore_errors=True)
    with tempfile.TemporaryDirectory() as place:
        source, doctrees = Path(place, "source"), Path(place, "doctrees")
        source.mkdir()
        linked = stage(ROOT, source)
        options = ["--fail-on-warning", "--keep-going", "--quiet", "--jobs", str(JOBS)]
        status = sphinx([*options, "-c", str(HERE), "-d", str(doctrees), str(source), str(output)])
    if status > 1:  # it has made no site; warnings are 1
        return status
    add_files(ROOT, output, linked)
    found = dead_links.problems(output, wanted_links())
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)  # noqa: T201 - its output
    return 1 if status or found else 0


if __name__ == "__main__":
    where = Path(*sys.argv[1:2] or ["results/site"]).resolve()
    try:
        failed = build(where)
    except (ValueError, NotADirectoryError) as error:
        sys.exit(str(error))
    print(f"the site is at {where / 'index.html'}" if not failed else "the site has faults")  # noqa: T201
    sys.exit(failed)
