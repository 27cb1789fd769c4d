//! Requests with the same idempotency key at two servers simultaneously.

use futures_util::future::join_all;

use super::*;

pub(super) async fn fifty_requests_with_one_key_are_carried_out_once() {
    let opened = opened().await;
    let (one, two) = (opened.store.of(&scope()), another(&opened).await.of(&scope()));
    let key = |caller: &str| IdempotencyKey { caller: caller.to_owned(), key: "k".to_owned() };
    let claim = |n: usize, caller: &str| {
        let (own, key) = (if n.is_multiple_of(2) { one.clone() } else { two.clone() }, key(caller));
        async move { own.claim_key(&key, "a hash".to_owned(), NOW).await.unwrap() }
    };
    let claims = join_all((0..50).map(|n| claim(n, "erin"))).await;
    assert_eq!(claims.iter().filter(|claim| **claim == KeyClaim::First).count(), 1, "{claims:?}");
    assert_eq!(claims.iter().filter(|claim| **claim == KeyClaim::Running).count(), 49);
    assert_eq!(claim(0, "kim").await, KeyClaim::First, "a key is its caller's own");
    assert_eq!(one.claim_key(&key("erin"), "another".to_owned(), NOW).await.unwrap(), KeyClaim::Other);

    let headers = json!({"location": "/x"});
    let answer = StoredAnswer { status: 201, headers, body: "{}".to_owned() };
    one.store_answer(&key("erin"), answer.clone()).await.unwrap();
    assert_eq!(claim(1, "erin").await, KeyClaim::Answered(answer));
    two.release_key(&key("kim")).await.unwrap();
    assert_eq!(claim(1, "kim").await, KeyClaim::First);

    let day = SignedDuration::from_hours(24);
    opened.store.expire_sessions(NOW + day).await.unwrap();
    assert_ne!(claim(0, "erin").await, KeyClaim::First, "known for a day");
    opened.store.expire_sessions(NOW + day + SignedDuration::from_secs(1)).await.unwrap();
    assert_eq!(claim(0, "erin").await, KeyClaim::First);
}
