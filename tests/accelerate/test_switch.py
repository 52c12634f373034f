"""Switching on and off: what is replaced, what is refused and why, and that nothing stays."""

import importlib
import sys
from dataclasses import fields

import pytest

import fastws
from fastws.accelerate import Status, restore, status, switch
from fastws.accelerate.patching import Part, Replacement, Target, Unneeded

SOURCE = """
def double(x):
    return 2 * x

class Shape:
    def area(self):
        return 12

    @staticmethod
    def unit():
        return "cm"
"""


def new_double(x):
    return x + x


def new_area(self):
    return 3 * 4


def replace_core(module):
    yield Replacement(module, "double", new_double, ("guest",))
    yield Replacement(module.Shape, "area", new_area, ("guest",))


def observe_core(module):
    return [module.double(x) for x in range(9)] + [module.Shape().area(), module.Shape.unit()]


def replace_more(module):
    yield Replacement(module, "double", new_double, ("guest",))


def observe_more(module):
    return module.double(5)


@pytest.fixture
def guest(tmp_path, monkeypatch):
    """A package that can be accelerated: installed, and not imported."""

    def install(version="1.5", core=replace_core, files=("core", "more")):
        package = tmp_path / "guest"
        package.mkdir()
        (package / "__init__.py").touch()
        for name in files:
            (package / f"{name}.py").write_text(SOURCE)
        if version:
            information = tmp_path / "guest-1.dist-info"
            information.mkdir()
            metadata = f"Metadata-Version: 2.1\nName: guest\nVersion: {version}\n"
            (information / "METADATA").write_text(metadata)
        target = Target(
            "guest",
            "guest",
            "guest",
            ("1.4", "1.6"),
            (
                Part("guest.core", "mask", core, observe_core),
                Part("guest.more", "frames", replace_more, observe_more),
            ),
        )
        monkeypatch.setitem(switch.TARGETS, "guest", target)
        return target

    monkeypatch.syspath_prepend(str(tmp_path))
    yield install
    restore()
    for name in [name for name in sys.modules if name.partition(".")[0] == "guest"]:
        del sys.modules[name]


def load(name="core"):
    return importlib.import_module(f"guest.{name}")


def test_replaces_and_restores_exactly(guest):
    guest()
    core, more = load(), load("more")
    before = [dict(vars(owner)) for owner in (core, core.Shape, more)]
    row = fastws.accelerate("guest")["guest"]
    assert (row.version, row.level, row.status, row.why) == ("1.5", "frames", Status.APPLIED, "")
    assert core.double is new_double
    assert core.Shape.area is new_area
    assert more.double is new_double
    assert restore()["guest"].status is Status.RESTORED
    assert [dict(vars(owner)) for owner in (core, core.Shape, more)] == before


def test_twice_is_as_once(guest):
    guest()
    core = load()
    original = core.double
    first, second = fastws.accelerate("guest"), fastws.accelerate(["guest", "guest"])
    assert first.rows[0].status is second.rows[0].status is Status.APPLIED
    assert len(second) == 1
    restore()
    assert core.double is original


def test_restoring_nothing_is_nothing():
    report = restore()
    assert len(report) == 0
    assert str(report) == "nothing is accelerated"


def test_imports_nothing_and_replaces_what_is_imported_later(guest):
    guest()
    row = fastws.accelerate("guest")["guest"]
    assert row.status is Status.WAITING
    assert "until it is imported: guest.core, guest.more" in row.why
    assert "guest" not in sys.modules
    core = load()
    assert core.double is new_double
    assert core.__spec__.loader is core.__loader__
    assert type(core.__loader__).__module__.startswith(("importlib", "_frozen_importlib"))
    assert status()["guest"].status is Status.APPLIED
    assert status()["guest"].why == "the rest until it is imported: guest.more"
    assert load("more").double is new_double
    assert status()["guest"].why == ""


def test_what_comes_after_restore_is_left_alone(guest):
    guest()
    fastws.accelerate("guest")
    restore()
    assert load().double is not new_double
    assert switch._watcher not in sys.meta_path


def test_a_level_can_be_raised(guest):
    guest()
    core, more = load(), load("more")
    assert fastws.accelerate("guest", level="mask")["guest"].level == "mask"
    assert core.double is new_double
    assert more.double is not new_double
    assert fastws.accelerate("guest", level="frames")["guest"].level == "frames"
    assert more.double is new_double
    assert fastws.accelerate("guest", level="mask")["guest"].level == "frames"


def test_a_report_is_a_context_that_ends_what_it_began(guest):
    guest()
    core = load()
    with fastws.accelerate("guest") as report:
        assert report["guest"].status is Status.APPLIED
        with fastws.accelerate("guest"):
            assert core.double is new_double
        assert core.double is new_double
    assert core.double is not new_double


def test_a_report_prints_as_a_table(guest):
    guest(version="2.0")
    heading, row = str(fastws.accelerate("guest")).splitlines()
    assert heading.split() == ["target", "version", "level", "status", "why"]
    assert row.split(maxsplit=4) == [
        "guest", "2.0", "frames", "skipped", "tested with 1.4 up to, not including, 1.6",
    ]  # fmt: skip
    with pytest.raises(KeyError):
        fastws.accelerate("guest")["other"]


def test_unknown_names_and_levels_are_refused_before_anything_is_replaced(guest):
    guest()
    core = load()
    with pytest.raises(ValueError, match=r"no target 'nope': choose from .*websockets.*guest"):
        fastws.accelerate(["guest", "nope"])
    with pytest.raises(ValueError, match="no level 'all': choose from mask, frames"):
        fastws.accelerate("guest", level="all")
    with pytest.raises(ValueError, match="no target 'nope'"):
        restore("nope")
    assert core.double is not new_double


@pytest.mark.parametrize("version", ["1.3.9", "1.6", "2.0", "0.9.post1"])
def test_a_release_that_was_not_tested_is_skipped(guest, version):
    guest(version)
    core = load()
    row = fastws.accelerate("guest")["guest"]
    assert row.status is Status.SKIPPED
    assert row.why == "tested with 1.4 up to, not including, 1.6"
    assert core.double is not new_double


def test_what_is_not_installed_is_skipped(guest, monkeypatch):
    target = guest()
    monkeypatch.setitem(
        switch.TARGETS, "guest", Target("guest", "nobody-s", "nobody_s", target.tested, ())
    )
    monkeypatch.setitem(
        switch.TARGETS,
        "guest",
        Target("guest", "nobody-s", "nobody_s", target.tested, target.parts),
    )
    row = fastws.accelerate("guest")["guest"]
    assert (row.status, row.why) == (Status.SKIPPED, "not installed")


def test_what_is_half_installed_is_skipped(guest, tmp_path):
    guest(version=None)
    assert fastws.accelerate("guest")["guest"].why == "its version is not known"


def test_a_distribution_without_its_package_is_skipped(guest, tmp_path):
    guest()
    (tmp_path / "guest").rename(tmp_path / "elsewhere")
    importlib.invalidate_caches()
    why = fastws.accelerate("guest")["guest"].why
    assert why == "half installed: pip knows it, but it cannot be imported"


def test_a_missing_attribute_stops_the_whole_target(guest):
    guest()
    core, more = load(), load("more")
    del core.Shape.area
    row = fastws.accelerate("guest")["guest"]
    assert row.status is Status.SKIPPED
    assert "guest.core" in row.why
    assert core.double is not new_double
    assert more.double is not new_double


def test_what_others_have_replaced_before_is_left_to_them(guest):
    guest()
    core = load()
    core.Shape.area = theirs = lambda self: 12
    original = core.double
    row = fastws.accelerate("guest")["guest"]
    assert row.status is Status.SKIPPED
    assert row.why == f"guest.core.Shape.area was replaced already, by {__name__}"
    assert core.Shape.area is theirs
    assert core.double is original


def test_what_others_have_replaced_since_is_left_to_them(guest):
    guest()
    core = load()
    original = core.double
    fastws.accelerate("guest")
    core.Shape.area = theirs = lambda self: 12
    row = restore()["guest"]
    assert row.why == "replaced since by others, so left alone: guest.core.Shape.area"
    assert core.Shape.area is theirs
    assert core.double is original


def test_what_was_still_waited_for_had_nothing_to_restore(guest):
    guest()
    fastws.accelerate("guest")
    row = restore()["guest"]
    assert (row.status, row.why) == (Status.RESTORED, "nothing was replaced yet")
    assert load().double is not new_double


def test_what_is_as_good_without_is_not_skipped(guest, monkeypatch):
    target = guest()

    class Content(Target):
        def check_version(self):
            raise Unneeded("good as it is")

    content = Content(*(getattr(target, field.name) for field in fields(Target)))
    monkeypatch.setitem(switch.TARGETS, "guest", content)
    row = fastws.accelerate("guest")["guest"]
    assert (row.status, row.why) == (Status.UNNEEDED, "good as it is")
    assert len(restore("guest")) == 0


def test_a_subclass_keeps_its_own_methods(guest):
    guest()
    core = load()

    class Square(core.Shape):
        def area(self):
            return 16 + super().area() - 12

    fastws.accelerate("guest")
    assert Square().area() == 16
    assert "area" in vars(Square)
    restore()
    assert Square().area() == 16


@pytest.mark.parametrize("later", [False, True], ids=["imported", "imported later"])
@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda x: 2 * x + (x == 8), "the self-check of guest.core found a difference"),
        (lambda x: 1 // 0, "ZeroDivisionError"),
    ],
    ids=["different", "raises"],
)
def test_a_replacement_that_differs_is_refused(guest, wrong, why, later):
    def replace(module):
        yield Replacement(module.Shape, "area", new_area, ("guest",))
        yield Replacement(module, "double", wrong, ("guest",))

    guest(core=replace)
    if not later:
        load("more")
        load()
    fastws.accelerate("guest")
    core = load()
    row = status()["guest"] if later else fastws.accelerate("guest")["guest"]
    assert row.status is Status.SKIPPED
    assert why in row.why
    assert core.double(8) == 16
    assert core.Shape.area is not new_area
    assert load("more").double is not new_double


def test_pure_python_is_refused(guest, monkeypatch):
    guest()
    core = load()
    monkeypatch.setattr(switch, "compiled", False)
    row = fastws.accelerate("guest")["guest"]
    assert row.why == "fastws has no compiled kernels here: it would be slower"
    assert core.double is not new_double


def test_every_target_is_named_as_its_distribution_and_has_levels_that_exist():
    for name, target in switch.TARGETS.items():
        assert target.name == target.distribution == name
        assert {part.level for part in target.parts} <= {"mask", "frames"}


def test_everything_that_is_installed_passes_its_self_check():
    from fastws.accelerate.__main__ import _check

    for row in _check(None, "frames"):
        assert row.status is not Status.SKIPPED or row.why == "not installed", row
