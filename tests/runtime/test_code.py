"""Where code of one's own is found, which of two modules with the same name, and what is known of its files."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftcli.errors import RecipeError
from ftcli.runtime.calling import FailingCodeError, call
from ftcli.runtime.code import find_factory, leave_code_folder, look_in, make_importable, place_in
from ftcli.runtime.codefiles import absent_code, changed_code, describe_code

KEY = ("model", "head_factory")


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    leave_code_folder()
    yield
    leave_code_folder()


def folder(path: Path, **modules: str) -> Path:
    for name, text in modules.items():
        file = path / f"{name.replace('_in_', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


def value(address: str) -> object:
    return find_factory(address, key=KEY)()


def test_modules_of_a_folder_come_and_go_with_it(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", mine="import shared\ndef name(): return 'one ' + shared.X\n", shared="X = 'x'\n")
    two = folder(tmp_path / "two", mine="def name(): return 'two'\n")
    before = list(sys.path)
    for place, found in ((one, "one x"), (two, "two"), (one, "one x")):
        make_importable(place)
        assert value("mine:name") == found
        assert [path for path in sys.path if path not in before] == [str(place)]
    make_importable(two)
    assert "shared" not in sys.modules
    leave_code_folder()
    assert sys.path == before
    with pytest.raises(RecipeError, match="there is no Python module `mine`"):
        value("mine:name")


def test_a_folder_that_was_there_anyway_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder(tmp_path, mine_and_yours="def name(): return 1\n")
    monkeypatch.syspath_prepend(place)
    make_importable(place)
    leave_code_folder()
    assert str(place) in sys.path


def test_what_another_module_needs_is_left_alone(tmp_path: Path) -> None:
    """A folder with modules that are called like others': they are neither taken nor taken away."""
    place = folder(tmp_path, json="def loads(): return 1\n", ftcli_in_errors="", mine="def name(): return 1\n")
    errors = sys.modules["ftcli.errors"]
    make_importable(place)
    with pytest.raises(RecipeError, match=r"`json` is another module already, .*__init__\.py, and not .*json\.py"):
        value("json:loads")
    assert value("mine:name") == 1
    make_importable(folder(tmp_path / "other", mine="def name(): return 2\n"))
    assert value("mine:name") == 2
    assert sys.modules["json"] is json
    assert sys.modules["ftcli.errors"] is errors


def test_the_same_folder_keeps_its_modules_until_one_is_edited(tmp_path: Path) -> None:
    place = folder(tmp_path, mine="def name(): return 1\n")
    make_importable(place)
    first = find_factory("mine:name", key=KEY)
    make_importable(place)
    assert find_factory("mine:name", key=KEY) is first
    folder(tmp_path, mine="def name(): return 'another'\n")
    make_importable(place)
    assert value("mine:name") == "another"


def test_a_package_and_what_is_installed_are_found_too(tmp_path: Path) -> None:
    make_importable(
        folder(
            tmp_path,
            mine_in___init__="",
            mine_in_heads="from . import sizes\ndef name(): return sizes.X\n",
            mine_in_sizes="X = 3\n",
        )
    )
    assert value("mine.heads:name") == 3
    assert find_factory("collections:OrderedDict", key=KEY).__name__ == "OrderedDict"
    assert [each.module for each in describe_code(["mine.heads:name"])] == ["mine", "mine.heads", "mine.sizes"]


def test_a_package_without_a_file_of_its_own_goes_too(tmp_path: Path) -> None:
    make_importable(folder(tmp_path / "a", mine_in_heads="def name(): return 1\n"))
    assert value("mine.heads:name") == 1
    make_importable(folder(tmp_path / "b", mine="def name(): return 2\n"))
    assert value("mine:name") == 2


def test_no_folder_is_an_error_and_auto_is_none(tmp_path: Path) -> None:
    look_in("auto")
    with pytest.raises(RecipeError, match=r"there is no folder .*gone to look for") as caught:
        look_in(str(tmp_path / "gone"))
    assert caught.value.problems[0].key == ("run", "code")


@pytest.mark.parametrize("address", ["", "mine", "mine:", ":name", "mine:a:b", "a/b.py:name", "mine: name", "mine:a.b"])
def test_an_address_is_a_module_and_a_name(address: str) -> None:
    with pytest.raises(RecipeError, match="names no code"):
        find_factory(address, key=KEY)


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("x = 1\nraise OSError('no')\n", "the code of `mine` fails: OSError: no", 2),
        ("import gone\n", "the code of `mine` needs `gone`, which is not there", 1),
        ("import json\nx = json.loads('{')\n", "the code of `mine` fails: JSONDecodeError", 2),
        ("def f(:\n", "the code of `mine` fails: SyntaxError", 1),
    ],
)
def test_a_module_that_fails_is_shown_at_its_own_line(tmp_path: Path, text: str, what: str, line: int) -> None:
    """Also where the error is raised within something that it calls."""
    make_importable(folder(tmp_path, mine=text))
    with pytest.raises(RecipeError) as caught:
        value("mine:f")
    problem = caught.value.problems[0]
    assert problem.what.startswith(what)
    assert problem.where is not None
    assert (problem.where.file, problem.where.line) == (str(tmp_path / "mine.py"), line)
    assert problem.where.text == text.splitlines()[line - 1]


def test_an_error_of_others_has_no_place_in_it(tmp_path: Path) -> None:
    make_importable(tmp_path)
    with pytest.raises(ValueError, match="Expecting") as caught:
        json.loads("{")
    assert place_in(caught.value) is None


# Calling


def made(tmp_path: Path, signature: str, **options: object) -> object:
    make_importable(folder(tmp_path, mine=f"def make({signature}): return locals()\n"))
    return call("mine:make", 1, key=KEY, options_key=("model", "head_options"), options=options, lr=0.1)


@pytest.mark.parametrize(
    ("signature", "options", "problem"),
    [
        ("first, *, lr, size", {"size": 2, "depth": 3}, ("takes no option `depth`", "its options: size", "depth")),
        ("first, lr, size=1", {"sise": 2}, ("takes no option `sise`", "did you mean `size`?", "sise")),
        ("first, *, lr, size", {}, ("needs the option `size`", "`model.head_options` = { size = ... }", None)),
        ("first, *, lr, **rest", {"lr": 2}, ("takes no option `lr`", "its options: none", "lr")),
        ("first, *, lr, **rest", {"first": 2}, ("takes no option `first`", "its options: none", "first")),
    ],
)
def test_options_that_it_does_not_take_are_told_by_name(
    tmp_path: Path, signature: str, options: dict[str, object], problem: tuple[str, str, str | None]
) -> None:
    what, hint, name = problem
    with pytest.raises(RecipeError) as caught:
        made(tmp_path, signature, **options)
    (found,) = caught.value.problems
    assert (found.what, found.hint) == (f"`mine:make` {what}", hint)
    assert found.key == ("model", "head_options", *([name] if name else []))


@pytest.mark.parametrize(
    ("written", "value", "wanted"),
    [
        ("bool = True", "yes", "true or false"),
        ("'bool | None' = None", 1, "true or false"),
        ("int", 1.5, "a whole number"),
        ("int", True, "a whole number"),
        ("float | None", "1", "a number"),
        ("str", 1, "text"),
        ("'Iterable[int]'", [1, "a"], "an array of whole numbers"),
        ("tuple[float, float]", [1], "an array of 2 numbers"),
        ("tuple[str, int]", [1, 1], "an array of 2 values"),
        ("list[tuple[float, float]]", [[1, 2], [1]], "an array of arrays of 2 numbers"),
        ("float | list[float]", ["x"], "a number or an array of numbers"),
    ],
)
def test_options_of_another_type_than_it_is_written_with_are_told(
    tmp_path: Path, written: str, value: object, wanted: str
) -> None:
    with pytest.raises(RecipeError, match=re.escape(f"`model.head_options.size` of `mine:make` must be {wanted}, not")):
        made(tmp_path, f"first, *, lr, size: {written}", size=value)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("float", 1),
        ("'Unheard | None'", "x"),
        ("'list'", ["x"]),
        ("dict[str, int]", {"a": "b"}),
        ("tuple[int, ...]", [1, 2, 3]),
        ("object", "x"),
        ("int", 1e3),
        ("int = 0.5", 0.5),
        ("bytes | None", "x"),
    ],
)
def test_options_are_taken_that_fit_or_whose_type_says_nothing_of_a_recipe(
    tmp_path: Path, written: str, value: object
) -> None:
    assert made(tmp_path, f"first, *, lr, size: {written}", size=value) == {"first": 1, "lr": 0.1, "size": value}


def test_what_can_be_called_is_asked_for_the_types_of_its_call(tmp_path: Path) -> None:
    code = "class Make:\n    size: int\n    def __call__(self, first, *, lr, size: str): return size\nmake = Make()\n"
    make_importable(folder(tmp_path, mine=code))
    options_key = ("model", "head_options")
    assert call("mine:make", 1, key=KEY, options_key=options_key, options={"size": "b"}, lr=0.1) == "b"
    with pytest.raises(RecipeError, match="must be text, not 1"):
        call("mine:make", 1, key=KEY, options_key=options_key, options={"size": 1}, lr=0.1)


def test_options_that_it_takes_are_given_by_name(tmp_path: Path) -> None:
    assert made(tmp_path, "first, *, lr, size=1", size=2) == {"first": 1, "lr": 0.1, "size": 2}
    assert made(tmp_path, "first, lr, **rest", size=2) == {"first": 1, "lr": 0.1, "rest": {"size": 2}}


@pytest.mark.parametrize("signature", ["", "*, lr", "first"])
def test_what_can_not_be_called_as_it_has_to_be_says_so(tmp_path: Path, signature: str) -> None:
    with pytest.raises(FailingCodeError, match="`mine:make` fails: TypeError"):
        made(tmp_path, signature)


# Files


def test_a_file_that_is_gone_or_changed_is_told(tmp_path: Path) -> None:
    place = folder(tmp_path / "a", mine="import shared\ndef name(): return 1\n", shared="X = 1\n", alone="")
    make_importable(place)
    value("mine:name")
    files = describe_code(["mine:name"])
    assert [(each.module, each.file) for each in files] == [
        ("mine", str(place / "mine.py")),
        ("shared", str(place / "shared.py")),
    ]
    assert files[0].sha256 == hashlib.sha256((place / "mine.py").read_bytes()).hexdigest()
    assert absent_code(files) == []
    assert changed_code(files) == []
    folder(place, shared="X = 2\n")
    assert changed_code(files) == [(files[1], place / "shared.py")]
    (place / "mine.py").unlink()
    assert [each.module for each in absent_code(files)] == ["mine"]


def test_what_is_described_is_what_was_imported_though_the_file_was_edited_since(tmp_path: Path) -> None:
    make_importable(folder(tmp_path, mine="def name(): return 1\n"))
    sha256 = hashlib.sha256((tmp_path / "mine.py").read_bytes()).hexdigest()
    value("mine:name")
    folder(tmp_path, mine="def name(): return 'edited'\n")
    assert [each.sha256 for each in describe_code(["mine:name"])] == [sha256]


def test_built_in_code_has_no_file() -> None:
    assert describe_code(["itertools:count"]) == []
