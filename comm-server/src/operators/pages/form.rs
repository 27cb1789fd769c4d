//! Choices of a form.

use std::str::FromStr;

use comm_server_core::roles::Permission;
use wire::ids::InvalidId;

use crate::operators::caller::{Caller, Fields};
use crate::operators::error::ApiError;

/// One choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) title: String,
    pub(super) chosen: bool,
}

/// The choices of a field, one of which is selected.
pub(super) fn choices(all: &[(&str, &str)], chosen: &str) -> Vec<Choice> {
    let choice = |(value, title): &(&str, &str)| Choice {
        value: (*value).to_owned(),
        title: (*title).to_owned(),
        chosen: *value == chosen,
    };
    all.iter().map(choice).collect()
}

/// The identifier in a query parameter; `None` if empty.
pub(super) fn identifier<T: FromStr<Err = InvalidId>>(value: &str) -> Result<Option<T>, ApiError> {
    let given = Some(value).filter(|value| !value.is_empty());
    given.map(str::parse::<T>).transpose().map_err(|error| ApiError::malformed(error.to_string()))
}

/// Rejects a value in an address that is not one of a form's choices.
pub(super) fn check_choice(name: &str, all: &[(&str, &str)], value: &str) -> Result<(), ApiError> {
    if all.iter().any(|(own, _)| *own == value) {
        return Ok(());
    }
    let known: Vec<&str> = all.iter().map(|(own, _)| *own).filter(|own| !own.is_empty()).collect();
    let value: String = value.chars().take(60).collect();
    let detail = format!("the {name} in the address is “{value}”: expected {}, or none", known.join(", "));
    Err(ApiError::malformed(detail))
}

/// Whether the caller may change customers, sites and settings.
pub(super) fn may_change(caller: &Caller) -> bool {
    caller.actor.may(Permission::ManageCustomers)
}

/// The version on which a form is based.
pub(super) fn version(fields: &Fields) -> Result<i64, ApiError> {
    fields.text("version").parse().map_err(|_| ApiError::malformed("the form's version is not a number"))
}
