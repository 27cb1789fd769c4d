#!/usr/bin/env python3
"""Compares platen-gateway's TUF client with python-tuf's on repositories that are changed at random.

    mutations.py GATEWAY COUNT [SEED]    GATEWAY: the program; COUNT: repositories, from SEED (0) on

One value of one served file is changed, and the file is signed again in half of the cases. Prints one JSON object per
repository: its seed, the change, both verdicts, and the difference if there is one.
"""

import json
import random
import sys

from clients import SERVER, Trial
from repository import signer

VALUES = [None, True, 0, 1, 2, -1, 99, "", "1", "x", "targets", "2020-01-01T00:00:00Z", [], ["*"], {}, {"a": 1}]


def nodes(value, path=()):
    """The paths of all members and items of a JSON value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from nodes(child, (*path, key))


def change(value, rng):
    """Changes one member or item; returns what was done."""
    path = rng.choice(list(nodes(value)))
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    key = path[-1]
    kind = rng.choice(["replace", "replace", "remove", "character", "add"])
    if kind == "remove":
        del parent[key]
    elif kind == "character" and isinstance(parent[key], str) and parent[key]:
        at = rng.randrange(len(parent[key]))
        parent[key] = parent[key][:at] + rng.choice("0aZ/.*\u00e9") + parent[key][at + 1:]
    elif kind == "add" and isinstance(parent, dict):
        parent["x-added"] = rng.choice(VALUES)
    else:
        kind = "replace"
        parent[key] = rng.choice(VALUES)
    return f"{kind} {'/'.join(str(key)[:12] for key in path)}"


def build(trial, rng):
    """A repository with a delegation, second versions of all roles, and stored first versions."""
    repository = trial.repository
    repository.add_target("targets", "top", b"top")
    repository.delegate("targets", "A", ["A/*"], key=signer(rng.choice(["ed25519", "ecdsa"])))
    repository.add_target("A", "A/file", b"A")
    repository.everything()
    if rng.random() < 0.5:
        trial.start()
        trial.ours.download("A/file")
        trial.theirs.download("A/file")
    repository.publish("root")
    repository.everything()
    return repository


def mutate(repository, rng):
    """Changes one file; those that state its hash or version follow if it is signed again."""
    role = rng.choice(["root", "timestamp", "snapshot", "targets", "A"])
    name = repository.current(role)
    if rng.random() < 0.15:
        data = bytearray(repository.served[name])
        at = rng.randrange(len(data))
        data[at] ^= 1 << rng.randrange(8)
        repository.served[name] = bytes(data)
        return f"{role}: bit of byte {at}"
    if rng.random() < 0.3:
        envelope = json.loads(repository.served[name])
        what = change(envelope, rng)
        repository.served[name] = json.dumps(envelope).encode()
        return f"{role}: {what}"
    done = []
    repository.edit(role, lambda signed: done.append(change(signed, rng)))
    above = {"A": ["snapshot", "timestamp"], "targets": ["snapshot", "timestamp"], "snapshot": ["timestamp"]}
    repository.publish(*above.get(role, []), bump=False)
    return f"{role}, signed again: {done[0]}"


def main():
    gateway, count, first = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0
    for seed in range(first, first + count):
        rng = random.Random(seed)
        trial = Trial(gateway, hashes=rng.random() < 0.5)
        repository = build(trial, rng)
        if trial.ours is None:
            trial.start()
        what = mutate(repository, rng)
        result = {"seed": seed, "change": what, "ours": [], "theirs": [], "why": []}
        for target in ("top", "A/file"):
            for name, client in (("theirs", trial.theirs), ("ours", trial.ours)):
                SERVER.requests.clear()
                result[name].append(client.download(target))
            result["why"].append([trial.theirs.why, trial.ours.why])
        print(json.dumps(result), flush=True)
        trial.folder.cleanup()


if __name__ == "__main__":
    main()
