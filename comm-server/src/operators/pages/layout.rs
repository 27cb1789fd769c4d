//! The frame of every page: navigation, user, and a message about a completed action.

use super::icon::Icon;
use super::static_files::{ASSETS, Assets};
use crate::operators::caller::Caller;
use comm_server_core::roles::{Permission, Role};

/// The surroundings of a page.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) assets: &'static Assets,
    pub(super) user: String,
    pub(super) role: &'static str,
    pub(super) csrf: String,
    pub(super) done: Option<Done>,
    section: &'static str,
    may: Role,
}

/// A message about a completed action.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) text: String,
    pub(super) link: Option<Link>,
}

/// A link to the result.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) href: String,
    pub(super) title: &'static str,
}

impl Done {
    /// A text, and a link behind it.
    pub(super) fn with_link(text: String, href: String, title: &'static str) -> Self {
        Self { text, link: Some(Link { href, title }) }
    }
}

/// An item of the navigation.
pub(super) struct Entry {
    pub(super) href: &'static str,
    pub(super) title: &'static str,
    pub(super) icon: Icon,
    pub(super) here: bool,
}

/// Path, title, icon, required permission.
const ENTRIES: [(&str, &str, Icon, Permission); 13] = [
    ("/dealers", "Dealers", Icon::Customer, Permission::ManageDealers),
    ("/", "Fleet", Icon::Fleet, Permission::SeeFleet),
    ("/customers", "Customers", Icon::Customer, Permission::SeeFleet),
    ("/assets", "Assets", Icon::Asset, Permission::SeeFleet),
    ("/gateways", "Gateways", Icon::Gateway, Permission::SeeFleet),
    ("/calls", "Calls", Icon::Call, Permission::SeeFleet),
    ("/rollouts", "Roll-outs", Icon::Rollout, Permission::SeeFleet),
    ("/commands", "Commands", Icon::Command, Permission::SeeFleet),
    ("/quarantine", "Quarantine", Icon::Quarantine, Permission::SeeQuarantine),
    ("/audit", "Audit", Icon::Audit, Permission::SeeAudit),
    ("/users", "Users", Icon::User, Permission::ManageUsers),
    ("/tokens", "API tokens", Icon::Key, Permission::ManageUsers),
    ("/settings", "Settings", Icon::Settings, Permission::ManageCustomers),
];

/// Messages, by the value of `done` in the address.
const DONE: [(&str, &str); 14] = [
    ("queued", "Queued. The gateway receives it with its next poll."),
    ("planned", "Planned. Gateways receive it with their next polls."),
    ("cancelled", "Cancelled. Gateways receive this with their next polls."),
    ("taken", "Processed again: all of them could be used now and were stored."),
    ("partly-taken", "Processed again: some could be used now and were stored; the others are still here."),
    ("kept", "Processed again: none of them can be used by this server yet."),
    ("created", "Created."),
    ("saved", "Saved."),
    ("deleted", "Deleted."),
    ("revoked", "Revoked: requests with it are rejected."),
    ("ended", "All sessions of this user have ended."),
    ("no-second-factor", "Your second factor is off; your other sessions have ended."),
    ("factor-reset", "The second factor is removed; all sessions of this user have ended."),
    ("password", "Your password is changed; your other sessions have ended."),
];

impl Layout {
    /// The frame of a page of `section`; `done` is the value in the address.
    pub(super) fn new(caller: &Caller, section: &'static str, done: Option<&str>) -> Self {
        let known = done.and_then(|word| DONE.iter().find(|(own, _)| *own == word));
        Self::with(caller, section, known.map(|(_, text)| Done { text: (*text).to_owned(), link: None }))
    }

    /// The frame of a page with a message of its own.
    pub(super) fn with(caller: &Caller, section: &'static str, done: Option<Done>) -> Self {
        Self {
            assets: &ASSETS,
            user: caller.actor.name.clone(),
            role: caller.role.title(),
            csrf: caller.csrf.clone(),
            done,
            section,
            may: caller.role,
        }
    }

    /// The items that this role may open.
    pub(super) fn navigation(&self) -> Vec<Entry> {
        let allowed = ENTRIES.iter().filter(|(_, _, _, act)| self.may.may(*act));
        let entry =
            |&(href, title, icon, _): &(_, _, _, _)| Entry { href, title, icon, here: href == self.section };
        allowed.map(entry).collect()
    }
}
