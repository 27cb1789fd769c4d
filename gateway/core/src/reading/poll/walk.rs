//! Walks table columns in parallel, by GETBULK, or by GETNEXT if the agent handles GETBULK badly. A walk always ends:
//! a column ends where its object ends, where the agent stops going forward, or at the maximum number of rows.

use std::cmp::Ordering;

use super::quirks::AgentQuirks;
use crate::reading::limits::{
    COLUMNS_PER_KNOWN_BULK, COLUMNS_PER_REQUEST, INSTANCE_ARCS, REPETITIONS, ROWS_PER_COLUMN,
};
use crate::reading::mib::Mib;
use crate::reading::mib::Oid;
use crate::reading::mib::Value;
use crate::reading::mib::{ErrorStatus, Request};

/// Initial capacity for columns; most readings have no more.
const FIRST_ROOM: usize = 40;

/// The state of one column.
#[derive(Debug, Clone)]
struct Column {
    root: Oid,
    cursor: Oid,
    rows: usize,
    /// The rows at the last full read.
    expected: Option<usize>,
    /// Another column of the same table with the same number of rows, whose end counts for this one, too.
    proxy_column: Option<usize>,
    done: bool,
    /// Abandoned before its end was read.
    cut: bool,
}

impl Column {
    /// The table's entry.
    fn entry(&self) -> Option<&[u32]> {
        self.root.arcs().split_last().map(|(_, entry)| entry)
    }
}

/// The columns of a reading.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    columns: Vec<Column>,
    bulk: bool,
    width: usize,
    varbinds: usize,
    asked: Vec<usize>,
}

impl Walk {
    /// A walk without columns.
    pub(crate) const fn new(quirks: AgentQuirks) -> Self {
        let AgentQuirks { bulk, columns: width, varbinds, .. } = quirks;
        Self { columns: Vec::new(), bulk, width, varbinds, asked: Vec::new() }
    }

    /// The quirks with which the walk ended.
    pub(crate) const fn learned(&self, quirks: AgentQuirks) -> AgentQuirks {
        AgentQuirks { bulk: self.bulk, columns: self.width, varbinds: self.varbinds, ..quirks }
    }

    /// Whether columns were walked and none had a row.
    pub(crate) fn is_empty_walk(&self) -> bool {
        !self.columns.is_empty() && self.columns.iter().all(|column| column.rows == 0)
    }

    /// Adds a column, unless it is there, with the rows at the last read if known.
    pub(crate) fn add(&mut self, root: &[u32], expected: Option<usize>) {
        // Two columns differ mostly in their last sub-identifier: compare that first.
        let is = |own: &[u32]| own.last() == root.last() && own == root;
        if !self.columns.iter().any(|column| is(column.root.arcs())) {
            if self.columns.is_empty() {
                self.columns.reserve(FIRST_ROOM);
            }
            let root = Oid::new(root);
            let mut column = Column {
                cursor: root.clone(),
                root,
                rows: 0,
                expected,
                proxy_column: None,
                done: false,
                cut: false,
            };
            if expected.is_some() {
                let table = self.columns.iter().enumerate().rev();
                let mut table = table.take_while(|(_, own)| own.entry() == column.entry());
                let sees = |own: &Column| own.proxy_column.is_none() && own.expected == expected;
                column.proxy_column = table.find(|(_, own)| sees(own)).map(|(at, _)| at);
            }
            self.columns.push(column);
        }
    }

    /// The columns with the number of their rows.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&Oid, usize)> {
        self.columns.iter().map(|column| (&column.root, column.rows))
    }

    /// The number of rows of a column.
    pub(crate) fn rows(&self, root: &[u32]) -> usize {
        self.columns.iter().find(|column| column.root.arcs() == root).map_or(0, |column| column.rows)
    }

    /// Whether all of these columns were read to their end, so that a missing row is known to be gone.
    pub(crate) fn read_whole(&self, roots: &[&[u32]]) -> bool {
        let whole = |column: &Column| self.is_whole(column);
        roots
            .iter()
            .all(|root| self.columns.iter().find(|column| column.root.arcs() == *root).is_some_and(whole))
    }

    /// The columns that were not read to their end.
    pub(crate) fn cut_columns(&self) -> Vec<Oid> {
        let cut = self.columns.iter().filter(|column| !self.is_whole(column));
        cut.map(|column| column.root.clone()).collect()
    }

    fn is_whole(&self, column: &Column) -> bool {
        !column.cut && (column.done || self.need(column) == Some(0))
    }

    /// The next request; `None` if all columns are done.
    pub(crate) fn request(&mut self) -> Option<Request> {
        let open = self.columns.iter().enumerate().filter(|(_, column)| !column.done);
        let mut open: Vec<(usize, Option<usize>)> =
            open.map(|(at, column)| (at, self.need(column))).filter(|(_, need)| *need != Some(0)).collect();
        if open.is_empty() {
            return None;
        }
        let known: Option<usize> = if self.bulk { self.fill(&mut open) } else { None };
        let width = if known.is_some() { self.known_width() } else { self.width_for(&open) };
        self.asked = open.iter().map(|(at, _)| *at).take(width).collect();
        let oids: Vec<Oid> = self.asked.iter().map(|at| self.columns[*at].cursor.clone()).collect();
        if !self.bulk {
            return Some(Request::GetNext(oids));
        }
        let repetitions = known.unwrap_or_else(|| (self.varbinds / oids.len()).clamp(1, REPETITIONS));
        let repetitions = u32::try_from(repetitions).unwrap_or(1);
        Some(Request::GetBulk { oids, repetitions })
    }

    /// Repetitions that a column still needs, including the one after its last row; `None` if unknown. Zero if
    /// another column of the table has shown that there is no further row.
    fn need(&self, column: &Column) -> Option<usize> {
        let expected = column.expected?;
        let seen = column.proxy_column.and_then(|at| self.columns.get(at));
        match column.rows.cmp(&expected) {
            // There are more rows than before, maybe many more.
            Ordering::Greater => Some(column.rows.max(3)),
            Ordering::Equal
                if seen.is_some_and(|proxy_column| !proxy_column.done || proxy_column.rows == expected) =>
            {
                Some(0)
            }
            Ordering::Equal => Some(1),
            Ordering::Less => Some(expected - column.rows + usize::from(seen.is_none())),
        }
    }

    /// Number of columns in one request if their rows are unknown. Columns that were begun mostly need one or two rows
    /// more, so that others are begun beside them. It is reduced if the agent requires it.
    fn width_for(&self, open: &[(usize, Option<usize>)]) -> usize {
        let begun =
            |(at, _): &(usize, Option<usize>)| self.columns.get(*at).is_some_and(|column| column.rows > 0);
        if self.bulk && open.first().is_some_and(begun) { self.known_width() } else { self.width }
    }

    /// Number of columns in one GETBULK if their rows are known, or some of them are begun. It is reduced if the agent requires it.
    const fn known_width(&self) -> usize {
        if self.width < COLUMNS_PER_REQUEST { self.width } else { COLUMNS_PER_KNOWN_BULK }
    }

    /// If the needs of all open columns are known: keeps in `open` those to request now, and returns the repetitions.
    /// Of all ways to fill a response, this is the one with the most varbinds that are needed.
    fn fill(&self, open: &mut Vec<(usize, Option<usize>)>) -> Option<usize> {
        let mut needs: Vec<(usize, usize)> =
            open.iter().map(|(at, need)| need.map(|need| (need, *at))).collect::<Option<_>>()?;
        // The columns of a table stay together, in order.
        needs.sort_by_key(|(need, _)| std::cmp::Reverse(*need));
        let taken =
            |repetitions: usize| (self.varbinds / repetitions).clamp(1, self.known_width()).min(needs.len());
        let useful = |repetitions: usize| -> usize {
            needs.iter().take(taken(repetitions)).map(|(need, _)| *need.min(&repetitions)).sum()
        };
        let most = REPETITIONS.min(self.varbinds);
        let choices = needs.iter().map(|(need, _)| (*need).min(most));
        let best =
            choices.max_by_key(|choice| (useful(*choice), std::cmp::Reverse(taken(*choice) * choice)))?;
        *open = needs.iter().take(taken(best)).map(|(need, at)| (*at, Some(*need))).collect();
        Some(best)
    }

    /// Handles a response: one varbind per column in turn.
    pub(crate) fn handle_response(&mut self, varbinds: Vec<(Oid, Value)>, mib: &mut Mib) {
        let asked = std::mem::take(&mut self.asked);
        let mut closed = vec![false; asked.len()];
        let mut progress = false;
        let mut backwards = false;
        let mut turns = (0..asked.len()).cycle();
        for (oid, value) in varbinds {
            let Some(turn) = turns.next() else { break };
            let Some(column) = asked.get(turn).and_then(|at| self.columns.get_mut(*at)) else { break };
            if closed[turn] {
                continue;
            }
            let inside = oid
                .after(column.root.arcs())
                .is_some_and(|instance| (1..=INSTANCE_ARCS).contains(&instance.len()));
            if !inside || value == Value::EndOfView {
                (closed[turn], column.done, progress) = (true, true, true);
            } else if oid <= column.cursor {
                // Not in ascending order: after GETNEXT the column ends here, after GETBULK it is retried by GETNEXT.
                (closed[turn], backwards) = (true, true);
                (column.done, column.cut) = (!self.bulk, !self.bulk);
            } else {
                column.cursor = oid.clone();
                column.rows += 1;
                column.done = column.rows >= ROWS_PER_COLUMN;
                (closed[turn], column.cut) = (column.done, column.done);
                progress = true;
                mib.insert(oid, value);
            }
        }
        if backwards && self.bulk {
            self.bulk = false;
        } else if !progress && !backwards {
            self.narrow(&asked);
        }
    }

    /// The response was an error.
    pub(crate) fn handle_error(&mut self, status: ErrorStatus) {
        let asked = std::mem::take(&mut self.asked);
        match status {
            ErrorStatus::TooBig if self.bulk && self.varbinds > asked.len() => self.varbinds /= 2,
            ErrorStatus::NoSuchName(at) if (1..=asked.len()).contains(&at) => {
                self.columns[asked[at - 1]].done = true
            }
            ErrorStatus::TooBig | ErrorStatus::NoSuchName(_) | ErrorStatus::Other => self.narrow(&asked),
        }
    }

    /// The request timed out.
    pub(crate) fn handle_timeout(&mut self) {
        let asked = std::mem::take(&mut self.asked);
        self.narrow(&asked);
    }

    /// Reduces the requests: at most as many columns as of an unknown device, then GETNEXT instead of GETBULK, then
    /// single columns, then none.
    fn narrow(&mut self, asked: &[usize]) {
        if self.bulk && asked.len() > COLUMNS_PER_REQUEST {
            self.width = COLUMNS_PER_REQUEST - 1;
        } else if self.bulk {
            self.bulk = false;
        } else if self.width > 1 && asked.len() > 1 {
            self.width = 1;
        } else {
            for at in asked {
                let column = &mut self.columns[*at];
                (column.done, column.cut) = (true, true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn oid(text: &str) -> Oid {
        text.parse().unwrap()
    }

    /// Walks until the end with the responses of `answer`.
    fn run(
        walk: &mut Walk,
        mib: &mut Mib,
        mut answer: impl FnMut(&[Oid], u32) -> Vec<(Oid, Value)>,
    ) -> usize {
        for sent in 0..2_000 {
            let varbinds = match walk.request() {
                None => return sent,
                Some(Request::GetBulk { oids, repetitions }) => answer(&oids, repetitions),
                Some(Request::GetNext(oids)) => answer(&oids, 1),
                Some(Request::Get(_)) => panic!("a walk never sends GET"),
            };
            walk.handle_response(varbinds, mib);
        }
        panic!("endless");
    }

    /// The response of an agent with these objects.
    fn agent(objects: &[Oid], oids: &[Oid], repetitions: u32) -> Vec<(Oid, Value)> {
        let mut cursors = oids.to_vec();
        let mut varbinds = Vec::new();
        for _ in 0..repetitions {
            for cursor in &mut cursors {
                match objects.iter().find(|own| *own > cursor) {
                    Some(next) => {
                        *cursor = next.clone();
                        varbinds.push((next.clone(), Value::Integer(1)));
                    }
                    None => varbinds.push((cursor.clone(), Value::EndOfView)),
                }
            }
        }
        varbinds
    }

    fn table(columns: u32, rows: u32) -> Vec<Oid> {
        (1..=columns).flat_map(|c| (1..=rows).map(move |r| oid(&format!("1.3.9.{c}.1.{r}")))).collect()
    }

    #[test]
    fn columns_of_unequal_length_are_read_whole_and_in_few_requests() {
        let mut objects = table(3, 5);
        objects.extend(table(1, 30).into_iter().skip(5));
        objects.sort();
        let (mut walk, mut mib) = (Walk::new(AgentQuirks::default()), Mib::default());
        for column in 1..=4 {
            walk.add(&[1, 3, 9, column], None);
        }
        let sent = run(&mut walk, &mut mib, |oids, repetitions| agent(&objects, oids, repetitions));
        assert_eq!(mib.rows(&[1, 3, 9, 1]).count(), 30);
        assert_eq!(mib.rows(&[1, 3, 9, 3]).count(), 5);
        assert_eq!(sent, 2);
    }

    #[test]
    fn one_column_shows_for_its_table_that_nothing_was_added() {
        let read = |objects: &[Oid], expected: [usize; 3]| {
            let (mut walk, mut mib) = (Walk::new(AgentQuirks::default()), Mib::default());
            for (column, rows) in (1..).zip(expected) {
                walk.add(&[1, 3, 9, column], Some(rows));
            }
            let mut asked = 0;
            let sent = run(&mut walk, &mut mib, |oids, repetitions| {
                asked += oids.len() * usize::try_from(repetitions).unwrap();
                agent(objects, oids, repetitions)
            });
            let rows = [1, 2, 3].map(|column| mib.rows(&[1, 3, 9, column]).count());
            (sent, asked, rows)
        };
        let objects = table(3, 4);
        assert_eq!(read(&objects, [4, 4, 4]), (1, 15, [4, 4, 4]));
        // One row added, one removed, all removed.
        assert_eq!(read(&objects, [3, 3, 3]).2, [4, 4, 4]);
        assert_eq!(read(&objects, [5, 5, 5]).2, [4, 4, 4]);
        assert_eq!(read(&[], [5, 5, 5]), (1, 18, [0, 0, 0]));
        // A table that didn't exist is requested by one of its columns.
        assert_eq!(read(&[], [0, 0, 0]), (1, 1, [0, 0, 0]));
        assert_eq!(read(&objects, [0, 0, 0]).2, [4, 4, 4]);
        // A column that had fewer rows than the others has them all now.
        assert_eq!(read(&objects, [4, 3, 4]).2, [4, 4, 4]);
    }

    #[test]
    fn an_endless_table_and_an_agent_in_a_circle_end() {
        let (mut walk, mut mib) = (Walk::new(AgentQuirks::default()), Mib::default());
        walk.add(&[1, 3, 9, 1], None);
        let mut row = 0;
        run(&mut walk, &mut mib, |_, repetitions| {
            (0..repetitions)
                .map(|_| {
                    row += 1;
                    (oid(&format!("1.3.9.1.{row}")), Value::Integer(1))
                })
                .collect()
        });
        assert_eq!(mib.rows(&[1, 3, 9, 1]).count(), ROWS_PER_COLUMN);
        let (mut walk, mut mib) = (Walk::new(AgentQuirks::default()), Mib::default());
        walk.add(&[1, 3, 9, 1], None);
        let sent = run(&mut walk, &mut mib, |_, _| vec![(oid("1.3.9.1.7"), Value::Integer(1))]);
        assert!(sent <= 4 && mib.rows(&[1, 3, 9, 1]).count() == 1);
    }

    #[test]
    fn bad_bulk_falls_back_to_next_and_keeps_what_was_read() {
        let objects = table(2, 4);
        let (mut walk, mut mib) = (Walk::new(AgentQuirks::default()), Mib::default());
        walk.add(&[1, 3, 9, 1], None);
        walk.add(&[1, 3, 9, 2], None);
        run(
            &mut walk,
            &mut mib,
            |oids, repetitions| {
                if repetitions > 1 { Vec::new() } else { agent(&objects, oids, 1) }
            },
        );
        assert_eq!(mib.len(), 8);
    }

    #[test]
    fn timeouts_of_many_columns_reduce_the_columns_of_a_getbulk() {
        let mut walk = Walk::new(AgentQuirks::default());
        (1..=30).for_each(|table| walk.add(&[1, 3, 9, table, 1], Some(1)));
        assert_eq!(walk.request().map(|request| request.oids().len()), Some(COLUMNS_PER_KNOWN_BULK));
        walk.handle_timeout();
        assert!(matches!(
            walk.request(),
            Some(Request::GetBulk { oids, .. }) if oids.len() < COLUMNS_PER_REQUEST
        ));
        assert!(walk.learned(AgentQuirks::default()).columns < COLUMNS_PER_REQUEST);
    }

    #[test]
    fn error_responses_narrow_the_request_until_nothing_is_left() {
        let mut walk = Walk::new(AgentQuirks::default());
        walk.add(&[1, 3, 9, 1], None);
        walk.add(&[1, 3, 9, 2], None);
        for sent in 0..50 {
            if walk.request().is_none() {
                assert!(sent > 2);
                return;
            }
            walk.handle_error(if sent % 2 == 0 { ErrorStatus::TooBig } else { ErrorStatus::Other });
        }
        panic!("endless");
    }

    proptest! {
        #[test]
        fn no_answer_makes_a_walk_endless(
            answers in prop::collection::vec(prop::collection::vec((prop::collection::vec(0_u32..4, 0..4), 0..3), 0..30), 0..40),
        ) {
            let (mut walk, mut mib) = (Walk::new(AgentQuirks::default()), Mib::default());
            walk.add(&[1, 1], None);
            walk.add(&[1, 2], None);
            let mut answers = answers.into_iter();
            run(&mut walk, &mut mib, |_, _| {
                let varbinds = answers.next().unwrap_or_default();
                let value = |kind| match kind { 0 => Value::Integer(1), 1 => Value::Missing, _ => Value::EndOfView };
                varbinds.into_iter().map(|(arcs, kind)| (Oid::new(&arcs), value(kind))).collect()
            });
        }
    }
}
