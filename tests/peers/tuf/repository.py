"""A TUF repository in memory, made and signed by python-tuf, served over HTTP."""

import json
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole, Delegations, Metadata, MetaFile, Root, Snapshot, SuccinctRoles, TargetFile, Targets, Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

NOW = datetime.now(timezone.utc).replace(microsecond=0)
LATER = NOW + timedelta(days=30)
PAST = NOW - timedelta(days=1)
TOP = ("root", "timestamp", "snapshot", "targets")


def signer(kind="ed25519"):
    """A new key pair."""
    return getattr(CryptoSigner, f"generate_{kind}")()


class Repository:
    """Roles as objects in `md`; `publish` signs them, and what was signed is served by version."""

    def __init__(self, hashes=False, consistent=True):
        self.hashes = hashes
        self.md = {
            "root": Metadata(Root(expires=LATER, consistent_snapshot=consistent)),
            "timestamp": Metadata(Timestamp(expires=LATER)),
            "snapshot": Metadata(Snapshot(expires=LATER)),
            "targets": Metadata(Targets(expires=LATER)),
        }
        self.signers = {}
        self.served = {}  # metadata by file name
        self.files = {}  # content of targets by path
        self.wanted = {}  # served content of targets by URL path
        for role in TOP:
            self.add_key(role, signer())
        self.publish("targets", "snapshot", "timestamp", "root", bump=False)

    def __getattr__(self, role):
        if role in ("root", "timestamp", "snapshot", "targets"):
            return self.md[role].signed
        raise AttributeError(role)

    def signed(self, role):
        return self.md[role].signed

    def add_key(self, role, key):
        """A key of a top-level role, which also signs from now on."""
        self.root.add_key(key.public_key, role)
        self.signers.setdefault(role, []).append(key)

    def rotate(self, role):
        """Replaces all keys of a top-level role."""
        for key in self.signers[role]:
            self.root.revoke_key(key.public_key.keyid, role)
        self.signers[role] = []
        self.add_key(role, signer())

    def delegate(self, delegator, name, paths=None, terminating=False, prefixes=None, expires=LATER, key=None):
        """Delegates to a role, with a new key unless one is given."""
        key = key or signer()
        parent = self.signed(delegator)
        if parent.delegations is None:
            parent.delegations = Delegations({}, {})
        role = DelegatedRole(name, [key.public_key.keyid], 1, terminating, paths, prefixes)
        parent.delegations.roles[name] = role
        parent.delegations.keys[key.public_key.keyid] = key.public_key
        self.signers.setdefault(name, []).append(key)
        if name not in self.md:
            self.md[name] = Metadata(Targets(expires=expires))
        return key

    def bins(self, bits, prefix):
        """Delegates to hash bins."""
        key = signer()
        self.targets.delegations = Delegations(
            {key.public_key.keyid: key.public_key}, None, SuccinctRoles([key.public_key.keyid], 1, bits, prefix)
        )
        for name in self.targets.delegations.succinct_roles.get_roles():
            self.md[name] = Metadata(Targets(expires=LATER))
            self.signers[name] = [key]

    def add_target(self, role, path, content, algorithms=None):
        """A target of a role; served at its path and with its hash before its name."""
        file = TargetFile.from_data(path, content, algorithms)
        self.signed(role).targets[path] = file
        self.files[path] = content
        for url in [path, *file.get_prefixed_paths()]:
            self.wanted[url] = content

    def publish(self, *roles, bump=True, signers=None):
        """Signs roles in this order; versions and hashes that others state about them follow."""
        for role in roles:
            md = self.md[role]
            if bump and self.file_name(role, md.signed.version) in self.served:
                md.signed.version += 1
            md.signatures.clear()
            for key in self.signers.get(role, []) if signers is None else signers:
                md.sign(key, append=True)
            self.serve(role, md.to_bytes(JSONSerializer(compact=True)))

    def everything(self):
        """Publishes all targets roles, snapshot and timestamp."""
        delegated = [role for role in self.md if role not in TOP]
        self.publish(*delegated, "targets", "snapshot", "timestamp")

    def serve(self, role, data, version=None):
        """Serves bytes as a role, and states them in the role above."""
        version = version or self.md[role].signed.version
        self.served[self.file_name(role, version)] = data
        meta = MetaFile(version)
        if self.hashes:
            meta = MetaFile.from_data(version, data, ["sha256"])
        if role == "snapshot":
            self.timestamp.snapshot_meta = meta
        elif role not in ("root", "timestamp"):
            self.snapshot.meta[f"{role}.json"] = meta

    def current(self, role):
        """The name of the served file of a role."""
        return self.file_name(role, self.md[role].signed.version)

    def file_name(self, role, version):
        name = f"{quote(role, '')}.json"
        versioned = role == "root" or (self.root.consistent_snapshot and role != "timestamp")
        return f"{version}.{name}" if versioned else name

    def edit(self, role, change, keys=None):
        """Changes the signed part of the served file as JSON, and signs it again with the role's keys (or `keys`)."""
        name = self.current(role)
        envelope = json.loads(self.served[name])
        change(envelope["signed"])
        message = encode_canonical(envelope["signed"]).encode()
        keys = self.signers[role] if keys is None else keys
        envelope["signatures"] = [key.sign(message).to_dict() for key in keys]
        self.serve(role, json.dumps(envelope).encode())


class Server:
    """Serves one repository at a time, and lists the requests."""

    def __init__(self):
        self.repository = None
        self.requests = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                kind, _, path = self.path.lstrip("/").partition("/")
                server.requests.append((kind, path))
                repository = server.repository
                data = repository.served.get(path) if kind == "metadata" else repository.wanted.get(unquote(path))
                self.send_response(404 if data is None else 200)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"
