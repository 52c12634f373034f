"""Run every package's own WebSocket tests without and with acceleration: a table, exit code 1
if a test fails only with it.

Needs an environment with fastws and the packages, and downloads their source distributions.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

from suites import SUITES, Suite

HERE = Path(__file__).parent
PASSED = re.compile(r"^(\S+::\S.*?) (?:SUB)?PASSED|^(\w+ \([\w.]+\)).*\.\.\. ok$", re.MULTILINE)
SECONDS = 600


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, timeout=SECONDS, stderr=subprocess.DEVNULL)


def fetch(suite: Suite, cache: Path) -> Path:
    """Return the directory of the tests, downloaded if need be."""
    place = cache / suite.target
    place.mkdir(parents=True, exist_ok=True)
    if not suite.source:
        return place
    source = suite.source
    if "==" not in source:
        version = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys; from importlib.metadata import version;print(version(sys.argv[1]))",
                source,
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        source = f"{source}=={version}"
    unpacked = place / source
    if not unpacked.exists():
        pip("download", "--no-deps", "--no-binary", ":all:", "--dest", str(place), source)
        [archive] = place.glob("*.tar.gz")
        with tarfile.open(archive) as files:
            files.extractall(unpacked, filter="data")
        archive.unlink()
    [top] = unpacked.iterdir()
    keep_tests(suite, top)
    return top


def keep_tests(suite: Suite, top: Path) -> None:
    """Hide the package itself, so that the installed one is tested; add what was left out."""
    for name in {suite.target, suite.target.replace("-", "_"), "src"}:
        if (top / name / "__init__.py").exists() or (name == "src" and (top / name).is_dir()):
            (top / name).rename(top / f"{name}.hidden")
    if suite.stand_ins:
        for path in (HERE / "stand_ins").rglob("*.py"):
            copy = top / suite.stand_ins / path.relative_to(HERE / "stand_ins")
            if path.name == "opcodes.py":  # pytest looks for it; not here, where it is not wanted
                copy = copy.with_name("conftest.py")
            copy.parent.mkdir(exist_ok=True)
            (copy.parent / "__init__.py").touch()
            copy.write_text(path.read_text())


def run(suite: Suite, directory: Path, *accelerated: str) -> tuple[set[str], str]:
    """Run the tests; return those that passed, and what the run wrote."""
    command = list(suite.command)
    if not (directory / "tests").exists():  # as older releases had it
        command = [re.sub("^tests(?=/|$)", "test", part) for part in command]
    # Nor had they all the files.
    command = [
        part
        for part in command
        if part.startswith("-") or not part.endswith(".py") or (directory / part).exists()
    ]
    done = subprocess.run(
        [sys.executable, *accelerated, "-m", *command],
        cwd=directory,
        env={**os.environ, **suite.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        text=True,
        errors="replace",
    )
    found = {"".join(match).strip() for match in PASSED.findall(done.stdout)}
    return found, done.stdout


def judge(suite: Suite, cache: Path) -> tuple[str, bool]:
    """Return a line of the table, and whether acceleration broke nothing."""
    if suite.needs:
        pip("install", *suite.needs)
    directory = fetch(suite, cache)
    before, _ = run(suite, directory)
    after, output = run(suite, directory, "-m", "fastws.accelerate", "--report")
    report = re.search(rf"^{suite.target} .*", output, re.MULTILINE)
    names = {test: test.rpartition("::")[2].partition("[")[0] for test in before}
    expected = {test for test in before if names[test] in suite.differs}
    broken = before - after - expected
    line = f"{suite.target:<18} {len(before):>6} {len(before & after):>6} {len(expected):>8}"
    if not before or report is None or " applied" not in report[0]:
        return f"{line}   not accelerated: {report[0] if report else output[-500:]}", False
    if broken:
        return f"{line}   only with acceleration: {', '.join(sorted(broken))}", False
    return f"{line}   {' '.join(report[0].split()[1:4])}", True


def main() -> int:
    parser = argparse.ArgumentParser(prog="accelerate", description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path("build/accelerate"))
    parser.add_argument("targets", nargs="*", help="all if none is named")
    options = parser.parse_args()
    chosen = [s for s in SUITES if not options.targets or s.target in options.targets]
    if len(chosen) < len(options.targets):
        parser.error(f"choose from {', '.join(suite.target for suite in SUITES)}")
    print(f"{'tests of':<18} {'before':>6} {'after':>6} {'excepted':>8}")
    good = True
    for suite in chosen:
        line, fine = judge(suite, options.cache.resolve() / "tests")
        good = good and fine
        print(line, flush=True)
    excepted = {why for suite in chosen for why in suite.differs.values()}
    for why in sorted(excepted):
        tests = [
            name for suite in chosen for name, reason in suite.differs.items() if reason == why
        ]
        print(f"excepted: {', '.join(tests)}: {why}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
