//! Polls that arrive simultaneously.

use super::*;

/// Polls of these gateways at once; the number of urgent reports of each is its position. Returns the results in
/// order.
async fn at_once(store: &Store, gateways: &[&str]) -> Vec<Result<PollOutcome, StoreError>> {
    let polls: Vec<_> = gateways
        .iter()
        .zip(0..)
        .map(|(gateway, place)| {
            let (store, gateway) = (store.clone(), (*gateway).to_owned());
            let poll = Poll { made: Lanes { urgent: place, bulk: 9 }, ..poll() };
            tokio::spawn(async move { store.take_poll(caller(&gateway), poll, 0).await })
        })
        .collect();
    let mut outcomes = Vec::with_capacity(polls.len());
    for poll in polls {
        outcomes.push(poll.await.unwrap());
    }
    outcomes
}

async fn made(store: &Store) -> Vec<String> {
    let sql = "SELECT gateway || ' ' || made AS line FROM lanes WHERE lane = 'urgent' ORDER BY gateway";
    let rows = sqlx::query(sql).fetch_all(&mut *store.reader().await.unwrap()).await.unwrap();
    rows.iter().map(|r| row::text(r, "line").unwrap()).collect()
}

pub(super) async fn polls_that_come_together_are_answered_each_with_its_own() {
    let opened = opened().await;
    let store = &opened.store;
    let raised = [call("service_call", "raised", "1"), call("service_call", "raised", "2")];
    send(store, Lane::Urgent, 1, &raised).await;
    let gateways = ["gw-1", "gw-2", "gw-3", "gw-4", "gw-5"];
    let first = at_once(store, &gateways).await;
    for (place, polled) in first.iter().enumerate() {
        let PollOutcome { answer, registered } = polled.as_ref().unwrap();
        let reported = place == 0;
        assert_eq!(*registered, !reported, "{place}");
        assert_eq!(answer.next_poll_s, if reported { 60 } else { 3600 }, "{place}");
        assert_eq!(answer.acknowledged.urgent, if reported { 2 } else { 0 }, "{place}");
        assert_eq!(answer.commands.len(), usize::from(!reported), "{place}");
    }
    assert_eq!(made(store).await, ["gw-1 0", "gw-2 1", "gw-3 2", "gw-4 3", "gw-5 4"]);
    let known = store.of(&scope()).gateways(None).await.unwrap().items;
    assert_eq!(known.len(), 5);
    assert!(known.iter().all(|g| g.last_poll == Some(NOW) && g.devices == 2 && g.uptime_s == 60));

    // What was delivered is delivered again.
    let again = at_once(store, &gateways).await;
    let ids = |polled: &[Result<PollOutcome, StoreError>]| {
        let commands = polled.iter().flat_map(|p| p.as_ref().unwrap().answer.commands.iter());
        commands.map(|command| command.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&first), ids(&again));
}

pub(super) async fn a_gateway_that_polls_twice_at_once_is_one() {
    let opened = opened().await;
    let (one, two) = (&opened.store, another(&opened).await);
    for round in 0..5 {
        let names = ["a", "b", "a", "b", "a"].map(|name| format!("gw-{name}{round}"));
        let names = names.each_ref().map(String::as_str);
        let (here, there) = tokio::join!(at_once(one, &names), at_once(&two, &names));
        let polled: Vec<_> = here.into_iter().chain(there).map(Result::unwrap).collect();
        assert_eq!(polled.iter().filter(|p| p.registered).count(), 2);
        let mut ids: Vec<_> = polled.iter().map(|p| p.answer.commands[0].id.to_string()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 2, "each was asked once for its meters");
    }
}

pub(super) async fn a_poll_that_cannot_be_taken_spoils_no_other() {
    let opened = opened().await;
    let store = &opened.store;
    let gateways = ["gw-1", "gw-2", "gw-3", "gw-4"];
    at_once(store, &gateways).await;
    // A row that nobody here writes.
    sqlx::query("UPDATE lanes SET acknowledged = -1 WHERE gateway = 'gw-2' AND lane = 'urgent'")
        .execute(&raw(&opened).await)
        .await
        .unwrap();
    let polled = at_once(store, &gateways).await;
    let failed: Vec<_> = polled.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, true, false, false]);
    assert!(matches!(polled[1], Err(StoreError::Range { what: "urgent" })));
}
