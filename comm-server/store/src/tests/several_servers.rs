//! Several servers on one database.

use super::*;

/// Another server on the same database.
pub(super) async fn another(opened: &Opened) -> Store {
    Store::open_detached(&database(&opened.dir)).await.unwrap()
}

pub(super) async fn two_servers_ask_for_meters_once() {
    let opened = opened().await;
    let (one, two) = (&opened.store, another(&opened).await);
    for n in 1..=20 {
        let name = format!("gw-{n}");
        let id = one.take_poll(caller(&name), poll(), 0).await.unwrap().answer.commands[0].id;
        let done = Response { state: ResponseState::Done, at: NOW, detail: String::new(), result: None };
        two.answer_command(&caller(&name), id, done).await.unwrap();
    }
    let tomorrow = NOW + SignedDuration::from_hours(24);
    let (first, second) =
        tokio::join!(one.request_due_meters(tomorrow, || 0), two.request_due_meters(tomorrow, || 0));
    assert_eq!(first.unwrap() + second.unwrap(), 20);
    let waiting = one.of(&scope()).statistics().await.unwrap().commands;
    assert_eq!(waiting, BTreeMap::from([(CommandState::Queued, 20), (CommandState::Done, 20)]));
}

pub(super) async fn a_batch_that_two_servers_get_at_once_is_stored_once() {
    let opened = opened().await;
    let (one, two) = (&opened.store, another(&opened).await);
    one.take_poll(caller("gw-1"), poll(), 0).await.unwrap();
    for round in 0..10 {
        let first = round * 2 + 1;
        let reports = [call("jam", "raised", &format!("{round}")), meters("ricoh:E1", first, first)];
        let (here, there) = tokio::join!(
            one.ingest(caller("gw-1"), Lane::Urgent, arrivals(first, &reports)),
            two.ingest(caller("gw-1"), Lane::Urgent, arrivals(first, &reports)),
        );
        let (here, there) = (here.unwrap(), there.unwrap());
        assert_eq!((here.answer.acknowledged, there.answer.acknowledged), (first + 1, first + 1));
        assert_eq!((here.fresh + there.fresh, here.duplicates + there.duplicates), (2, 2));
    }
    assert_eq!(state(one).await["reports"].len(), 20);
    assert_eq!(state(one).await["calls"].len(), 10);
}

pub(super) async fn an_answer_through_another_server_outlives_the_expiry() {
    let opened = opened().await;
    let (one, two) = (&opened.store, another(&opened).await);
    let id = one.take_poll(caller("gw-1"), poll(), 0).await.unwrap().answer.commands[0].id;
    let late = NOW + SignedDuration::from_hours(400);
    let (answered, expired) = tokio::join!(answer(&two, id, ResponseState::Done), one.expire_commands(late));
    answered.unwrap();
    expired.unwrap();
    // Whichever was committed first, the state is what the device did.
    let command = one.of(&scope()).command(&testing::id("gw-1"), id).await.unwrap().unwrap();
    assert_eq!(command.state.name(), "done");
}

pub(super) async fn a_token_given_to_two_servers_at_once_is_used_once() {
    let opened = opened().await;
    let (one, two) = (opened.store.of(&scope()), another(&opened).await.of(&scope()));
    for round in 0..20 {
        let claim = |key: &str| Claim {
            token_sha256: format!("token {round}"),
            gateway: id("gw-1"),
            key_sha256: key.to_owned(),
            at: NOW,
        };
        let (here, there) = tokio::join!(one.claim_token(claim("here")), two.claim_token(claim("there")),);
        let won = match (here.unwrap(), there.unwrap()) {
            (Claimed::Taken, Claimed::ByAnother) => "here",
            (Claimed::ByAnother, Claimed::Taken) => "there",
            both => panic!("{both:?}"),
        };
        // Its holder sends the request to both again before a response: one certificate is stored, and both return it.
        let issued = |certificate: &str| IssuedFor {
            certificate: certificate.to_owned(),
            serial: "01".to_owned(),
            detail: String::new(),
        };
        let (first, second) = tokio::join!(
            one.keep_issued(claim(won), issued("by one"), (Cadence::default(), 1)),
            two.keep_issued(claim(won), issued("by two"), (Cadence::default(), 1)),
        );
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!(first, second);
        let again = two.claim_token(claim(won)).await.unwrap();
        assert_eq!(again, Claimed::Issued(first));
    }
    let audit = one.audit(None).await.unwrap().items;
    assert_eq!(audit.iter().filter(|entry| entry.what == "certificate.enroll").count(), 20);
}
