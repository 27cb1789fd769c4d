//! Covers: the rows of `prtCoverTable`.

use wire::reading::Cover;

use super::labels;
use super::mib::Mib;
use super::objects as o;
use super::oid::dotted;
use super::plan::COVERS;

/// The rows.
pub(crate) fn covers(mib: &Mib) -> Vec<Cover> {
    let cover = |row: &&[u32]| Cover {
        index: dotted(row),
        description: mib.text(o::PRT_COVER_DESCRIPTION, row),
        status: mib
            .number(o::PRT_COVER_STATUS, row)
            .map(|status| labels::label(labels::COVER_STATUS, status)),
    };
    mib.instances(&COVERS).iter().map(cover).collect()
}
