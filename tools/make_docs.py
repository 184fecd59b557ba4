#!/usr/bin/env python3
"""Writes what is generated in docs/: the settings table of the manual, and a page for each event of the catalogue.

usage: make_docs.py [--check]     --check writes nothing and exits 1 where a page is not what it would write
Sources: packaging/millrace.toml (which the program prints), catalog/*.json, tests/golden/caliper/*.json.
"""
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- settings: made by tools/make_docs.py -->", "<!-- end of settings -->"
TYPES = {"id": "id (a string of digits)"}


def settings_table():
    rows = ["| setting | default | meaning |", "| --- | --- | --- |"]
    section, meaning = "", ""
    for line in (ROOT / "packaging/millrace.toml").read_text().splitlines():
        if found := re.match(r"\[(\w+)\]$", line):
            section, meaning = found.group(1), ""
        elif section and (found := re.match(r"# (\w+) = (.*)$", line)):
            value = found.group(2).strip('"') or "none"
            rows.append(f"| `{section}.{found.group(1)}` | `{value}` | {meaning.replace('|', chr(92) + '|')} |")
            meaning = ""
        elif section and line.startswith("# "):
            meaning = line[2:]
    return "\n".join(rows)


def pretty(value):
    return json.dumps(value, indent=2, ensure_ascii=False)


def event_page(event):
    lines = [f"# {event['title']}", "", f"`{event['name']}` · category {event['category']}"
             + ("" if event["documented"] else " · Canvas sends it without documenting it"), "", event["trigger"], "",
             "It is usually sent by " + ("a job, not by a request of a person." if event["born"] == "system" else "a request of a person.")
             + " Its `metadata` is described [with the catalogue](README.md#metadata).", ""]
    if event["fields"]:
        lines += ["## Fields of the body", "", "| field | type | meaning |", "| --- | --- | --- |"]
        for field in event["fields"]:
            kind = TYPES.get(field["type"], field["type"]) + (" or null" if field.get("nullable") else "")
            note = " (Canvas does not describe it.)" if field.get("undescribed") else ""
            lines.append(f"| `{field['name']}` | {kind} | {field['meaning']}{note} |")
        lines.append("")
    else:
        lines += ["Its fields differ between versions of Canvas.", ""]
    lines += ["## Example", "", "Canvas format:", "", "```json", pretty(event["example"]), "```", ""]
    golden = ROOT / "tests/golden/caliper" / (event["name"] + ".json")
    if "caliper" in event and golden.exists():
        lines += [f"Caliper IMS 1.1 ({event['caliper']['type']}, {event['caliper']['action']}):", "", "```json", golden.read_text().rstrip("\n"), "```"]
    else:
        lines.append("It has no Caliper form: data streams in the Caliper format cannot select it.")
    return "\n".join(lines) + "\n"


METADATA = [
    ("event_name, event_time, producer", "always", "Name of the event; when Canvas sent it (UTC, milliseconds); `canvas`."),
    ("root_account_id, root_account_uuid, root_account_lti_guid", "always, but for events from a console", "The root account. Of a job: the default account of its shard."),
    ("job_id, job_tag", "sent by a job", "The job."),
    ("request_id, session_id, hostname, http_method, user_agent, client_ip, url, referrer", "sent by a request", "The request. `session_id` and `referrer` may be null."),
    ("user_id, user_login, user_account_id, user_sis_id, time_zone", "a person is signed in", "The person. `user_sis_id` and `time_zone` may be null."),
    ("context_type, context_id, context_account_id, context_sis_source_id", "the place is known", "Course, account, group or user that the request was about."),
    ("context_role", "the person is a member of it", "The role there: StudentEnrollment, TeacherEnrollment, …"),
    ("developer_key_id", "through an API token", "Whose application it was."),
    ("real_user_id", "somebody acts as the person", "Who really acts."),
]


def index_page(events):
    lines = ["# Events", "", "What Canvas sends, event by event. These pages are made from `catalog/`; so are the lists of the program.", "",
             "Ids are global ids of Canvas as strings of digits where nothing else is said. Text that Canvas cuts ends after 8,192 characters. Newer versions of Canvas "
             "leave out members of `body` that are null.", "", "## Metadata", "", "| members | when | what |", "| --- | --- | --- |"]
    lines += [f"| {', '.join('`' + m + '`' for m in members.split(', '))} | {when} | {what} |" for members, when, what in METADATA]
    for category in sorted({e["category"] for e in events}):
        lines += ["", f"## {category}", "", "| event | what happened | Caliper |", "| --- | --- | --- |"]
        for event in events:
            if event["category"] == category:
                lines.append(f"| [`{event['name']}`]({event['name']}.md) | {event['title']} | {event['caliper']['type'] if 'caliper' in event else '-'} |")
    return "\n".join(lines) + "\n"


def pages():
    events = sorted((json.loads(f.read_text()) for f in (ROOT / "catalog").glob("*.json")), key=lambda e: e["name"])
    made = {ROOT / "docs/events" / (e["name"] + ".md"): event_page(e) for e in events}
    made[ROOT / "docs/events/README.md"] = index_page(events)
    manual = ROOT / "docs/manual.md"
    before, _, rest = manual.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    made[manual] = f"{before}{BEGIN}\n{settings_table()}\n{END}{after}"
    return made


def main():
    made = pages()
    stale = [p for p, text in made.items() if not p.exists() or p.read_text() != text]
    stale += [p for p in (ROOT / "docs/events").glob("*.md") if p not in made]
    if "--check" in sys.argv:
        for page in stale:
            print(f"{page.relative_to(ROOT)}: is not what tools/make_docs.py makes; run it")
        return 1 if stale else 0
    (ROOT / "docs/events").mkdir(exist_ok=True)
    for page in stale:
        if page in made:
            page.write_text(made[page])
        else:
            page.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
