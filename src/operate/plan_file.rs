//! A plan file: reading a plan, and writing one without losing a plan that is half carried out.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::log::{ActionLog, LogError, log_path};
use super::plan::{Plan, PlanError};

#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    #[error("could not read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("could not write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Plan { path: PathBuf, source: PlanError },
    #[error(
        "{} is half carried out, as {} says: apply it again, or write the new plan to another file",
        plan.display(),
        log.display()
    )]
    HalfCarriedOut { plan: PathBuf, log: PathBuf },
    #[error(transparent)]
    Log(#[from] LogError),
}

pub fn read_plan(path: &Path) -> Result<Plan, PlanFileError> {
    let text = std::fs::read(path).map_err(|source| PlanFileError::Read { path: path.to_owned(), source })?;
    Plan::read(&text).map_err(|source| PlanFileError::Plan { path: path.to_owned(), source })
}

/// Makes room for a new plan at this path: renames the log of the plan that was there. A plan that is half carried out is
/// not replaced, since what was started would be forgotten.
pub fn set_log_aside(plan: &Path) -> Result<(), PlanFileError> {
    let log = log_path(plan);
    let history = ActionLog::look_at(&log)?;
    if history.is_unfinished() {
        return Err(PlanFileError::HalfCarriedOut { plan: plan.to_owned(), log });
    }
    if history.is_empty() {
        return Ok(());
    }
    let mut old = log.clone().into_os_string();
    old.push(".old");
    std::fs::rename(&log, &old).map_err(|source| PlanFileError::Write { path: log, source })
}

/// Writes the whole plan or nothing, so that nobody applies half of one.
pub fn write_plan(plan: &Plan, path: &Path) -> Result<(), PlanFileError> {
    let failed = |source| PlanFileError::Write { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    serde_json::to_writer_pretty(&mut temporary, plan).map_err(|error| failed(error.into()))?;
    writeln!(temporary).and_then(|()| temporary.as_file().sync_all()).map_err(failed)?;
    temporary.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
