//! Journals of a few invocations, straight from the cluster.

use super::copy::{CopyError, Pace, copy};
use super::part_file::{Begun, Recording};
use crate::admin::Chosen;
use crate::admin::{Admin, AdminError};
use crate::check::Selection;
use crate::source::{CopiedJournals, Corpus, Ids, Input, SourceError, open};

#[derive(Debug, thiserror::Error)]
pub enum JournalsError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl JournalsError {
    /// Whether the same may succeed a little later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Admin(error) | Self::Copy(CopyError::Admin(error)) => error.is_passing(),
            _ => false,
        }
    }
}

/// Whole journals of these invocations.
pub async fn fetch(admin: &Admin, ids: &[String]) -> Result<(Corpus, Ids), JournalsError> {
    let selection = Selection { invocations: ids.iter().cloned().collect(), ..Selection::default() };
    let chosen = Chosen { selection, condition: None };
    let mut recording = Recording::temporary().map_err(CopyError::from)?;
    copy(admin, &chosen, Pace::default(), Begun::default(), &mut recording, &mut |_, _| {}).await?;
    let file = recording.finish().map_err(CopyError::from)?;
    let (corpus, _, ids) = open(&[Input::Copied(CopiedJournals { name: admin.url(), file })], &[])?;
    Ok((corpus, ids))
}
