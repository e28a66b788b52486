#!/usr/bin/env python3
"""What must stay true of the checkout as a whole and no compiler looks at: who includes whom, where third parties'
headers are, how long files get, what is never called. Prints FILE:LINE: what is wrong, and exits 1.

    python3 tests/repository_test.py            the checkout that this file is in
    python3 tests/repository_test.py ROOT       another one
"""

import os
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

# A room and the rooms it may include, besides itself. The longest matching folder is the room of a file.
ROOMS = {
    "base": set(),
    "io": {"base"},
    "proto": {"base"},
    "server/http": {"proto", "io", "base"},
    "storage": {"io", "base"},
    "db": {"io", "base"},
    "client": {"proto", "io", "base"},
    "server": {"server/http", "proto", "storage", "db", "io", "base"},
}
MAIN = "server/main.cc"  # alone includes server and client

# A third party's header, by the beginning of its name, and the files that may see it.
THIRD_PARTIES = {
    "liburing": {"io/uring_ring.cc", "io/uring_probe.cc"},
    "llhttp": {"proto/http_parser.cc"},
    "sqlite3": {"db/sqlite.cc", "db/vfs_layer.cc", "tests/"},
    "nlohmann/": {"proto/api_json.cc"},
    "toml++/": {"server/config.cc"},
    "CLI/": {"server/cli.cc", "tests/bench/load/main.cc"},
    "openssl/": {"proto/digest.cc", "io/tls.cc", "db/token_cipher.cc"},
    "spdlog/": {"io/log.cc"},
    "wslay/": {"proto/websocket.cc"},
}

MAX_LINES = 400  # a file that nears it holds two ideas
# Numbers are parsed by std::from_chars to the last character; time is the ring's, so that it can be simulated.
FORBIDDEN_CALL = re.compile(r"\b(strto(?:u?ll?|[dfl]|[iu]max)|ato(?:i|ll?|f)|v?sscanf|sleep_for|sleep_until|u?sleep|nanosleep)\s*\(")
# Paths of the machine where somebody worked; not "/../root" or "host/work", which are paths of something else.
MACHINE_PATH = re.compile(r"(?<![\w./}-])/(?:work|root)(?=/|[\s\"'`,;:)]|$)")
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')

problems = []


def problem(file, line, text):
    problems.append(f"{file}:{line}: {text}")


def tracked_files(root):
    """What git tracks or would track, relative to root. safe.directory: CI may not own the checkout."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, check=False)
    if listed.returncode == 0:
        names = [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    else:  # an unpacked archive
        skipped = {".git", "build", "data"}
        names = [str(path.relative_to(root)) for path in root.rglob("*")
                 if path.is_file() and path.relative_to(root).parts[0] not in skipped]
    return sorted(name for name in set(names) if (root / name).is_file() and not (root / name).is_symlink())


def room_of(path):
    fitting = [room for room in ROOMS if path.startswith(room + "/")]
    return max(fitting, key=len, default=None)


def without_comments(lines):
    """Lines with // and /* */ taken out. Strings are left: a URL in one hides the rest of its line, no more."""
    in_block = False
    for line in lines:
        kept = ""
        while line:
            if in_block:
                _, end, line = line.partition("*/")
                in_block = not end
                continue
            start = re.search(r"//|/\*", line)
            if start is None:
                kept += line
                break
            kept += line[:start.start()]
            if start.group() == "//":
                break
            in_block, line = True, line[start.end():]
        yield kept


def check_include(file, number, mark, header):
    for prefix, allowed in THIRD_PARTIES.items():
        if header.startswith(prefix) and not any(file == a or (a.endswith("/") and file.startswith(a)) for a in allowed):
            problem(file, number, f"<{header}> belongs into {' or '.join(sorted(allowed))} alone")
    room = room_of(file)
    if room is None or mark == "<":
        return
    included = room_of(header)
    if included is None:
        problem(file, number, f'"{header}" is in no room: name it from the root of the checkout, third parties in <>')
    elif included != room and included not in ROOMS[room] and not (file == MAIN and included == "client"):
        problem(file, number, f'{room} may not include {included} ("{header}")')


def check_source(file, lines):
    is_test = file.startswith("tests/")
    if not is_test and len(lines) > MAX_LINES:
        problem(file, len(lines), f"longer than {MAX_LINES} lines: it holds two ideas")
    for number, line in enumerate(without_comments(lines), 1):
        include = INCLUDE.match(line)
        if include:
            check_include(file, number, *include.groups())
        call = FORBIDDEN_CALL.search(line)
        if call and not is_test:
            problem(file, number, f"{call.group(1)} is not called here (CONTRIBUTING.md, style)")


def check_registered(root, file):
    """A test that no CMakeLists.txt above it names is never run. What tests/support holds, its neighbours name."""
    if file.startswith("tests/support/"):
        return
    for folder in PurePosixPath(file).parents:
        cmake = root / folder / "CMakeLists.txt"
        if not cmake.is_file():
            continue
        # Fuzz targets are made in a loop over their names, without the ending.
        name = re.escape(str(PurePosixPath(file).relative_to(folder)).removesuffix("_fuzz.cc"))
        text = re.sub(r"#.*", "", cmake.read_text(encoding="utf-8"))
        if re.search(rf"(?<![\w.-])(?<![\w.-]/){name}(?![\w.-])", text):
            return
    problem(file, 1, "no CMakeLists.txt above names it: the test never runs")


REJECTION = re.compile(r'\b([1-5]\d\d),\s*"([a-z_]+)"')  # Rejection{400, "bad_request", ...}


def check_codes(root, sources):
    """Every code that a client may be refused with stands in the README's table, with its status."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if line.startswith("| `")]
    for file in sources:
        if not file.startswith(("server/", "proto/")):
            continue
        for status, code in REJECTION.findall((root / file).read_text(encoding="utf-8")):
            if not any(f"`{code}`" in row and f"| {status} |" in row for row in rows):
                problem(file, 1, f"README.md does not explain the code {code} ({status})")


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    files = tracked_files(root)
    sources = [file for file in files if file.endswith((".cc", ".h"))]
    if not sources:
        sys.exit(f"repository_test: no sources under {root}")
    for file in files:
        try:
            lines = (root / file).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # a picture, a corpus of the fuzzers
        for number, line in enumerate(lines, 1):
            path = MACHINE_PATH.search(line)
            if path:
                problem(file, number, f"{path.group()} is a path of one machine")
        if file in sources:
            check_source(file, lines)
            if file.startswith("tests/") and file.endswith(".cc"):
                check_registered(root, file)
    check_codes(root, sources)
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"repository_test: {len(sources)} sources, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
