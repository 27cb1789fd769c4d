use proptest::prelude::*;

use super::*;

const ENVELOPE: Envelope<'_> =
    Envelope { version: CommunityVersion::V2c, community: b"public", id: 0x1234_5678 };

fn oid(text: &str) -> Oid {
    text.parse().unwrap()
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    ber::element(tag, parts)
}

/// A response with these octets after its request-id.
fn answer(version: u8, community: &[u8], id: i32, rest: &[u8]) -> Vec<u8> {
    let pdu = tlv(RESPONSE, &[&tlv(2, &[&id.to_be_bytes()]), rest]);
    tlv(0x30, &[&[2, 1, version], &tlv(4, &[community]), &pdu])
}

/// A response with one varbind, `1.3.6`, whose value is these octets.
fn with_value(value: &[u8]) -> Vec<u8> {
    let varbind = tlv(0x30, &[&[6, 2, 0x2b, 6], value]);
    answer(1, b"public", ENVELOPE.id, &[&[2, 1, 0, 2, 1, 0][..], &tlv(0x30, &[&varbind])].concat())
}

fn value_of(octets: &[u8]) -> Value {
    match decode(&with_value(octets), ENVELOPE) {
        Ok(Response::Varbinds(varbinds)) if varbinds.len() == 1 && varbinds[0].0 == oid("1.3.6") => {
            varbinds[0].1.clone()
        }
        other => panic!("{octets:02x?}: {other:?}"),
    }
}

#[test]
fn requests_are_what_net_snmp_sends() {
    // What `snmpget -d` and its like showed.
    let v1 = Envelope { version: CommunityVersion::V1, community: b"public", id: 0x4f9a_39b6 };
    let cases = [
        (
            v1,
            Request::Get(vec![oid("1.3.6.1.2.1.1.1.0")]),
            "302902010004067075626c6963a01c02044f9a39b6020100020100300e300c06082b060102010101000500",
        ),
        (
            Envelope { id: 0x61bf_a504, ..ENVELOPE },
            Request::GetNext(vec![oid("1.3.6.1.2.1.43.11.1.1.9")]),
            "302b02010104067075626c6963a11e020461bfa5040201000201003010300e060a2b060102012b0b0101090500",
        ),
        (
            Envelope { id: 0x5359_7cc9, ..ENVELOPE },
            Request::GetBulk {
                oids: vec![oid("1.3.6.1.2.1.43.11.1.1.9"), oid("1.3.6.1.4.1.18334.1.1.1")],
                repetitions: 20,
            },
            "303c02010104067075626c6963a52f020453597cc90201000201143021300e060a2b060102012b0b0101090500\
             300f060b2b06010401818f1e0101010500",
        ),
    ];
    for (envelope, request, sent) in cases {
        assert_eq!(hex::encode(encode(envelope, &request)), sent, "{request}");
    }
}

#[test]
fn each_type_of_value_is_read() {
    let text = |text: &str| Value::octets(text.as_bytes());
    let cases: [(&[u8], Value); 27] = [
        (&[2, 1, 0x80], Value::Integer(-128)),
        (&[2, 4, 0x7f, 0xff, 0xff, 0xff], Value::Integer(0x7fff_ffff)),
        (&[2, 6, 0, 0, 0, 0, 1, 0], Value::Integer(256)),
        (&[2, 5, 1, 0, 0, 0, 0], Value::Missing),
        (&[2, 0], Value::Missing),
        (&[2, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1], Value::Missing),
        (&[4, 3, b'a', b'b', b'c'], text("abc")),
        (&[4, 0], text("")),
        // Its length goes beyond the varbind.
        (&[4, 20, b'a', b'b'], text("ab")),
        (&[5, 0], Value::Missing),
        (&[5, 2, 1, 1], Value::Missing),
        (&[6, 3, 0x2b, 6, 1], Value::from(oid("1.3.6.1"))),
        (&[6, 3, 0x88, 0x37, 3], Value::from(oid("2.999.3"))),
        (&[6, 1, 0x80], Value::Missing),
        (&[6, 0], Value::Missing),
        (&[0x40, 4, 10, 0, 0, 1], Value::octets(&[10, 0, 0, 1])),
        (&[0x41, 5, 0, 0xff, 0xff, 0xff, 0xff], Value::Unsigned(0xffff_ffff)),
        // The leading zero is left out.
        (&[0x41, 4, 0xff, 0xff, 0xff, 0xfe], Value::Unsigned(0xffff_fffe)),
        (&[0x41, 5, 1, 0, 0, 0, 0], Value::Missing),
        (&[0x42, 1, 7], Value::Unsigned(7)),
        (&[0x43, 2, 1, 0], Value::Unsigned(256)),
        (&[0x46, 9, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Value::Unsigned(u64::MAX)),
        (&[0x46, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0], Value::Missing),
        (&[0x80, 0], Value::Missing),
        (&[0x81, 0], Value::Missing),
        (&[0x82, 0], Value::EndOfView),
        (&[0x9f, 1, 1], Value::Missing),
    ];
    for (octets, value) in cases {
        assert_eq!(value_of(octets), value, "{octets:02x?}");
    }
}

#[test]
fn an_error_status_is_a_refusal() {
    let cases = [
        (1, 0, ErrorStatus::TooBig),
        (2, 3, ErrorStatus::NoSuchName(3)),
        (2, 0xff, ErrorStatus::NoSuchName(0)),
        (5, 1, ErrorStatus::Other),
        (0xff, 0, ErrorStatus::Other),
    ];
    for (status, index, refusal) in cases {
        let datagram = answer(1, b"public", ENVELOPE.id, &[2, 1, status, 2, 1, index, 0x30, 0]);
        assert_eq!(decode(&datagram, ENVELOPE), Ok(Response::Error(refusal)), "{status}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let whole = with_value(&[2, 1, 7]);
    let told = |datagram: &[u8]| decode(datagram, ENVELOPE).unwrap_err().to_string();
    assert_eq!(told(b""), "0 octets that are not an SNMP message (tag 30)");
    assert_eq!(told(b"HTTP/1.1 400"), "12 octets that are not an SNMP message (tag 30)");
    assert_eq!(told(&whole[..20]), "truncated: its header states 36 octets, but 18 were received");
    assert_eq!(told(&[0x30, 0x80, 0, 0]), "4 octets that are not an SNMP message (tag 30)");
    assert_eq!(
        told(&[0x30, 2, 5, 0]),
        "an SNMP message that can't be decoded: expected a version at octet 2"
    );
    let other = decode(&whole, Envelope { id: 1, ..ENVELOPE }).unwrap_err();
    assert_eq!(other.to_string(), "it is the response to request 12345678, which wasn't sent");
    let other = decode(&whole, Envelope { version: CommunityVersion::V1, ..ENVELOPE }).unwrap_err();
    assert_eq!(other.to_string(), "its SNMP version is 1, expected 0 (0 is v1, 1 is v2c)");
    assert_eq!(decode(&whole, Envelope { community: b"secret", ..ENVELOPE }), Err(Malformed::Community));
    let request = encode(ENVELOPE, &Request::Get(vec![oid("1.3.6")]));
    assert_eq!(told(&request), "a PDU with tag a0, expected a GetResponse (a2)");
    let varbinds = answer(1, b"public", ENVELOPE.id, &[2, 1, 0, 2, 1, 0, 0x30, 4, 0x30, 2, 5, 0]);
    assert!(told(&varbinds).ends_with("expected an object identifier at octet 31"), "{}", told(&varbinds));
}

#[test]
fn what_follows_a_message_is_passed_over_and_a_huge_answer_is_bounded() {
    let mut datagram = with_value(&[2, 1, 7]);
    datagram.extend([0; 40]);
    assert!(matches!(decode(&datagram, ENVELOPE), Ok(Response::Varbinds(varbinds)) if varbinds.len() == 1));
    let list = [0x30, 6, 6, 1, 0x2b, 2, 1, 1].repeat(8_000);
    let datagram =
        answer(1, b"public", ENVELOPE.id, &[&[2, 1, 0, 2, 1, 0][..], &tlv(0x30, &[&list])].concat());
    assert!(datagram.len() < DATAGRAM);
    let decoded = decode(&datagram, ENVELOPE);
    assert!(matches!(decoded, Ok(Response::Varbinds(varbinds)) if varbinds.len() == VARBINDS_PER_RESPONSE));
}

#[test]
fn no_changed_datagram_makes_it_panic() {
    let datagram = with_value(&[4, 0x82, 0, 3, b'a', b'b', b'c']);
    assert!(decode(&datagram, ENVELOPE).is_ok());
    for at in 0..datagram.len() {
        drop(decode(&datagram[..at], ENVELOPE));
        for octet in 0..=u8::MAX {
            let mut changed = datagram.clone();
            changed[at] = octet;
            drop(decode(&changed, ENVELOPE));
        }
    }
}

proptest! {
    #[test]
    fn an_object_comes_back_as_it_was_sent(
        first in 0_u32..3,
        second in 0_u32..40,
        rest in prop::collection::vec(prop_oneof![0_u32..300, any::<u32>()], 0..40),
    ) {
        let sent = Oid::new(&[&[first, second], rest.as_slice()].concat());
        let mut octets = Vec::new();
        ber::push_object_identifier(&mut octets, &sent);
        prop_assert_eq!(ber::object_identifier(&octets), Some(sent));
    }

    #[test]
    fn a_number_comes_back_as_it_was_sent(number: i32) {
        let octets = ber::integer(number);
        prop_assert!(octets.len() <= 6);
        prop_assert_eq!(ber::signed(&octets[2..]), Some(i64::from(number)));
    }

    #[test]
    fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(decode(&octets, ENVELOPE));
        drop(decode(&with_value(&octets), ENVELOPE));
        drop(decode(&answer(1, b"public", ENVELOPE.id, &octets), ENVELOPE));
    }
}
