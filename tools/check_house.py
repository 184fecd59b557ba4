#!/usr/bin/env python3
"""The rules of the house that a machine can check.   usage: check_house.py CHECK... [--compile-commands FILE]

  rooms     each source includes only its own room and those that src/CMakeLists.txt lets it use
  headers   each header of src/ compiles alone
  format    clang-format 19 has nothing to change
  links     relative links in Markdown lead to files that exist
  map       every folder of src/ stands in ARCHITECTURE.md, and back; every room has a README.md
  version   CMakeLists.txt and src/base/version.h name the same version
  hostile   docs/hostile.md has a row for each of 40 behaviours, and each test that it names exists
  where     the table "Where is ..." of ARCHITECTURE.md has 30 rows or more, and each function stands in its file
  sizes     half of all functions have at most 6 lines, nine of ten at most 22, none more than 80; a room at most 4,000 (--show yes prints)
  packages  tools/packages.txt is sorted, without repeats, and names no package that conflicts with Boost 1.81
"""
import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"


def sources(*endings):
    folders = ("src", "tests", "bench", "fuzz", "cmake")
    return sorted(p for f in folders for p in (ROOT / f).rglob("*") if p.suffix in endings and "node_modules" not in p.parts)


def room_table():
    """What each room uses, from the one table: src/CMakeLists.txt."""
    text = (SOURCE / "CMakeLists.txt").read_text()
    rooms = {}
    for name, rest in re.findall(r"^room\((\w+)([^)]*)\)", text, re.M | re.S):
        used = re.search(r"USES([\w\s]*?)(?:LIBS|$)", rest, re.S)
        rooms[name] = set(used.group(1).split()) if used else set()
    return rooms


def check_rooms(_):
    rooms = room_table()
    faults = []
    for path in sorted(SOURCE.rglob("*")):
        if path.suffix not in (".h", ".cc"):
            continue
        room = path.relative_to(SOURCE).parts[0]
        allowed = rooms.get(room, set()) | {room}
        if path.name.endswith(("_test.cc", "_test.h", "_fixture.h")):
            allowed = allowed | {"testing"} | rooms["testing"]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'#include "(\w+)/', line)
            if found and found.group(1) in rooms and found.group(1) not in allowed:
                faults.append(f"{path.relative_to(ROOT)}:{number}: room {room} may not use {found.group(1)} (src/CMakeLists.txt)")
    for room in rooms:
        if not (SOURCE / room).is_dir():
            faults.append(f"src/CMakeLists.txt: room {room} has no folder")
    return faults


def check_headers(options):
    commands = json.loads(Path(options["compile-commands"]).read_text())
    one = next(c for c in commands if c["file"].endswith("src/base/error.cc"))
    words = shlex.split(one["command"])
    kept = [w for w in words if w.startswith(("-D", "-I", "-std", "-W", "-stdlib")) and w not in ("-Winvalid-pch", "-Werror")]

    def alone(header):
        probe = f'#include "{header.relative_to(SOURCE)}"\n'
        # The compiler's name is spelt out so that no launcher or precompiled header helps.
        run = subprocess.run(["clang++-19", *kept, f"-I{SOURCE}", "-x", "c++", "-fsyntax-only", "-"], input=probe, text=True,
                             capture_output=True, check=False)
        return None if run.returncode == 0 else f"{header.relative_to(ROOT)}: does not compile alone:\n{run.stderr[:600]}"

    headers = sorted(SOURCE.rglob("*.h"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [fault for fault in pool.map(alone, headers) if fault]


def check_format(_):
    run = subprocess.run(["clang-format-19", "--dry-run", "--Werror", *map(str, sources(".h", ".cc"))], text=True,
                         capture_output=True, check=False)
    names = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", run.stderr, re.M)))
    return [f"{Path(n).relative_to(ROOT)}: clang-format-19 would change it" for n in names]


def check_links(_):
    faults = []
    for page in sorted(ROOT.rglob("*.md")):
        if "node_modules" in page.parts or "build" in page.relative_to(ROOT).parts:
            continue
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target) or target.startswith("#"):
                continue
            if not (page.parent / target.split("#")[0]).exists():
                faults.append(f"{page.relative_to(ROOT)}: link to {target} leads nowhere")
    return faults


def check_map(_):
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"^\| `(\w+)` \|", text, re.M))
    folders = {p.name for p in SOURCE.iterdir() if p.is_dir()}
    rooms = set(room_table())
    faults = [f"ARCHITECTURE.md: room {n} is not described" for n in sorted(folders - named)]
    faults += [f"ARCHITECTURE.md: {n} is described, but there is no such folder in src/" for n in sorted(named - folders)]
    faults += [f"src/CMakeLists.txt: {n} is not a room" for n in sorted(folders - rooms)]
    faults += [f"src/{n}: has no README.md" for n in sorted(folders) if not (SOURCE / n / "README.md").exists()]
    return faults


def check_packages(_):
    faults, section, seen = [], None, set()
    previous = ""
    for number, line in enumerate((ROOT / "tools/packages.txt").read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section, previous = line, ""
            continue
        if section is None:
            faults.append(f"tools/packages.txt:{number}: before the first section")
        if line < previous:
            faults.append(f"tools/packages.txt:{number}: {line} is not in order")
        if line in seen:
            faults.append(f"tools/packages.txt:{number}: {line} stands twice")
        if re.match(r"libboost(-|1\.74)", line) and "1.81" not in line:
            faults.append(f"tools/packages.txt:{number}: {line} conflicts with Boost 1.81")
        seen.add(line)
        previous = line
    return faults


def check_hostile(_):
    """A test is the name of a TEST, of its class, or of a row of a table: the first string of a braced list."""
    known = set()
    for path in SOURCE.rglob("*_test.cc"):
        text = path.read_text()
        for suite, name in re.findall(r"^TEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\)", text, re.M):
            known |= {suite, name}
        known |= set(re.findall(r"\{\s*\"(\w+)\",", text))
    faults, page = [], ROOT / "docs/hostile.md"
    rows = re.findall(r"^\| (\d+) \|.*\| ([^|]*) \|$", page.read_text(), re.M)
    if [int(number) for number, _ in rows] != list(range(1, 41)):
        faults.append("docs/hostile.md: the rows are not 1 to 40")
    for number, cell in rows:
        names = re.findall(r"`(\w+)`", cell)
        if not names:
            faults.append(f"docs/hostile.md: row {number} names no test")
        faults += [f"docs/hostile.md: row {number}: there is no test {n}" for n in names if n not in known]
    below = page.read_text().split("## Addresses")[1]
    faults += [f"docs/hostile.md: there is no test {n}" for n in re.findall(r"`(\w+_\w+_\w+)`", below) if n not in known]
    return faults


def check_version(_):
    built = re.search(r"project\(millrace VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
    said = re.search(r'version = "([^"]+)"', (SOURCE / "base/version.h").read_text()).group(1)
    return [] if built == said else [f"CMakeLists.txt says version {built}, src/base/version.h says {said}"]


def check_where(_):
    table = (ROOT / "ARCHITECTURE.md").read_text().split("## Where is")[1]
    rows = re.findall(r"^\| ([^|`]+) \| `([^`]+)` \| `([^`]+)` \|$", table, re.M)
    faults = [] if len(rows) >= 30 else [f"ARCHITECTURE.md: \"Where is ...\" has {len(rows)} rows, not 30"]
    for what, file, function in rows:
        path = SOURCE / file
        if not path.exists():
            faults.append(f"ARCHITECTURE.md: {what}: there is no src/{file}")
        elif not re.search(rf"(?<![\w:]){re.escape(function)}\(", without_text(path.read_text())):
            faults.append(f"ARCHITECTURE.md: {what}: src/{file} has no function {function}")
    return faults


def without_text(source):
    """C++ without its comments, literals and directives; each line stays a line."""
    literal = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
    source = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "", source)
    source = literal.sub(lambda m: ('""' if m.group(0)[0] in 'R"' else "") + "\n" * m.group(0).count("\n"), source)
    return re.sub(r"^#.*$", "", source, flags=re.M)


def kind_of_block(before, is_inside):
    """What a bracket opens, by the text before it: a function's body, a space that holds functions, or something within either."""
    if is_inside:
        return "inner"
    if re.match(r"(inline\s+)?namespace\b|extern\b", before):
        return "space"
    if re.search(r"\b(class|struct|union|enum)\b", before) and not re.search(r"\)[\sa-z]*$", before):
        return "space"
    return "function" if "(" in before and not re.search(r"(?<![=!<>])=(?!=)[^()]*$", before) else "inner"


def functions_of(path):
    """(lines, first line, name) of each function that the file defines, from its signature to its last bracket."""
    found, blocks, before, line, first, round_depth = [], [], "", 1, 1, 0
    for char in without_text(path.read_text()):
        line += char == "\n"
        round_depth += (char in "([") - (char in ")]")
        if char == "{":
            kind = kind_of_block(before.strip(), round_depth > 0 or any(block[0] == "function" for block in blocks))
            blocks.append((kind, first, before.strip(), round_depth))
            before, round_depth = (before + char, round_depth) if kind == "inner" else ("", 0)
        elif char == "}" and blocks:
            kind, begun, head, round_depth = blocks.pop()
            if kind == "function":
                found.append((line - begun + 1, begun, (head.split("(")[0].split() or ["?"])[-1]))
            before = before + char if kind == "inner" else ""
        elif char == ";" and round_depth == 0 and (not blocks or blocks[-1][0] == "space"):
            before = ""
        else:
            first = line if not before.strip() and not char.isspace() else first
            before += char
    return found


def is_product(path):
    return not path.name.endswith(("_test.cc", "fixture.h", "fixture.cc", "_test.h")) and path.relative_to(SOURCE).parts[0] != "testing"


# Rooms that are larger than a room should be: they may shrink, not grow.
MOST_LINES = {"commands": 5700, "store": 7500}


def check_sizes(options):
    files = [p for p in sorted(SOURCE.rglob("*")) if p.suffix in (".h", ".cc") and is_product(p)]
    all_functions = sorted((lines, path, at, name) for path in files for lines, at, name in functions_of(path))
    half, nine, longest = (all_functions[min(len(all_functions) * n // 10, len(all_functions) - 1)][0] for n in (5, 9, 10))
    rooms = {}
    for path in files:
        room = path.relative_to(SOURCE).parts[0]
        rooms[room] = rooms.get(room, 0) + len(path.read_text().splitlines())
    if options.get("show"):
        print(f"{len(all_functions)} functions: half have at most {half} lines, nine of ten {nine}, the longest {longest}")
        print("\n".join(f"{lines:6} {room}" for room, lines in sorted(rooms.items(), key=lambda item: -item[1])))
    faults = [f"half of all functions have more than 6 lines: {half}"] if half > 6 else []
    faults += [f"a tenth of all functions have more than 22 lines: {nine}"] if nine > 22 else []
    faults += [f"{path.relative_to(ROOT)}:{at}: {name} has {lines} lines; 80 is the most" for lines, path, at, name in all_functions if lines > 80]
    return faults + [f"src/{room}: {lines} lines; {MOST_LINES.get(room, 4000):,} is the most"
                     for room, lines in sorted(rooms.items()) if lines > MOST_LINES.get(room, 4000)]


CHECKS = {"rooms": check_rooms, "headers": check_headers, "format": check_format, "links": check_links, "map": check_map,
          "hostile": check_hostile, "packages": check_packages,
          "version": check_version, "where": check_where, "sizes": check_sizes}


def main():
    words, options = [], {}
    rest = iter(sys.argv[1:])
    for word in rest:
        if word.startswith("--"):
            options[word[2:]] = next(rest)
        else:
            words.append(word)
    if not words or any(w not in CHECKS for w in words):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    faults = [fault for word in words for fault in CHECKS[word](options)]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
