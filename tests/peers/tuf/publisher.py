"""What platen-global-server publishes, read by python-tuf's own client and by platen-gateway's.

usage: publisher.py GATEWAY GLOBAL-SERVER; prints a JSON object for each step.
"""

import json
import subprocess
import sys
import tempfile
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tuf.ngclient import Updater

GATEWAY, PUBLISHER = sys.argv[1:3]


class Files(BaseHTTPRequestHandler):
    """The repository's folder as a plain web server delivers it."""

    def __init__(self, repository, *arguments):
        self.repository = repository
        super().__init__(*arguments)

    def do_GET(self):
        kind, _, path = self.path.lstrip("/").partition("/")
        name = path.rpartition("/")[2]
        # An image is stored under its hash, which is before the name of the target.
        file = self.repository / "metadata" / name if kind == "metadata" else self.repository / "images" / name.split(".")[0]
        if not file.is_file():
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(file.stat().st_size))
        self.end_headers()
        self.wfile.write(file.read_bytes())

    def log_message(self, *arguments):
        pass


class Publisher:
    def __init__(self, folder):
        self.folder, self.repository = folder, folder / "repository"
        self.number = 0

    def run(self, command, *arguments, at=True):
        place = ["--repository", self.repository] if at else []
        done = subprocess.run([PUBLISHER, "--json", command, *place, *arguments], capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def publish(self, vendor, version, *more):
        self.number += 1
        image = self.folder / "image.bin"
        image.write_bytes(bytes([self.number]) * (1000 + self.number))
        return self.run("publish", "--vendor", vendor, "--model", "A 1", "--version", version, *more, image)


class Clients:
    """Both clients trust the first root, and keep what they know from step to step."""

    def __init__(self, folder, url, root):
        self.url, self.root = url, root
        self.dirs = {name: folder / name for name in ("theirs", "ours")}
        for dir in self.dirs.values():
            (dir / "targets").mkdir(parents=True)
            (dir / "metadata").mkdir()
        self.ours("init", folder / "root.json")

    def ours(self, *verb, name=None):
        dir = self.dirs["ours"]
        command = [GATEWAY, "tuf", "--metadata-dir", dir / "metadata", "--metadata-url", f"{self.url}/metadata",
                   "--target-base-url", f"{self.url}/targets", "--target-dir", dir / "targets"]
        command += ["--target-name", name] if name else []
        done = subprocess.run([*command, *verb], capture_output=True, text=True, timeout=60)
        return None if done.returncode == 0 else done.stderr.strip()

    def theirs(self, name):
        dir = self.dirs["theirs"]
        try:
            updater = Updater(str(dir / "metadata"), f"{self.url}/metadata", str(dir / "targets"), f"{self.url}/targets",
                              bootstrap=self.root)
            updater.refresh()
            info = updater.get_targetinfo(name)
            if info is None:
                return "the repository has no target"
            updater.download_target(info)
        except Exception as error:  # python-tuf has no common base of all that a file can cause.
            return f"{type(error).__name__}: {error}"
        return None


def step(clients, what, name, expected=True):
    """Both download the target, or both refuse; with their reasons."""
    whys = {"theirs": clients.theirs(name), "ours": clients.ours("download", name=name)}
    files = [{file.name: file.read_bytes() for file in (dir / "metadata").glob("*.json") if file.name != "root.json"}
             for dir in clients.dirs.values()]
    agree = all((why is None) == expected for why in whys.values())
    print(json.dumps({"step": what, "target": name, "ok": agree and files[0] == files[1], **whys}), flush=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        publisher = Publisher(folder)
        publisher.run("init")
        root = (publisher.repository / "metadata/1.root.json").read_bytes()
        (folder / "root.json").write_bytes(root)
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, publisher.repository))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        clients = Clients(folder, f"http://127.0.0.1:{server.server_port}", root)
        tell(publisher, clients, folder)
        server.shutdown()


def tell(publisher, clients, folder):
    publisher.publish("sharp", "1.0")
    step(clients, "published", "sharp/A-1/1.0")
    step(clients, "not published", "sharp/A-1/1.1", expected=False)

    publisher.run("key", folder / "ricoh.pk8", at=False)
    delegated = publisher.run("delegate", "--maker", "ricoh", "--public-key", folder / "ricoh.pub")
    assert [lacks["role"] for lacks in delegated["missing"]] == ["ricoh"], delegated
    step(clients, "delegated, the maker has not signed", "ricoh/A-1/1.0", expected=False)
    step(clients, "other images are not affected", "sharp/A-1/1.0")
    published = publisher.publish("ricoh", "1.0", "--key", folder / "ricoh.pk8")
    assert published["role"] == "ricoh" and not published["missing"], published
    step(clients, "published by the maker", "ricoh/A-1/1.0")

    for role in ("timestamp", "snapshot", "targets", "root"):
        rotated = publisher.run("rotate", "--replace", role)
        assert not rotated["missing"], rotated
        step(clients, f"{role} key replaced", "ricoh/A-1/1.0")
    publisher.run("rotate")
    step(clients, "root with a later expiry", "sharp/A-1/1.0")

    # Two people sign the targets, each at another place.
    for name in ("alice", "bob"):
        publisher.run("key", folder / f"{name}.pk8", at=False)
    online = publisher.repository / "keys"
    publisher.run("rotate", "--add", f"targets={folder}/alice.pub", "--add", f"targets={folder}/bob.pub", "--threshold", "targets=2",
                  "--key", folder / "alice.pk8")
    step(clients, "two of three must sign", "sharp/A-1/1.0")
    pending = publisher.publish("sharp", "2.0")
    assert [(lacks["role"], lacks["more"]) for lacks in pending["missing"]] == [("targets", 1)], pending
    step(clients, "one has signed", "sharp/A-1/2.0", expected=False)
    away = folder / "targets.json"
    away.write_bytes((publisher.repository / "pending/targets.json").read_bytes())
    publisher.run("sign", "--key", folder / "bob.pk8", away, at=False)
    signed = publisher.run("sign", away)
    assert not signed["missing"], signed
    step(clients, "the second one has signed", "sharp/A-1/2.0")

    publisher.run("withdraw", "--vendor", "sharp", "--model", "A 1", "--version", "1.0", "--key", folder / "bob.pk8")
    step(clients, "withdrawn", "sharp/A-1/1.0", expected=False)
    step(clients, "the others remain", "sharp/A-1/2.0")
    publisher.run("withdraw", "--vendor", "ricoh", "--model", "A 1", "--version", "1.0", "--key", folder / "ricoh.pk8")
    step(clients, "withdrawn by the maker", "ricoh/A-1/1.0", expected=False)

    # The maker's key is replaced: until the new one signs, the maker's images can't be had.
    publisher.publish("ricoh", "3.0", "--key", folder / "ricoh.pk8")
    publisher.run("key", folder / "ricoh-2.pk8", at=False)
    publisher.run("delegate", "--maker", "ricoh", "--public-key", folder / "ricoh-2.pub", "--key", folder / "bob.pk8")
    step(clients, "the maker's key is replaced", "ricoh/A-1/3.0", expected=False)
    publisher.run("sign", "--key", folder / "ricoh-2.pk8")
    step(clients, "the maker's new key has signed", "ricoh/A-1/3.0")
    publisher.run("delegate", "--maker", "ricoh", "--end", "--key", folder / "bob.pk8")
    step(clients, "the delegation has ended", "ricoh/A-1/3.0", expected=False)

    publisher.run("refresh")
    assert online.is_dir()
    step(clients, "refreshed", "sharp/A-1/2.0")
    checked = publisher.run("check")
    print(json.dumps({"step": "check", "ok": checked["valid"], "problems": checked["problems"]}), flush=True)


main()
