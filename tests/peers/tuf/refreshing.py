"""Scenarios: refreshes, expiry, rollback and recovery."""

import json

from tuf.api.metadata import MetaFile

from registry import said, scenario
from repository import LATER, PAST, TOP, signer


@scenario()
def refresh_and_refresh_again(t):
    requests = t.refresh()
    assert requests == [("metadata", name) for name in
                        ("2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json")], requests
    assert t.refresh() == [("metadata", "2.root.json"), ("metadata", "timestamp.json")]
    t.repository.everything()
    t.refresh()


@scenario(consistent=False)
def without_consistent_snapshots(t):
    t.repository.add_target("targets", "a/b.bin", b"content")
    t.repository.everything()
    t.refresh()
    t.download("a/b.bin")
    t.repository.everything()
    t.refresh()


@scenario(hashes=True)
def with_hashes_of_metadata(t):
    t.repository.add_target("targets", "a", b"content")
    t.repository.everything()
    t.download("a")
    t.repository.publish("targets")
    t.repository.snapshot.meta["targets.json"].hashes["sha256"] = "0" * 64
    t.repository.publish("snapshot", "timestamp")
    t.refresh(False)
    said(t, "hash")


@scenario()
def download_before_any_refresh(t):
    t.download("absent", False)
    said(t, "no target")


@scenario(cases=["version", "expires", "keys", "roles", "_type", "spec_version", "signatures"])
def initial_root_is_incomplete(t, field):
    root = json.loads(t.root)
    root.pop(field, None) if field == "signatures" else root["signed"].pop(field)
    t.start(json.dumps(root).encode())
    assert not t.ours.initialised
    assert t.refresh(False, same_files=False) == []


@scenario()
def initial_root_is_not_signed(t):
    root = json.loads(t.root)
    root["signatures"][0]["sig"] = "00" * 64
    t.start(json.dumps(root).encode())
    assert t.refresh(False, same_files=False) == []


@scenario(cases=list(TOP))
def a_role_is_not_signed(t, role):
    t.repository.everything()
    t.repository.publish("root")
    served = t.repository.current(role)
    envelope = json.loads(t.repository.served[served])
    envelope["signatures"] = []
    t.repository.served[served] = json.dumps(envelope).encode()
    t.refresh(False)
    said(t, "threshold not reached")


@scenario(cases=["timestamp", "snapshot", "targets"])
def a_role_is_missing(t, role):
    t.refresh()
    t.repository.everything()
    del t.repository.served[t.repository.current(role)]
    t.refresh(False)
    said(t, "does not have")


@scenario(cases=["root", "snapshot", "targets"])
def a_version_is_not_that_of_the_file_name(t, role):
    repository = t.repository
    repository.everything()
    repository.publish("root")
    repository.signed(role).version += 1
    repository.publish(role, bump=False)
    wrong = repository.served.pop(repository.current(role))
    repository.signed(role).version -= 1
    repository.serve(role, wrong)
    if role != "root":
        repository.publish("snapshot" if role == "targets" else "timestamp", "timestamp")
    t.refresh(False)


@scenario()
def timestamp_changes_without_a_new_version(t):
    t.refresh()
    t.repository.timestamp.snapshot_meta.version = 100
    t.repository.publish("timestamp", bump=False)
    assert t.refresh()[-1] == ("metadata", "timestamp.json")


@scenario()
def bytes_are_stored_as_received(t):
    t.repository.served["timestamp.json"] += b" \n"
    t.refresh()


@scenario()
def unknown_fields(t):
    key = signer("ecdsa")
    key.public_key.unrecognized_fields["extra"] = {"b": [None, True, -1], "a": "\u00e9 e\u0301 \" \\ /"}
    t.repository.add_key("root", key)
    t.repository.root.unrecognized_fields["x!"] = {"a!": 1, "a": 2, "a b": "\n"}
    t.repository.root.roles["root"].unrecognized_fields["x"] = []
    t.repository.publish("root")
    t.refresh()
    assert t.stored("root") == 2


@scenario()
def a_snapshot_in_the_place_of_a_timestamp(t):
    t.repository.snapshot.meta = {"snapshot.json": MetaFile(1)}
    t.repository.publish("snapshot", bump=False, signers=t.repository.signers["timestamp"])
    t.repository.served["timestamp.json"] = t.repository.served.pop("1.snapshot.json")
    t.refresh(False)
    said(t, "type")


@scenario(cases=[("root", 512_000), ("timestamp", 16_384), ("snapshot", 2_000_000), ("targets", 5_000_000)])
def sizes_are_limited(t, role, limit):
    t.repository.publish("root")
    name = t.repository.current(role)
    data = t.repository.served[name]
    t.repository.served[name] = data + b" " * (limit + 1 - len(data))
    t.refresh(False)
    said(t, f"larger than {limit} bytes")
    t.repository.served[name] = data + b" " * (limit - len(data))
    t.refresh()


@scenario()
def more_roots_than_one_refresh_follows(t):
    for _ in range(258):
        t.repository.publish("root")
    t.refresh()
    assert t.stored("root") == 257
    t.refresh()
    assert t.stored("root") == 259


@scenario(cases=["timestamp", "snapshot", "targets"])
def stored_files_are_damaged(t, role):
    t.refresh()
    for damage in (b"", b"{", b"\xff", b"[]", b"{\"signatures\": [], \"signed\": {}}"):
        for client in (t.ours, t.theirs):
            (client.metadata / f"{role}.json").write_bytes(damage)
        t.refresh()


@scenario()
def the_stored_root_is_damaged(t):
    t.refresh()
    for client in (t.ours, t.theirs):
        path = client.metadata / "root.json"
        data = path.read_bytes().replace(b'"version":1', b'"version":7')
        path.unlink()
        path.write_bytes(data)
    assert t.refresh(False, same_files=False) == []


@scenario(cases=list(TOP))
def a_role_has_expired(t, role):
    t.refresh()
    t.repository.signed(role).expires = PAST
    t.repository.everything()
    t.repository.publish("root")
    t.refresh(False)
    said(t, "freeze" if role == "timestamp" else "expired")


@scenario()
def an_expired_root_before_a_current_one(t):
    t.repository.root.expires = PAST
    t.repository.publish("root")
    t.repository.root.expires = LATER
    t.repository.publish("root")
    t.refresh()
    assert t.stored("root") == 3


@scenario(cases=[("timestamp", False), ("snapshot", False), ("snapshot", True), ("targets", False), ("targets", True)])
def a_role_goes_back(t, role, hashes):
    t.repository.hashes = hashes
    for _ in range(3):
        t.repository.everything()
    t.refresh()
    t.repository.signed(role).version = 2
    t.repository.publish(role, bump=False)
    if role == "targets":
        t.repository.publish("snapshot", "timestamp")
    elif role == "snapshot":
        t.repository.publish("timestamp")
    t.refresh(False)
    said(t, "rollback")


@scenario()
def a_delegated_role_leaves_the_snapshot(t):
    t.repository.delegate("targets", "a", ["*"])
    t.repository.everything()
    t.refresh()
    del t.repository.snapshot.meta["a.json"]
    t.repository.publish("snapshot", "timestamp")
    t.refresh(False)
    said(t, "no longer lists")


@scenario(cases=[("timestamp",), ("snapshot", "timestamp"), ("snapshot",)])
def recovery_from_fast_forward(t, *rotated):
    repository = t.repository
    if "timestamp" in rotated:
        repository.timestamp.version = 99999
    if "snapshot" in rotated:
        repository.targets.version = 88888
        if "timestamp" in rotated:
            repository.snapshot.version = 77777
    repository.publish("targets", "snapshot", "timestamp", bump=False)
    t.refresh()
    for role in rotated:
        repository.rotate(role)
    if "timestamp" in rotated:
        repository.timestamp.version = 1
    if "snapshot" in rotated:
        repository.targets.version = 1
        if "timestamp" in rotated:
            repository.snapshot.version = 1
    repository.publish("root")
    repository.publish("targets", bump=False)
    repository.publish("snapshot", bump="timestamp" not in rotated)
    repository.publish("timestamp", bump="timestamp" not in rotated)
    # Ours removes the stored snapshot with the timestamp (TUF 5.3.11), and requests it again.
    t.refresh(same_requests=False)
    assert t.stored("targets") == repository.targets.version
