#!/usr/bin/env python3
"""Turns catalog/*.json into one C++ source.   usage: embed_catalog.py OUTPUT FILE..."""
import json
import sys
from pathlib import Path


def main():
    output, files = Path(sys.argv[1]), sorted(map(Path, sys.argv[2:]))
    lines = ['#include "model/catalog.h"', "", "namespace millrace::model {", "", "std::vector<std::string_view> catalog_texts() {", "  return {"]
    for file in files:
        text = json.dumps(json.loads(file.read_text()), ensure_ascii=False, separators=(",", ":"))
        if ')catalog"' in text:
            sys.exit(f"{file}: cannot be a raw string literal")
        # A string literal may have 65,536 bytes; a catalogue file has a few thousand.
        lines.append(f'      R"catalog({text})catalog",')
    lines += ["  };", "}", "", "}  // namespace millrace::model", ""]
    content = "\n".join(lines)
    if not output.exists() or output.read_text() != content:
        output.write_text(content)


if __name__ == "__main__":
    main()
