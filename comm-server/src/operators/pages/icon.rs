//! Icons as inline SVG, so that they have the colour of the text.

/// An icon, always shown beside a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Icon {
    Alert,
    Asset,
    Audit,
    Ban,
    Call,
    Clock,
    Command,
    Counter,
    Customer,
    Cover,
    Drop,
    Fleet,
    Gateway,
    Jam,
    Key,
    Menu,
    Offline,
    Ok,
    Pulse,
    Print,
    Quarantine,
    Question,
    Rollout,
    Settings,
    User,
    Wrench,
}

impl Icon {
    /// The drawing, hidden from screen readers: the text beside it has the same meaning.
    pub(super) fn svg(self) -> String {
        let path = match self {
            Self::Alert => "M8 2.2 14.500 13.5h-13zM8 6.500v3M8 11.500v.1",
            Self::Asset => "M2.500 3h6l5 5-5.500 5.500-5.500-5.500zM5.500 6h.1",
            Self::Audit => "M4 2h6l3 3v9H4zM6.500 7h4M6.500 9.500h4M6.500 12h2",
            Self::Ban => "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M3.800 3.800l8.400 8.400",
            Self::Call => {
                "M8 2a4.500 4.500 0 0 1 4.500 4.500c0 4 1.500 5 1.500 5H2s1.500-1 1.500-5A4.500 4.500 0 0 1 8 2M6.500 14h3"
            }
            Self::Clock => "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M8 5v3l2 1.500",
            Self::Command => "M2.500 3h11v10h-11zM5 6.500 7 8l-2 1.500M8.500 10h2.500",
            Self::Counter => "M2 13.500h12M3.500 11V8M6.500 11V5M9.500 11V7M12.500 11V3",
            Self::Customer => {
                "M2.500 14V5L8 2l5.500 3v9M1.500 14h13M5.500 7h.1M8 7h.1M10.500 7h.1M6.500 14v-3.500h3V14"
            }
            Self::Cover => "M2 13h12M3 10h10V8.500L4 3.500",
            Self::Drop => "M8 2s4.500 4.500 4.500 7.500a4.500 4.500 0 0 1-9 0C3.500 6.500 8 2 8 2",
            Self::Fleet => "M4 6V2h8v4M4 11H2V6h12v5h-2M4 9h8v5H4z",
            Self::Gateway => "M2 9.500h12V14H2zM4.500 11.800h.1M8 7V5M4.500 4.500a5 5 0 0 1 7 0M8 9.500V7",
            Self::Jam => "M4 14V2h5l3 3v9M6 7l4 4M10 7l-4 4",
            Self::Key => {
                "M5.500 7.500a2.500 2.500 0 1 1 0 5 2.500 2.500 0 0 1 0-5M7.500 8.500 13.500 2.500M11 5l2 2"
            }
            Self::Menu => "M2.500 4h11M2.500 8h11M2.500 12h11",
            Self::Offline => {
                "M2 2l12 12M5 11.500a4 4 0 0 1 4-1.200M2.500 8a8 8 0 0 1 3-1.900M8.500 5.500A8 8 0 0 1 13.500 8M8 13.500v.1"
            }
            Self::Ok => "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M5.300 8.200l1.900 1.900 3.500-3.900",
            Self::Pulse => "M1.500 8.500h3l2-5 3 9 2-4h3",
            Self::Print => "M4 6V2h8v4M4 11H2V6h12v5h-2M4 9h8v5H4z",
            Self::Quarantine => {
                "M8 1.800 13.500 4v4c0 3.200-2.300 5.300-5.500 6.400C4.800 13.300 2.500 11.200 2.500 8V4zM8 5.500v3M8 10.500v.1"
            }
            Self::Question => {
                "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M6.200 6.300a1.800 1.800 0 1 1 2.600 1.600c-.6.300-.8.600-.8 1.200M8 11.200v.1"
            }
            Self::Rollout => "M8 2v8M4.800 6.800 8 10l3.200-3.200M2.500 13.500h11",
            Self::Settings => "M2 4.500h6M11 4.500h3M9.500 3v3M2 11.500h3M8 11.500h6M6.500 10v3",
            Self::User => {
                "M8 2.500a2.700 2.700 0 1 0 0 5.400A2.700 2.700 0 0 0 8 2.500M2.500 14c.500-3 2.700-4.200 5.500-4.200s5 1.200 5.500 4.200"
            }
            Self::Wrench => {
                "M9.500 6.500 3 13l-1-1 6.500-6.500A3.500 3.500 0 0 1 13 2l-2.200 2.200 1 1L14 3a3.500 3.500 0 0 1-4.500 3.500"
            }
        };
        format!(
            r#"<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path d="{path}"/></svg>"#
        )
    }
}
