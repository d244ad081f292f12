"""Begin an optimizer: its rule, its line in the table, its chapter.

    python scripts/new.py Lynx

writes gdcourse/rules/lion.py and book/src/lion.md, puts a line into gdcourse/rules/table.py and one into
_toc.yml, and makes the notebooks of the two pages that show the new method and of the two that lead to it.
The rule that it writes is momentum under the new name, and all that the page says of it is true of that:
everything runs, and passes the tests, before the first change. Then put your own equation there.
"""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path
from string import Template

import safely
import yaml

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = Path(__file__).with_name("templates")
PART = "Optimizers"
"""The part of the book that gets the chapter."""

SHOWS_ALL = ("conclusion",)
"""The chapters that run over all methods."""


class NewError(Exception):
    """There can be no optimizer of this name; the message says why."""


def module_of(name: str) -> str:
    """What an optimizer's file is called: gradient_descent for GradientDescent, rmsprop for RMSProp."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def check(root: Path, name: str) -> None:
    """Raise `NewError` if a name is none for a class, or taken."""
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", name) or keyword.iskeyword(name):
        raise NewError(
            f"{name!r} is no name for an optimizer: it must be two or more of the letters A to z and digits, "
            "beginning with a capital, as in `make new NAME=Lynx`"
        )
    module = module_of(name)
    if keyword.iskeyword(module):
        raise NewError(f"{name!r} is no name for an optimizer: its file, {module}.py, could not be imported")
    for place in (
        root / "gdcourse" / "rules" / f"{module}.py",
        *(root / "book" / folder / f"{module}{end}" for folder, end in (("src", ".md"), ("", ".md"))),
    ):
        if place.exists():
            raise NewError(f"{name} cannot be added: {place.relative_to(root)} is there already")
    if name.lower() in {taken.lower() for taken in taken_names(root)}:
        raise NewError(f"{name} cannot be added: the package has something of this name already")


def taken_names(root: Path) -> set[str]:
    """The names of the package's classes, functions and rooms, read from its files."""
    found = {path.stem for path in (root / "gdcourse").iterdir()}
    for path in (root / "gdcourse").rglob("*.py"):
        found |= set(re.findall(r"^(?:class|def) ([A-Za-z]\w*)", path.read_text(encoding="utf-8"), re.M))
    table = (root / "gdcourse" / "rules" / "table.py").read_text(encoding="utf-8")
    return (
        found
        | set(re.findall(r'^    "(\w+)": Method\(', table, re.M))
        | set(re.findall(r'optim="(\w+)"', table))
    )


def with_line(table: str, name: str) -> str:
    """The text of table.py with an import and a line for the new rule."""
    imports = re.findall(r"^from gdcourse\.rules\.\w+ import .+\n", table, re.M)
    sorted_in = "".join(sorted([*imports, f"from gdcourse.rules.{module_of(name)} import {name}\n"]))
    table = table.replace("".join(imports), sorted_in)
    head, opening, rest = table.partition("METHODS |= {\n")
    lines, closing, tail = rest.partition("\n}\n")
    if not (opening and closing and "".join(imports) and sorted_in in table):
        raise NewError("gdcourse/rules/table.py looks otherwise than this script knows: add the line by hand")
    line = f'    "{name}": Method(lambda lr: {name}(lr), 0.1, family=ONE_RATE),'
    return f"{head}{opening}{lines}\n{line}{closing}{tail}"


def with_chapter(toc: str, name: str) -> str:
    """The text of _toc.yml with the new chapter, the last of its part."""
    before, caption, after = toc.partition(f"  - caption: {PART}\n")
    chapters = re.match(r"(?:    .*\n)+", after)
    if not (caption and chapters):
        raise NewError(f"_toc.yml has no part {PART!r}: add the chapter by hand")
    entry = f"      - file: book/{module_of(name)}\n"
    return before + caption + chapters[0] + entry + after[chapters.end() :]


def lead_to(toc: str, name: str) -> list[str]:
    """The chapters whose notebooks lead to the new one: the first, which lists all, and the one before."""
    contents = yaml.safe_load(toc)
    files = [chapter["file"] for part in contents["parts"] for chapter in part["chapters"]]
    before = files[files.index(f"book/{module_of(name)}") - 1]
    return [Path(file).stem for file in (contents["root"], before)]


def add(root: Path, name: str) -> list[Path]:
    """Write the new optimizer's files, and give back what was written.

    Raises
    ------
    NewError : there can be no optimizer of this name. Nothing was written.
    """
    check(root, name)
    words = {"NAME": name, "MODULE": module_of(name), "LABEL": module_of(name).replace("_", "-")}
    rules = root / "gdcourse" / "rules"
    made = {
        rules / f"{words['MODULE']}.py": filled("rule.py.txt", words),
        root / "book" / "src" / f"{words['MODULE']}.md": filled("chapter.md.txt", words),
        rules / "table.py": with_line((rules / "table.py").read_text(encoding="utf-8"), name),
        root / "_toc.yml": with_chapter((root / "_toc.yml").read_text(encoding="utf-8"), name),
    }
    for path, text in made.items():
        safely.write_whole(path, text)
    return list(made)


def filled(template: str, words: dict[str, str]) -> str:
    class At(Template):
        delimiter = "@@"  # a chapter is full of dollars

    return At((TEMPLATES / template).read_text(encoding="utf-8")).substitute(words)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not arguments[0]:
        print("Name the optimizer, as its class is to be called: `make new NAME=Lynx`.", file=sys.stderr)
        return 2
    try:
        made = add(ROOT, arguments[0])
    except NewError as error:
        print(error, file=sys.stderr)
        return 1
    for path in made:
        print(f"  {path.relative_to(ROOT)}")
    pages = [module_of(arguments[0]), *SHOWS_ALL]
    print(
        f"{arguments[0]} is there: `gd.{arguments[0]}`, `gd.optim.{arguments[0]}`. It is momentum under "
        f'another name until you write its equation.\nAfter each change: `make notebooks CHAPTERS="'
        f'{" ".join(pages)}"`, the pages that show it. Here they are for the first time.',
        flush=True,
    )
    pages += lead_to((ROOT / "_toc.yml").read_text(encoding="utf-8"), arguments[0])
    import notebooks  # scripts/notebooks.py; it takes a while to load, and a refusal above need not wait

    return notebooks.main(pages)


if __name__ == "__main__":
    sys.exit(safely.run(main, sys.argv[1:]))
