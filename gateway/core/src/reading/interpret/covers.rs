//! Covers: the rows of `prtCoverTable`.

use wire::reading::Cover;

use super::labels;
use crate::reading::mib::columns::COVERS;
use crate::reading::mib::dotted;
use crate::reading::mib::objects as o;
use crate::reading::mib::{Mib, Row};

/// Reads the covers.
pub(crate) fn covers(mib: &Mib) -> Vec<Cover> {
    let cover = |row: &Row<'_, _>| Cover {
        index: dotted(row.index),
        description: row.text(o::PRT_COVER_DESCRIPTION),
        status: row.number(o::PRT_COVER_STATUS).map(|status| labels::label(labels::COVER_STATUS, status)),
    };
    mib.table(&COVERS).iter().map(cover).collect()
}
