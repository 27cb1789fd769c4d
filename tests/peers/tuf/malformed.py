"""Scenarios: metadata that is signed and malformed."""

from registry import scenario

EDITS = [
    ("root", lambda signed: signed.update(version=0)),
    ("root", lambda signed: signed.update(version="2")),
    ("root", lambda signed: signed.update(spec_version="2.0.0")),
    ("root", lambda signed: signed.update(expires="tomorrow")),
    ("root", lambda signed: signed["roles"].pop("snapshot")),
    ("root", lambda signed: signed["roles"]["snapshot"].update(threshold=0)),
    ("root", lambda signed: signed["roles"]["snapshot"].pop("keyids")),
    ("timestamp", lambda signed: signed.update(_type="snapshot")),
    ("timestamp", lambda signed: signed.update(meta={})),
    ("timestamp", lambda signed: signed["meta"]["snapshot.json"].update(version=0)),
    ("timestamp", lambda signed: signed["meta"]["snapshot.json"].update(hashes={})),
    ("timestamp", lambda signed: signed["meta"]["snapshot.json"].update(length=-1)),
    ("timestamp", lambda signed: signed["meta"]["snapshot.json"].update(length=3)),
    ("snapshot", lambda signed: signed.pop("meta")),
    ("snapshot", lambda signed: signed.update(meta={})),
    ("snapshot", lambda signed: signed["meta"].update({"a.json": {}})),
    ("targets", lambda signed: signed.pop("targets")),
    ("targets", lambda signed: signed["targets"].update({"a": {"length": 1, "hashes": {}}})),
    ("targets", lambda signed: signed["targets"].update({"a": {"length": 1}})),
    ("targets", lambda signed: signed.update(delegations={"keys": {}})),
    ("targets", lambda signed: signed.update(delegations={"keys": {}, "roles": [
        {"name": "root", "keyids": [], "threshold": 1, "terminating": False, "paths": []}]})),
    ("targets", lambda signed: signed.update(delegations={"keys": {}, "roles": [
        {"name": "a", "keyids": [], "threshold": 1, "terminating": False}]})),
    ("targets", lambda signed: signed.update(delegations={"keys": {}, "roles": [
        {"name": "a", "keyids": [], "threshold": 1, "terminating": False, "paths": []}] * 2})),
]


@scenario(cases=list(range(len(EDITS))))
def signed_but_malformed(t, number):
    role, change = EDITS[number]
    t.refresh()
    t.repository.publish("root")
    t.repository.everything()
    t.repository.edit(role, change)
    if role == "targets":
        t.repository.publish("snapshot", "timestamp", bump=False)
    if role == "snapshot":
        t.repository.publish("timestamp", bump=False)
    t.refresh(False)
