#!/usr/bin/env python3
"""Turns the catalogue into C++ sources.

usage: embed_catalog.py events OUTPUT FILE...     catalog/*.json, for model/catalog.h
       embed_catalog.py caliper OUTPUT FILE       catalog/caliper/model.json, for formats/caliper_model.h
"""
import json
import sys
from pathlib import Path


PIECE = 12_000  # a string literal may have 65,536 bytes


def literal(file):
    text = json.dumps(json.loads(file.read_text()), ensure_ascii=False, separators=(",", ":"))
    if ')catalog"' in text:
        sys.exit(f"{file}: cannot be a raw string literal")
    pieces = [text[i:i + PIECE] for i in range(0, len(text), PIECE)]
    return "\n      ".join(f'R"catalog({piece})catalog"' for piece in pieces)


def events(files):
    lines = ['#include "model/catalog.h"', "", "namespace millrace::model {", "", "std::vector<std::string_view> catalog_texts() {", "  return {"]
    lines += [f"      {literal(file)}," for file in sorted(files)]
    return lines + ["  };", "}", "", "}  // namespace millrace::model", ""]


def caliper(files):
    return ['#include "formats/caliper_model.h"', "", "namespace millrace::formats {", "", "std::string_view caliper_model_text() {",
            f"  return {literal(files[0])};", "}", "", "}  // namespace millrace::formats", ""]


def main():
    kind, output, files = sys.argv[1], Path(sys.argv[2]), list(map(Path, sys.argv[3:]))
    content = "\n".join({"events": events, "caliper": caliper}[kind](files))
    if not output.exists() or output.read_text() != content:
        output.write_text(content)


if __name__ == "__main__":
    main()
