#!/usr/bin/env python3
"""The results as one table for a terminal, and the bars below it; the bars alone as Markdown, for the README:

    python3 tests/bench/table.py bench.json
"""

import json
import sys
from pathlib import Path

from measure import median, ratio

COLUMNS = (("GB/s", "gb_s", "{:.2f}"), ("req/s", "req_s", "{:.0f}"), ("CPU s/GB", "cpu_s_gb", "{:.2f}"),
           ("CPU us/req", "cpu_us_req", "{:.1f}"), ("p50 ms", "p50_ms", "{:.2f}"), ("p99 ms", "p99_ms", "{:.2f}"),
           ("peak MiB", "peak_rss_mib", "{:.1f}"), ("beside GB/s", "beside_gb_s", "{:.2f}"),
           ("of the disk", "beside_disk_gb_s", "{:.2f}"), ("stopped", "stopped", "{:.1%}"), ("stolen", "stolen", "{:.1%}"))


def number(form, value):
    return "" if value is None else form.format(value)


def cells(row, ringdrop):
    """A line of the table. Beside a peer: how many times its speed ringdrop has, and how much of its CPU time it takes."""
    line = [row["case"], row["work"], row["server"]]
    line += [number(form, median(row["runs"], key)) for _, key, form in COLUMNS]
    line[-1] += "!" if any(run.get("disturbed") for run in row["runs"]) else ""  # what was stolen
    if ringdrop is None or ringdrop is row:
        return [*line, "", ""]
    speed = ratio(ringdrop["runs"], row["runs"], "req_s") or ratio(ringdrop["runs"], row["runs"], "gb_s")
    cpu = ratio(ringdrop["runs"], row["runs"], "cpu_us_req")
    return [*line, number("x {:.2f}", speed), number("x {:.2f}", cpu)]


def text(document):
    about = document["about"]
    lines = [["case", "work", "server", *(title for title, _, _ in COLUMNS), "ringdrop: speed", "its CPU"]]
    for row in document["rows"]:
        same_work = [one for one in document["rows"] if (one["case"], one["work"]) == (row["case"], row["work"])]
        lines.append(cells(row, next((one for one in same_work if one["server"] == "ringdrop"), None)))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    printed = [f"{about['date']}, Linux {about['kernel']}, {about['cores']} x {about['cpu']}, {about['commit']}, load "
               f"average {about['load_average']:.1f}, {about['command']}", ""]
    for line in lines:
        words = [word.ljust(width) if i < 3 else word.rjust(width) for i, (word, width) in enumerate(zip(line, widths))]
        printed.append("  ".join(words).rstrip())
    printed.append("")
    if about["quick"]:
        printed += ["--quick: too small and too short to judge by; that all of it works is what this shows", ""]
    for verdict in document["verdicts"]:
        value = f"{verdict['value']:.3g}{verdict['unit']}"
        printed.append(f"{'reached' if verdict['reached'] else 'MISSED ':8} {verdict['case']}: {verdict['what']}: {value}"
                       f" (bar {verdict['bar']})")
    return "\n".join(printed)


def markdown(document):
    """One line a bar."""
    about = document["about"]
    lines = [f"{about['date']}, Linux {about['kernel']}, {about['cores']} cores of {about['cpu']}, loopback, commit "
             f"{about['commit']}: `{about['command']}`", "", "| work | measured | bar |", "|---|---|---|"]
    for verdict in document["verdicts"]:
        missed = "" if verdict["reached"] else ", missed"
        lines.append(f"| `{verdict['case']}`: {verdict['what']} | {verdict['value']:.3g}{verdict['unit']} | "
                     f"{verdict['bar']}{missed} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
