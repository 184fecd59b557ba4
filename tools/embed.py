#!/usr/bin/env python3
"""Turns what the program gives out as it lies in the tree into C++ sources.

usage: embed.py events OUTPUT FILE...    catalog/*.json, for model/catalog.h
       embed.py caliper OUTPUT FILE      catalog/caliper/model.json, for formats/caliper_model.h
       embed.py openapi OUTPUT FILE      openapi.yaml, for api/openapi.h
"""
import json
import sys
from pathlib import Path


PIECE = 12_000  # a string literal may have 65,536 bytes


def literal(file, text):
    if ')embedded"' in text:
        sys.exit(f"{file}: cannot be a raw string literal")
    pieces = [text[i:i + PIECE] for i in range(0, len(text), PIECE)]
    return "\n      ".join(f'R"embedded({piece})embedded"' for piece in pieces)


def packed(file):
    return literal(file, json.dumps(json.loads(file.read_text()), ensure_ascii=False, separators=(",", ":")))


def events(files):
    lines = ['#include "model/catalog.h"', "", "namespace millrace::model {", "", "std::vector<std::string_view> catalog_texts() {", "  return {"]
    lines += [f"      {packed(file)}," for file in sorted(files)]
    return lines + ["  };", "}", "", "}  // namespace millrace::model", ""]


def caliper(files):
    return ['#include "formats/caliper_model.h"', "", "namespace millrace::formats {", "", "std::string_view caliper_model_text() {",
            f"  return {packed(files[0])};", "}", "", "}  // namespace millrace::formats", ""]


def openapi(files):
    return ['#include "api/openapi.h"', "", "namespace millrace::api {", "", "std::string_view openapi_yaml() {",
            f"  return {literal(files[0], files[0].read_text())};", "}", "", "}  // namespace millrace::api", ""]


def main():
    kind, output, files = sys.argv[1], Path(sys.argv[2]), list(map(Path, sys.argv[3:]))
    content = "\n".join({"events": events, "caliper": caliper, "openapi": openapi}[kind](files))
    if not output.exists() or output.read_text() != content:
        output.write_text(content)


if __name__ == "__main__":
    main()
