//! The mail about one call: subject, headers, plain text and HTML.

use askama::Template;
use aws_lc_rs::digest::{Context, SHA256};
use jiff::tz::TimeZone;
use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, MultiPart, header};
use wire::ids::GatewayId;
use wire::reading::Identity;
use wire::report::{Call, Edge};

use super::MailError;
use super::next_steps::next_steps;

/// Maximum length of a call's detail in the subject, characters.
const SUBJECT_DETAIL_CHARS: usize = 60;

/// The contents of a mail.
#[derive(Debug, Clone)]
pub struct CallNotice<'a> {
    /// The gateway that reported the call.
    pub gateway: &'a GatewayId,
    /// The site's name, if configured.
    pub site: Option<&'a str>,
    /// Time zone of the site.
    pub time_zone: TimeZone,
    /// The call.
    pub call: &'a Call,
    /// The device.
    pub identity: &'a Identity,
    /// The device's address.
    pub address: &'a str,
}

#[derive(Template)]
#[template(path = "mail.txt")]
struct Text<'a> {
    letter: &'a Letter,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    letter: &'a Letter,
}

/// The values in both forms of the mail.
struct Letter {
    subject: String,
    title: &'static str,
    tone: &'static str,
    detail: String,
    facts: Vec<(&'static str, String)>,
    next: &'static str,
    gateway: String,
}

/// Composes the mail.
pub(super) fn write(notice: &CallNotice<'_>, from: &Mailbox, to: &[Mailbox]) -> Result<Message, MailError> {
    let wrong = |error: &dyn std::fmt::Display| MailError::Letter(error.to_string());
    let letter = Letter::about(notice);
    let text = Text { letter: &letter }.render().map_err(|e| wrong(&e))?;
    let html = Html { letter: &letter }.render().map_err(|e| wrong(&e))?;
    let domain = from.email.domain();
    let recipients: Mailboxes = to.iter().cloned().collect();
    Message::builder()
        .mailbox(header::From::from(Mailboxes::from(from.clone())))
        .mailbox(header::To::from(recipients))
        .subject(&letter.subject)
        .date(notice.call.seen_at.into())
        .message_id(Some(format!("<{}@{domain}>", call_key(notice, true))))
        // The mails about the beginning and the end of a call reference the same (fictitious) parent, so that mail
        // programs show them as one thread.
        .references(format!("<{}@{domain}>", call_key(notice, false)))
        .raw_header(fixed("Auto-Submitted", "auto-generated"))
        .raw_header(fixed("X-Auto-Response-Suppress", "All"))
        .multipart(MultiPart::alternative_plain_html(text, html))
        .map_err(|e| wrong(&e))
}

/// A mail of a few sentences of plain text.
pub(super) fn plain(subject: &str, text: &str, from: &Mailbox, to: &[Mailbox]) -> Result<Message, MailError> {
    let recipients: Mailboxes = to.iter().cloned().collect();
    Message::builder()
        .mailbox(header::From::from(Mailboxes::from(from.clone())))
        .mailbox(header::To::from(recipients))
        .subject(one_line(subject, 200))
        .raw_header(fixed("Auto-Submitted", "auto-generated"))
        .header(header::ContentType::TEXT_PLAIN)
        .body(text.to_owned())
        .map_err(|error| MailError::Letter(error.to_string()))
}

fn fixed(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// A key that is the same for all mails about a call; with `this_edge`, its beginning and its end differ.
fn call_key(notice: &CallNotice<'_>, this_edge: bool) -> String {
    let call = notice.call;
    let mut context = Context::new(&SHA256);
    let seen_at = call.seen_at.to_string();
    let edge = if call.edge == Edge::Raised { "raised" } else { "cleared" };
    let of_thread = [notice.gateway.as_str(), call.device.as_str(), call.call.name(), &call.subject];
    let of_edge: &[&str] = if this_edge { &[edge, &seen_at] } else { &[] };
    for part in of_thread.iter().chain(of_edge) {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    let digest = hex::encode(context.finish());
    format!("platen.{}", digest.get(..32).unwrap_or(&digest))
}

impl Letter {
    fn about(notice: &CallNotice<'_>) -> Self {
        let call = notice.call;
        let (identity, detail) = (notice.identity, one_line(&call.detail, 500));
        let model = model(identity);
        let serial = identity.serial.as_deref().map(|serial| one_line(serial, 64)).filter(|s| !s.is_empty());
        let mut facts = Vec::new();
        let mut fact = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
        fact("Site", notice.site.map(|site| one_line(site, 100)));
        fact("Device", identity.name.as_deref().map(|name| one_line(name, 100)).filter(|n| !n.is_empty()));
        fact("Model", Some(model.clone()));
        fact("Serial number", serial.clone());
        fact("Address", Some(one_line(notice.address, 100)));
        fact("Seen", Some(local_time(notice)));
        Self {
            subject: subject(call, &detail, &model, serial.as_deref()),
            title: call.title(),
            tone: if call.edge == Edge::Raised { "#b3261e" } else { "#146c2e" },
            detail,
            facts,
            next: next_steps(call.call, call.edge),
            gateway: notice.gateway.to_string(),
        }
    }
}

/// `[Platen] Service call SC542: Ricoh IM C4500 (E174M210001)`.
fn subject(call: &Call, detail: &str, model: &str, serial: Option<&str>) -> String {
    let mut subject = format!("[Platen] {}", call.title());
    if !detail.is_empty() {
        subject.push(' ');
        subject.extend(detail.chars().take(SUBJECT_DETAIL_CHARS));
        if detail.chars().count() > SUBJECT_DETAIL_CHARS {
            subject.push('…');
        }
    }
    subject.push_str(": ");
    subject.push_str(model);
    if let Some(serial) = serial {
        subject.push_str(&format!(" ({serial})"));
    }
    subject
}

/// Vendor and model, with the vendor once: devices report `IM C4500` as well as `RICOH IM C4500`.
fn model(identity: &Identity) -> String {
    let vendor = identity.vendor.as_deref().unwrap_or("");
    let model = one_line(identity.model.as_deref().unwrap_or(""), 100);
    let mut letters = vendor.chars();
    let display: String = letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect();
    let says_vendor = model.to_ascii_lowercase().starts_with(&vendor.to_ascii_lowercase());
    match (vendor.is_empty() || says_vendor, model.is_empty()) {
        (_, true) if vendor.is_empty() => "unknown model".to_owned(),
        (_, true) => format!("{display} device"),
        (true, false) => model,
        (false, false) => format!("{display} {model}"),
    }
}

fn local_time(notice: &CallNotice<'_>) -> String {
    let seen = notice.call.seen_at.to_zoned(notice.time_zone.clone());
    let zone = notice.time_zone.iana_name().unwrap_or("site time");
    format!("{} ({zone}, UTC{})", seen.strftime("%A, %-d %B %Y, %H:%M:%S"), seen.strftime("%:z"))
}

/// A device's text as one line without control characters.
fn one_line(text: &str, max_chars: usize) -> String {
    let clean: String =
        text.chars().map(|c| if wire::text::is_hidden(c) { ' ' } else { c }).take(max_chars).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use wire::report::CallKind;

    fn call(edge: Edge, detail: &str) -> Call {
        Call {
            device: "ricoh:E174M210001".parse().unwrap(),
            call: CallKind::ServiceCall,
            edge,
            subject: String::new(),
            detail: detail.to_owned(),
            seen_at: "2026-07-01T22:05:09Z".parse::<Timestamp>().unwrap(),
        }
    }

    fn identity(vendor: &str, model: &str) -> Identity {
        Identity {
            vendor: Some(vendor.to_owned()),
            model: Some(model.to_owned()),
            serial: Some("E174M210001".to_owned()),
            ..Identity::default()
        }
    }

    fn letter(call: &Call) -> Message {
        let gateway = "gw-demo".parse().unwrap();
        let identity = identity("ricoh", "IM C4500");
        let notice = CallNotice {
            gateway: &gateway,
            site: Some("Head office <2nd floor>"),
            time_zone: TimeZone::get("Europe/Berlin").unwrap(),
            call,
            identity: &identity,
            address: "127.20.0.4",
        };
        write(&notice, &"Platen <platen@example.com>".parse().unwrap(), &["it@example.com".parse().unwrap()])
            .unwrap()
    }

    fn header_of(message: &Message, name: &str) -> String {
        message.headers().get_raw(name).unwrap().to_owned()
    }

    #[test]
    fn the_subject_is_complete_and_no_header_can_be_injected() {
        let sc = letter(&call(Edge::Raised, "SC542\r\nBcc: everybody@example.com"));
        let subject = header_of(&sc, "Subject");
        assert_eq!(
            subject,
            "[Platen] Service call SC542 Bcc: everybody@example.com: Ricoh IM C4500 (E174M210001)"
        );
        assert!(!String::from_utf8(sc.formatted()).unwrap().contains("\nBcc"));
        assert_eq!(header_of(&sc, "Auto-Submitted"), "auto-generated");
        let reset = letter(&call(Edge::Cleared, ""));
        assert_eq!(header_of(&reset, "Subject"), "[Platen] SC reset: Ricoh IM C4500 (E174M210001)");
    }

    #[test]
    fn a_letter_keeps_its_id_and_its_date_when_it_is_repeated() {
        let (first, again) = (letter(&call(Edge::Raised, "SC542")), letter(&call(Edge::Raised, "SC542")));
        for name in ["Message-ID", "Date", "References"] {
            assert_eq!(header_of(&first, name), header_of(&again, name), "{name}");
        }
        let end = letter(&call(Edge::Cleared, "SC542"));
        assert_ne!(header_of(&first, "Message-ID"), header_of(&end, "Message-ID"));
        assert_eq!(header_of(&first, "References"), header_of(&end, "References"));
        assert!(header_of(&first, "Message-ID").ends_with("@example.com>"));
    }

    #[test]
    fn models_name_their_vendor_once() {
        assert_eq!(model(&identity("ricoh", "RICOH IM C4500")), "RICOH IM C4500");
        assert_eq!(model(&identity("kyocera", "ECOSYS M5526")), "Kyocera ECOSYS M5526");
        assert_eq!(model(&identity("kyocera", "")), "Kyocera device");
        assert_eq!(model(&Identity::default()), "unknown model");
    }

    #[test]
    fn times_are_the_sites() {
        let call = call(Edge::Raised, "SC542");
        let (gateway, identity) = ("gw".parse().unwrap(), Identity::default());
        let time_zone = TimeZone::get("Europe/Berlin").unwrap();
        let notice = CallNotice {
            gateway: &gateway,
            site: None,
            time_zone,
            call: &call,
            identity: &identity,
            address: "127.0.0.1",
        };
        assert_eq!(local_time(&notice), "Thursday, 2 July 2026, 00:05:09 (Europe/Berlin, UTC+02:00)");
    }

    #[test]
    fn html_is_escaped_and_text_is_not() {
        let letter = Letter {
            subject: String::new(),
            title: "Paper jam",
            tone: "#b3261e",
            detail: "<b>Tray & 2</b>".to_owned(),
            facts: vec![("Site", "<i>".to_owned())],
            next: "",
            gateway: "gw".to_owned(),
        };
        let html = Html { letter: &letter }.render().unwrap();
        assert!(!html.contains("<b>Tray") && !html.contains("<i>"), "{html}");
        assert!(Text { letter: &letter }.render().unwrap().contains("<b>Tray & 2</b>"));
    }
}
