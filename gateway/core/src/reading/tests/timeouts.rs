//! Readings of agents that don't respond to some requests.

use super::*;

#[test]
fn a_known_device_that_times_out_on_many_objects_is_read_with_fewer_from_then_on() {
    let device = device();
    let objects: Vec<_> = (0..20).map(|at| format!("{{oid: 1.3.6.1.4.1.99999.5.{at}}}")).collect();
    let yaml = ACME.replace("{oid: 1.3.6.1.4.1.99999.5.0}", &objects.join(", "));
    let profiles = || Arc::new(Profiles::new([Profile::parse("acme.yaml", &yaml).unwrap()]));
    let many =
        |request: &Request| matches!(request, Request::Get(_)) && request.oids().len() > limits::OIDS_PER_GET;
    let read = |quirks, hints: Option<TableHints>| {
        let hints = hints.unwrap_or_default().into();
        let mut machine = DeviceReading::with_quirks(profiles(), ReadScope::Full, quirks, hints);
        let mut timeouts = 0;
        while let Some(request) = machine.next_request() {
            timeouts += u32::from(many(&request));
            let answer = if many(&request) { Response::Timeout } else { orderly(&device, &request) };
            assert!(machine.handle_response(&request, answer));
        }
        (machine.mib().len(), timeouts, machine.quirks(), machine.hints())
    };
    let (objects, timeouts, quirks, hints) = read(AgentQuirks::default(), None);
    assert_eq!((timeouts, quirks), (0, AgentQuirks { proven: true, ..AgentQuirks::default() }));
    let (again, timeouts, quirks, hints) = read(quirks, hints);
    assert_eq!((again, timeouts), (objects, 1));
    let (again, timeouts, _, hints) = read(quirks, hints);
    assert_eq!((again, timeouts), (objects, 0));
    // A device that is off is given up after one request more.
    let known = AgentQuirks { proven: true, ..AgentQuirks::default() };
    let mut off = DeviceReading::with_quirks(profiles(), ReadScope::Full, known, hints.unwrap().into());
    let request = off.next_request().unwrap();
    assert!(many(&request) && off.handle_response(&request, Response::Timeout));
    let request = off.next_request().unwrap();
    assert!(!many(&request) && !off.handle_response(&request, Response::Timeout));
}

#[test]
fn a_device_that_stops_responding_is_given_up_after_a_few_requests() {
    let device = device();
    let mut machine = DeviceReading::new(profiles(), ReadScope::Full, true);
    let mut answers = 2;
    let mut timeouts = 0;
    let gave_up = loop {
        let Some(request) = machine.next_request() else { break false };
        let answer = if answers > 0 { orderly(&device, &request) } else { Response::Timeout };
        timeouts += u32::from(answers == 0);
        answers = i32::max(answers - 1, 0);
        if !machine.handle_response(&request, answer) {
            break true;
        }
    };
    assert!(gave_up && timeouts == limits::TIMEOUTS_PER_READING + 1);
    // A device that never responded gets a request for a single object before it is given up, in place of a retry.
    let mut never = DeviceReading::new(profiles(), ReadScope::Full, true);
    let request = never.next_request().unwrap();
    assert_eq!(never.retries(&request, 2), 1);
    assert!(never.handle_response(&request, Response::Timeout));
    let request = never.next_request().unwrap();
    assert_eq!((request.oids().len(), never.retries(&request, 2)), (1, 0));
    assert!(!never.handle_response(&request, Response::Timeout));
    let known = AgentQuirks { proven: true, ..AgentQuirks::default() };
    let mut known = DeviceReading::with_quirks(profiles(), ReadScope::Full, known, Arc::default());
    let request = known.next_request().unwrap();
    assert_eq!(known.retries(&request, 2), 2);
    assert!(!known.handle_response(&request, Response::Timeout));
}

#[test]
fn a_device_that_times_out_on_more_than_a_few_objects_is_read_at_its_first_reading() {
    let device = device();
    let (expected, _) = run(ReadScope::Full, |request| orderly(&device, request));
    for most in 1..=12 {
        let mut timeouts = 0;
        let mut answer = |request: &Request| {
            let many = !matches!(request, Request::GetBulk { .. }) && request.oids().len() > most;
            timeouts += u32::from(many);
            if many { Response::Timeout } else { orderly(&device, request) }
        };
        let mut machine = DeviceReading::new(profiles(), ReadScope::Full, true);
        while let Some(request) = machine.next_request() {
            let answer = answer(&request);
            assert!(machine.handle_response(&request, answer), "{most}");
        }
        let quirks = machine.quirks();
        let reading = machine.finish(circumstances(expected.requests)).reading;
        assert_eq!(reading, expected, "{most}");
        assert!(timeouts <= 3 && quirks.objects <= most, "{most}: {timeouts}, {quirks:?}");
        let mut again = DeviceReading::with_quirks(profiles(), ReadScope::Full, quirks, Arc::default());
        let request = again.next_request().unwrap();
        assert!(request.oids().len() <= most);
    }
}
