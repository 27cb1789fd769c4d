#!/usr/bin/env python3
"""Compares platen-gateway's TUF client with python-tuf's, on good repositories and on bad ones.

    scenarios.py GATEWAY [NAME]...    GATEWAY: the program; NAME: parts of names of scenarios, all by default

Prints one JSON object per scenario: its name, its steps, how our client explained its refusals, and the difference if
there is one. Both clients must give the expected verdict, make the same requests and store the same files, except
where a scenario says how and why they differ.
"""

import json
import sys

import keys  # noqa: F401
import malformed  # noqa: F401
import refreshing  # noqa: F401
import targets  # noqa: F401
from registry import SCENARIOS


def main():
    gateway, *names = sys.argv[1:]
    failed = False
    for name, make in SCENARIOS.items():
        if names and not any(wanted in name for wanted in names):
            continue
        trial, run = make(gateway)
        result = {"scenario": name}
        try:
            run(trial)
        except AssertionError as problem:
            failed = True
            result["difference"] = str(problem) or repr(problem)
        result |= {"steps": trial.steps, "refusals": trial.refusals}
        print(json.dumps(result), flush=True)
        trial.folder.cleanup()
    sys.exit(failed)


if __name__ == "__main__":
    main()
