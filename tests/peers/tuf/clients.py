"""Two clients with folders of their own: platen-gateway's, and python-tuf's."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from tuf.ngclient import Updater

from repository import Repository, Server

SERVER = Server()


class Ours:
    """`platen-gateway tuf`."""

    def __init__(self, gateway, dir, root):
        self.gateway, self.dir = gateway, dir
        self.metadata, self.targets = dir / "metadata", dir / "targets"
        self.why = ""
        (dir / "trusted.json").write_bytes(root)
        self.initialised = self.run("init", dir / "trusted.json")

    def run(self, *verb, names=()):
        command = [self.gateway, "tuf", "--metadata-dir", self.metadata, "--metadata-url", f"{SERVER.url}/metadata"]
        for name in names:
            command += ["--target-name", name]
        command += ["--target-base-url", f"{SERVER.url}/targets", "--target-dir", self.targets, *verb]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.why = done.stderr.strip()
        if done.returncode not in (0, 1):
            raise AssertionError(f"exit status {done.returncode}: {self.why}")
        return done.returncode == 0

    def refresh(self):
        return self.run("refresh")

    def download(self, name):
        return self.run("download", names=[name])


class Theirs:
    """python-tuf's `Updater`, a new one for each step, as a command would make it."""

    def __init__(self, dir, root):
        self.dir, self.root, self.why = dir, root, ""
        self.metadata, self.targets = dir / "metadata", dir / "targets"
        self.metadata.mkdir()
        self.targets.mkdir()

    def step(self, act):
        try:
            updater = Updater(
                str(self.metadata), f"{SERVER.url}/metadata", str(self.targets), f"{SERVER.url}/targets",
                bootstrap=self.root,
            )
            self.root = None
            updater.refresh()
            act(updater)
        except Exception as error:  # python-tuf has no common base of all that a file can cause.
            self.why = f"{type(error).__name__}: {error}"
            return False
        self.why = ""
        return True

    def refresh(self):
        return self.step(lambda updater: None)

    def download(self, name):
        def act(updater):
            info = updater.get_targetinfo(name)
            if info is None:
                raise ValueError("no such target")
            if updater.find_cached_target(info) is None:
                updater.download_target(info)

        return self.step(act)


def contents(dir):
    """Files of a folder by name."""
    files = [name for name in os.listdir(dir)] if dir.exists() else []
    return {name: (dir / name).read_bytes() for name in files if (dir / name).is_file()}


class Difference(AssertionError):
    """The clients disagree, or both disagree with what is expected."""


class Trial:
    """One scenario: a repository, and both clients, which trust its first root."""

    def __init__(self, gateway, **options):
        self.gateway = gateway
        self.folder = tempfile.TemporaryDirectory()
        self.steps = 0
        self.refusals = []
        self.repository = SERVER.repository = Repository(**options)
        self.root = self.repository.served["1.root.json"]
        self.ours = self.theirs = None

    def start(self, root=None):
        """Makes the clients; neither requests anything."""
        dir = Path(self.folder.name)
        for name in ("ours", "theirs"):
            (dir / name).mkdir()
        SERVER.requests.clear()
        self.ours = Ours(self.gateway, dir / "ours", root or self.root)
        self.theirs = Theirs(dir / "theirs", root or self.root)
        if SERVER.requests:
            raise Difference(f"init requested {SERVER.requests}")

    def both(self, name, act, expected, ours, same_requests, same_files):
        if self.ours is None:
            self.start()
        self.steps += 1
        verdicts, requests = [], []
        for client in (self.theirs, self.ours):
            SERVER.requests.clear()
            verdicts.append(act(client))
            requests.append(list(SERVER.requests))
        found = f"step {self.steps} ({name}): python-tuf {verdicts[0]} ({self.theirs.why}), "
        found += f"ours {verdicts[1]} ({self.ours.why})"
        if verdicts != [expected, expected if ours is None else ours]:
            raise Difference(found)
        if same_requests and requests[0] != requests[1]:
            raise Difference(f"{found}: requests {requests[0]} and {requests[1]}")
        if same_files:
            for folder in ("metadata", "targets"):
                a, b = contents(getattr(self.theirs, folder)), contents(getattr(self.ours, folder))
                if a != b:
                    raise Difference(f"{found}: {folder}: {sorted(a)} and {sorted(b)}, or their contents")
        if not verdicts[1]:
            self.refusals.append(self.ours.why)
        return requests[1]

    def refresh(self, expected=True, ours=None, same_requests=True, same_files=True):
        """Refreshes both; `ours` if our verdict is meant to differ. Returns our requests."""
        return self.both("refresh", lambda client: client.refresh(), expected, ours, same_requests, same_files)

    def download(self, target, expected=True, ours=None, same_requests=True, same_files=True):
        """Downloads with both."""
        name = f"download {target}"
        return self.both(name, lambda client: client.download(target), expected, ours, same_requests, same_files)

    def stored(self, role):
        """The version of our stored file."""
        path = self.ours.metadata / f"{role}.json"
        return json.loads(path.read_bytes())["signed"]["version"] if path.exists() else None
