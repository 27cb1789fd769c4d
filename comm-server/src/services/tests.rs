//! Each service with each role: which operations are permitted and which are forbidden.

use comm_server_core::cadence::Cadence;
use comm_server_core::customers::CustomerSpec;
use comm_server_core::roles::{Permission, Role};
use comm_server_core::rollouts::{RolloutSpec, Start};
use comm_server_core::settings::Setting;
use comm_server_core::tenancy::Scope;
use comm_server_core::tree::Node;

use super::*;
use crate::store::PageRows;
use crate::store::testing::scope;

/// Calls each service on an empty store; returns whether each call was forbidden.
async fn forbidden(services: &Services, actor: &Actor) -> Vec<(String, bool)> {
    let gateway = "gw-1".parse().unwrap();
    let spec = || RolloutSpec {
        vendor: "ricoh".to_owned(),
        model: "IM C3000".to_owned(),
        version: "2.0".to_owned(),
        start: Start::Now,
        allow_downgrade: false,
        only: None,
    };
    let id = "01980000-0000-7000-8000-000000000001".parse().unwrap();
    let mut all = Vec::new();
    for kind in RequestKind::ALL {
        let queued = services.commands.queue(actor, &gateway, kind, None).await;
        all.push((kind.name().to_owned(), matches!(queued, Err(CommandError::Forbidden(_)))));
    }
    let mut add = |name: &str, is_forbidden: bool| all.push((name.to_owned(), is_forbidden));
    let rollouts = &services.rollouts;
    add("roll out", matches!(rollouts.create(actor, spec()).await, Err(OrderError::Forbidden(_))));
    add("retry", matches!(rollouts.retry(actor, id, false).await, Err(OrderError::Forbidden(_))));
    add("cancel", matches!(rollouts.cancel(actor, id).await, Err(OrderError::Forbidden(_))));
    add("list images", rollouts.published_images(actor).await.is_err());
    let replayed = services.quarantine.replay(actor, None).await;
    add("replay", matches!(replayed, Err(QuarantineError::Forbidden(_))));
    let reset = services.users.reset_password(actor, "nobody").await;
    add("reset a password", matches!(reset, Err(PasswordResetError::Forbidden(_))));
    let created = services.customers.create(actor, &CustomerSpec::default()).await;
    add("create a customer", matches!(created, Err(CustomersError::Forbidden(_))));
    let set = services.settings.set(actor, Node::Tenant, Setting::TimeZone, None).await;
    add("set a setting", matches!(set, Err(CustomersError::Forbidden(_))));
    let listed = services.accounts.list(actor, "", (None, PageRows::default())).await;
    add("list users", matches!(listed, Err(AccountError::Forbidden(_))));
    let verified = services.audit.verify(actor, None).await;
    add("verify the audit", matches!(verified, Err(AuditError::Forbidden(_))));
    let export = services.audit.export(actor, crate::store::AuditFilter::default(), None).await;
    add("export the audit", matches!(export, Err(AuditError::Forbidden(_))));
    let dealers = services.dealers.list(actor, (None, PageRows::default())).await;
    add("list dealers", matches!(dealers, Err(AccountError::Forbidden(_))));
    for permission in [Permission::SeeFleet, Permission::SeeQuarantine, Permission::SeeAudit] {
        assert_eq!(
            services.views.now(actor, permission).is_ok(),
            services.views.stale(actor, permission).is_ok()
        );
        add(&format!("{permission:?}"), services.views.now(actor, permission).is_err());
    }
    all
}

#[tokio::test]
async fn every_service_is_open_to_exactly_the_roles_of_the_table() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("platen.db").display());
    let store = Store::open_detached(&url).await.unwrap();
    let services = Services::new(&store, Cadence::default(), None).unwrap();
    // The roles in the order of `Role::ALL`: viewer, dispatcher, meter clerk, firmware manager, assistance operator,
    // engineer, administrator, customer's viewer and buyer, provider.
    let table = [
        ("counter_request", "0010011000"),
        ("status_sense", "0101111000"),
        ("discovery", "0000011000"),
        ("diagnostics", "0000011000"),
        ("roll out", "0001001000"),
        ("retry", "0001001000"),
        ("cancel", "0001001000"),
        ("list images", "1111111110"),
        ("replay", "0000001000"),
        ("reset a password", "0000001001"),
        ("create a customer", "0010001000"),
        ("set a setting", "0010001000"),
        ("list users", "0000001001"),
        ("verify the audit", "0000001001"),
        ("export the audit", "0000001001"),
        ("list dealers", "0000000001"),
        ("SeeFleet", "1111111110"),
        ("SeeQuarantine", "0000001000"),
        ("SeeAudit", "0000001001"),
    ];
    let mut found = vec![String::new(); table.len()];
    for role in Role::ALL {
        let actor = Actor::operator(scope(), "erin", role);
        let answers = forbidden(&services, &actor).await;
        assert_eq!(
            answers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            table.map(|(name, _)| name)
        );
        for (row, (_, is_forbidden)) in found.iter_mut().zip(answers) {
            row.push(if is_forbidden { '0' } else { '1' });
        }
    }
    for ((name, expected), found) in table.iter().zip(found) {
        assert_eq!(found, *expected, "{name}");
    }
    let command_line = forbidden(&services, &Actor::command_line(scope())).await;
    assert!(command_line.iter().all(|(_, is_forbidden)| !is_forbidden), "{command_line:?}");
}

#[tokio::test]
async fn whoever_reaches_a_part_of_the_tenant_reads_no_audit() {
    let id = "01980000-0000-7000-8000-000000000001".parse().unwrap();
    let part = Scope::of_part(scope().tenant().clone(), comm_server_core::tenancy::Part::Customer(id));
    let actor = Actor::operator(part, "erin", Role::Administrator);
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("platen.db").display());
    let audit = Audit::new(Store::open_detached(&url).await.unwrap());
    assert!(matches!(audit.standing(&actor).await, Err(AuditError::Forbidden(_))));
    assert!(matches!(audit.verify(&actor, None).await, Err(AuditError::Forbidden(_))));
    let all = crate::store::AuditFilter::default();
    assert!(matches!(audit.export(&actor, all, None).await, Err(AuditError::Forbidden(_))));
    let whole = Actor::operator(scope(), "erin", Role::Administrator);
    let store = audit.verify(&whole, None).await;
    assert!(store.is_ok_and(|chain| chain.broken.is_none()));
}

#[tokio::test]
async fn an_export_has_a_bound() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("platen.db").display());
    let store = Store::open_detached(&url).await.unwrap();
    for n in 0..3 {
        let entry = crate::store::AuditEntry::new(jiff::Timestamp::UNIX_EPOCH, "erin", "test", n.to_string());
        store.of(&scope()).append_audit(entry).await.unwrap();
    }
    let (audit, actor) = (Audit::new(store), Actor::command_line(scope()));
    let export = async |most| audit.export(&actor, crate::store::AuditFilter::default(), most).await;
    assert!(matches!(export(Some(2)).await, Err(AuditError::TooMany)));
    let mut all = export(Some(3)).await.unwrap();
    assert_eq!((all.next().await.unwrap().len(), all.next().await.unwrap().len()), (3, 0));
}
