#!/usr/bin/env python3
"""Runs all end-to-end tests against a built server: run.py --ringdrop PATH [--echo PATH] [-k name]. See harness.py."""

import importlib
from pathlib import Path

import harness


def load_tests(loader, _tests, _pattern):
    """All *_test.py beside this file. They import the same harness, so its options hold for all."""
    suite = loader.suiteClass()
    for path in sorted(Path(__file__).parent.glob("*_test.py")):
        suite.addTests(loader.loadTestsFromModule(importlib.import_module(path.stem)))
    return suite


if __name__ == "__main__":
    harness.main()
