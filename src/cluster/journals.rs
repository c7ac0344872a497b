//! Journals of a few invocations, straight from the cluster.

use std::io::Write;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::admin::{Admin, AdminError};
use super::sql::any_of;
use crate::source::{Corpus, Ids, Input, SourceError, open};

#[derive(Debug, thiserror::Error)]
pub enum JournalsError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("could not keep journals in a temporary file: {0}")]
    Spool(#[from] std::io::Error),
}

/// A stream that was cut is asked for again this often.
const TRIES: u32 = 5;

const COLUMNS: &str = "j.id, j.index, j.entry_type, j.raw, j.version, i.target, i.target_service_name, \
    i.target_service_key, i.target_handler_name, i.target_service_ty, i.status, i.pinned_deployment_id, \
    i.pinned_service_protocol_version, i.created_at";

/// The journals, in a file that is gone when this is.
#[derive(Debug)]
pub struct Fetched {
    pub corpus: Corpus,
    pub ids: Ids,
    _file: NamedTempFile,
}

/// Fetches whole journals.
pub async fn fetch(admin: &Admin, ids: &[String]) -> Result<Fetched, JournalsError> {
    let sql = format!(
        "select {COLUMNS} from sys_journal j join sys_invocation i on i.id = j.id where {} order by j.id, j.index",
        any_of("j.id", ids)
    );
    let mut tries = 0;
    let file = loop {
        tries += 1;
        match download(admin, &sql).await {
            Err(JournalsError::Admin(error)) if error.is_passing() && tries < TRIES => {
                tracing::info!(%error, "asking for the journals again");
                tokio::time::sleep(Duration::from_millis(200) * 2u32.pow(tries)).await;
            }
            done => break done?,
        }
    };
    let (corpus, _, ids) = open(&[Input::Path(file.path().to_owned())], &[])?;
    Ok(Fetched { corpus, ids, _file: file })
}

async fn download(admin: &Admin, sql: &str) -> Result<NamedTempFile, JournalsError> {
    let mut file = NamedTempFile::new()?;
    let mut download = admin.query_arrow(sql).await?;
    while let Some(bytes) = download.next().await? {
        file.write_all(&bytes)?;
    }
    file.flush()?;
    Ok(file)
}
