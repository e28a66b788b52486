#!/usr/bin/env python3
"""Draws the results of tests/bench/run.sh for the README, as SVG that can be read on a light and on a dark page:

    python3 tests/bench/picture.py bench.json > bench.svg             ringdrop and its peers, a bar each
    python3 tests/bench/picture.py --memory bench.json > memory.svg   resident memory during the large transfers
"""

import argparse
import json
import sys
import textwrap
from pathlib import Path
from xml.sax.saxutils import escape

from measure import median

# What is shown: the case, how its work begins, the number, its title, how it is printed, whether less is better.
PANELS = (
    ("upload_large", "1 x", "gb_s", "Upload of one large file", "{:.2f} GB/s", False),
    ("upload_large", "1 x", "cpu_s_gb", "CPU time for it", "{:.2f} s/GB", True),
    ("upload_large", "8 x", "gb_s", "Eight large uploads at a time", "{:.2f} GB/s", False),
    ("upload_small", "64", "req_s", "Uploads of 4 KiB, 64 connections", "{:,.0f}/s", False),
    ("download_small", "64 connections, 4 KiB", "cpu_us_req", "CPU time for a download of 4 KiB", "{:.1f} us", True),
    ("download_small", "64 connections, 64 KiB", "cpu_us_req", "CPU time for a download of 64 KiB", "{:.1f} us", True),
    ("download_large", "1 conn", "gb_s", "Download of one large file", "{:.2f} GB/s", False),
    ("download_large", "1 conn", "cpu_s_gb", "CPU time for it", "{:.2f} s/GB", True),
)
SHOWN = ("ringdrop", "nginx", "asyncio")  # in this order
REMARKS = {"upload_large": {"ringdrop": "durable", "nginx": "page cache", "asyncio": "page cache"}}
REMARKS["upload_small"] = REMARKS["upload_large"]

WIDTH, COLUMN, MARGIN = 840, 400, 16
BAR, GAP, TITLE = 18, 6, 26
NAME, VALUE = 72, 96  # room for what stands before and behind a bar

STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.note { font-size: 11px; fill: #57606a }
.peer { fill: #afb8c1 }
.own { fill: #0969da }
.line { fill: none; stroke-width: 2 }
.axis { stroke: #d0d7de; stroke-width: 1 }
.s0 { stroke: #0969da } .s1 { stroke: #bc4c00 }
.k0 { fill: #0969da } .k1 { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note { fill: #9198a1 }
  .peer { fill: #57606a }
  .own { fill: #4493f8 }
  .axis { stroke: #3d444d }
  .s0 { stroke: #4493f8 } .s1 { stroke: #db6d28 }
  .k0 { fill: #4493f8 } .k1 { fill: #db6d28 }
}
</style>"""


def svg(height, title, parts):
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
                      f'height="{height}" role="img" aria-label="{escape(title)}">', STYLE, *parts, "</svg>", ""])


def words(x, y, text, kind="", anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def panel(document, case, work, key, form):
    """(server, value, how it is printed) of each that was measured."""
    values = []
    for name in SHOWN:
        runs = [row["runs"] for row in document["rows"]
                if row["case"] == case and row["work"].startswith(work) and row["server"] == name]
        value = median(runs[0], key) if runs else None
        if value:
            remark = REMARKS.get(case, {}).get(name)
            values.append((name, value, form.format(value) + (f", {remark}" if remark and key != "cpu_s_gb" else "")))
    return values


def about(document):
    facts = document["about"]
    return (f"{facts['date']}, Linux {facts['kernel']}, {facts['cores']} cores of {facts['cpu']}, loopback; "
            f"{textwrap.shorten(facts['command'], 60, placeholder=' ...')}")


def bars(document):
    parts, tops = [], [MARGIN, MARGIN]
    shown = [(title + (" (less is better)" if less else ""), panel(document, case, work, key, form))
             for case, work, key, title, form, less in PANELS]
    for number, (title, values) in enumerate((title, values) for title, values in shown if values):
        x, y = MARGIN + COLUMN * (number % 2) + 8 * (number % 2), tops[number % 2]
        parts.append(words(x, y + 13, title, "title"))
        y += TITLE
        most = max(value for _, value, _ in values)
        for name, value, text in values:
            length = max(1.0, value / most * (COLUMN - NAME - VALUE - 70))
            parts.append(words(x + NAME - 8, y + 13, name, "", "end"))
            parts.append(f'<rect x="{x + NAME}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" '
                         f'class="{"own" if name == "ringdrop" else "peer"}"/>')
            parts.append(words(x + NAME + length + 6, y + 13, text))
            y += BAR + GAP
        tops[number % 2] = y + 14
    bottom = max(tops) + 8
    parts.append(words(MARGIN, bottom, about(document), "note"))
    return svg(bottom + 12, "ringdrop beside nginx and an asyncio server", parts)


def memory(document):
    """RSS over time of the two largest transfers of the case `memory`."""
    series = {name: samples for name, samples in document["series"].items() if not name.endswith(" 40 MiB") and samples}
    left, top, height = 64, 40, 180
    width = WIDTH - left - MARGIN
    end = max((samples[-1][0] for samples in series.values()), default=0) or 1
    most = 16 * (1 + max((size for samples in series.values() for _, size in samples), default=0) // (16 << 20))
    parts = [words(MARGIN, 21, "Resident memory of the server during one transfer, sampled each second", "title")]
    for mark in range(5):
        y = top + height - height * mark / 4
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}" class="axis"/>')
        parts.append(words(left - 8, y + 4, f"{most * mark / 4:g} MiB", "note", "end"))
    for number, (name, samples) in enumerate(series.items()):
        points = " ".join(f"{left + width * at / end:.1f},{top + height * (1 - size / (most << 20)):.1f}"
                          for at, size in samples)
        parts.append(f'<polyline points="{points}" class="line s{number % 2}"/>')
        parts.append(f'<rect x="{left + 170 * number}" y="{top + height + 14}" width="10" height="10" '
                     f'class="k{number % 2}"/>')
        parts.append(words(left + 16 + 170 * number, top + height + 23, name))
    parts.append(words(left + width, top + height + 23, f"{end:.0f} s", "note", "end"))
    parts.append(words(MARGIN, top + height + 46, about(document), "note"))
    return svg(top + height + 58, "resident memory during large transfers", parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("results", type=Path)
    options = parser.parse_args()
    document = json.loads(options.results.read_text("utf-8"))
    sys.stdout.write(memory(document) if options.memory else bars(document))


if __name__ == "__main__":
    main()
