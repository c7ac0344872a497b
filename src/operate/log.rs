//! An action log: what `apply` has asked of the server and what was done, so that a run that is killed at any moment can be
//! continued.
//!
//! A line is on the disk before the server is asked for anything, and another one when it has answered. What was asked for
//! and not answered, the next run looks up on the server.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::platform;

/// Something that `apply` asks the server to do with one invocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum ServerAction {
    Pause,
    /// On another deployment, or (without one) where it was. With what was seen just before: the server changes
    /// `modified_at` when it resumes an invocation, and a later failure has a later event.
    Resume {
        deployment: Option<String>,
        modified_at: String,
        commands: u64,
        last_event: Option<String>,
    },
    Kill,
    /// `earlier` are the restarts that there were before.
    Restart {
        deployment: String,
        from: u64,
        earlier: Vec<String>,
    },
}

/// How the action on one invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionOutcome {
    /// The invocation ended, with whatever result.
    Completed,
    /// It issued a command that was not recorded.
    Progressed,
    /// It replayed everything, and waits for something.
    Waiting,
    /// It failed again on the new deployment.
    Failed,
    /// It runs, but did nothing new within the time it was watched.
    Silent,
    /// There was nothing left to do: it went on by itself, or someone else moved it.
    Moved,
    /// It was left where it was, since it is not any more what the plan was made for.
    Left,
}

impl ActionOutcome {
    pub const ALL: [Self; 7] =
        [Self::Completed, Self::Progressed, Self::Waiting, Self::Moved, Self::Left, Self::Silent, Self::Failed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Progressed => "progressed",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Silent => "silent",
            Self::Moved => "moved",
            Self::Left => "left",
        }
    }
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum LogEvent {
    Begun {
        plan: String,
        admin_url: String,
        rehearse_version: String,
    },
    Will {
        invocation: String,
        #[serde(flatten)]
        act: ServerAction,
    },
    Did {
        invocation: String,
        #[serde(flatten)]
        act: ServerAction,
        new_invocation: Option<String>,
        recovered: bool,
    },
    Ended {
        invocation: String,
        outcome: ActionOutcome,
        detail: String,
    },
    WillRegister {
        url: String,
    },
    Registered {
        url: String,
        deployment: String,
    },
    WillRepoint {
        deployment: String,
        url: String,
    },
    Repointed {
        deployment: String,
        url: String,
    },
}

#[derive(Serialize, Deserialize)]
struct LogLine {
    at: String,
    #[serde(flatten)]
    event: LogEvent,
}

/// What earlier runs did with one invocation.
#[derive(Clone, Debug, Default)]
pub struct InvocationPast {
    /// Asked for, and not known to be done.
    pub open: Option<(ServerAction, jiff::Timestamp)>,
    /// The last action that was done.
    pub done: Option<ServerAction>,
    pub new_invocation: Option<String>,
    pub ended: Option<(ActionOutcome, String)>,
}

/// What earlier runs wrote into the log.
#[derive(Clone, Debug, Default)]
pub struct LogHistory {
    pub invocations: BTreeMap<String, InvocationPast>,
    /// Deployment ids by the candidate's URL.
    pub registered: BTreeMap<String, String>,
    plan: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{0}: {1}")]
    Io(String, io::Error),
    #[error("{0}: line {1} is not a line of a log: {2}")]
    Line(String, usize, serde_json::Error),
    #[error("{0} is the log of another plan: move it away, or apply the plan it belongs to")]
    OtherPlan(String),
    #[error("{0} is being written by another run of rehearse apply")]
    Locked(String),
}

/// A line on its way to the disk, and who waits for it.
struct PendingLine {
    text: Vec<u8>,
    written: oneshot::Sender<io::Result<()>>,
}

/// The log, locked for writing by this run.
#[derive(Debug)]
pub struct ActionLog {
    path: String,
    lines: mpsc::Sender<PendingLine>,
    _writer: JoinHandle<()>,
}

/// The log of a plan: `fix.json.log` beside `fix.json`.
pub fn log_path(plan: &Path) -> PathBuf {
    let mut name = plan.as_os_str().to_owned();
    name.push(".log");
    name.into()
}

impl ActionLog {
    /// Reads the log, and opens it for more lines.
    pub fn open(path: &Path, plan: &str) -> Result<(Self, LogHistory), LogError> {
        let name = path.display().to_string();
        let failed = |error| LogError::Io(name.clone(), error);
        // Not opened for appending: Windows would then refuse to cut off half a line.
        let mut file = match platform::open_as_only_writer(path) {
            Ok((file, locked)) => locked.map(|()| file).map_err(failed)?,
            Err(TryLockError::WouldBlock) => return Err(LogError::Locked(name)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        };
        let history = read(&mut file, &name)?;
        if history.plan.as_deref().is_some_and(|other| other != plan) {
            return Err(LogError::OtherPlan(name));
        }
        // The file's entry in its directory must be on the disk as well.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        platform::sync_directory(folder).map_err(failed)?;
        let (lines, pending) = mpsc::channel();
        let writer = std::thread::spawn(move || write_all(file, &pending));
        Ok((Self { path: name, lines, _writer: writer }, history))
    }

    /// Reads a log without locking it, whatever plan it belongs to.
    pub fn look_at(path: &Path) -> Result<LogHistory, LogError> {
        let name = path.display().to_string();
        match std::fs::read(path) {
            Ok(text) => Ok(parse(&text, &name)?.0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(LogHistory::default()),
            Err(error) => Err(LogError::Io(name, error)),
        }
    }

    /// Reads this plan's log without locking it.
    pub fn look(path: &Path, plan: &str) -> Result<LogHistory, LogError> {
        let (history, name) = (Self::look_at(path)?, path.display().to_string());
        if history.plan.as_deref().is_some_and(|other| other != plan) {
            return Err(LogError::OtherPlan(name));
        }
        Ok(history)
    }

    /// Returns when the line is on the disk.
    pub async fn write(&self, event: LogEvent) -> Result<(), LogError> {
        let line = LogLine { at: jiff::Timestamp::now().to_string(), event };
        let mut text = serde_json::to_vec(&line).map_err(|error| LogError::Io(self.path.clone(), error.into()))?;
        text.push(b'\n');
        let (written, wait) = oneshot::channel();
        let gone = || LogError::Io(self.path.clone(), io::Error::other("its writer is gone"));
        self.lines.send(PendingLine { text, written }).map_err(|_| gone())?;
        wait.await.map_err(|_| gone())?.map_err(|error| LogError::Io(self.path.clone(), error))
    }
}

/// Writes all lines that are pending, and waits for the disk once.
fn write_all(mut file: File, pending: &mpsc::Receiver<PendingLine>) {
    while let Ok(first) = pending.recv() {
        let batch: Vec<PendingLine> = std::iter::once(first).chain(pending.try_iter()).collect();
        let text: Vec<u8> = batch.iter().flat_map(|line| line.text.iter().copied()).collect();
        let done = file.write_all(&text).and_then(|()| file.sync_data());
        for line in batch {
            let done = done.as_ref().map(|_| ()).map_err(|error| io::Error::new(error.kind(), error.to_string()));
            // The task that waits may have been interrupted.
            let _ = line.written.send(done);
        }
    }
}

fn read(file: &mut File, name: &str) -> Result<LogHistory, LogError> {
    let failed = |error| LogError::Io(name.to_owned(), error);
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut text)).map_err(failed)?;
    let (history, whole) = parse(&text, name)?;
    // Half a line at the end is dropped: the server was not asked for anything before the line was whole.
    file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
    Ok(history)
}

/// The history, and how many bytes of the text are whole lines.
fn parse(text: &[u8], name: &str) -> Result<(LogHistory, usize), LogError> {
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut history = LogHistory::default();
    for (at, line) in text[..whole].split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let line: LogLine =
            serde_json::from_slice(line).map_err(|error| LogError::Line(name.to_owned(), at + 1, error))?;
        history.take(line);
    }
    Ok((history, whole))
}

impl LogHistory {
    fn take(&mut self, line: LogLine) {
        let known = &mut self.invocations;
        match line.event {
            LogEvent::Begun { plan, .. } => self.plan = Some(plan),
            LogEvent::Will { invocation, act } => {
                known.entry(invocation).or_default().open =
                    Some((act, line.at.parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH)));
            }
            LogEvent::Did { invocation, act, new_invocation, .. } => {
                let past = known.entry(invocation).or_default();
                past.open = None;
                past.done = Some(act);
                past.new_invocation = new_invocation.or(past.new_invocation.take());
            }
            LogEvent::Ended { invocation, outcome, detail } => {
                known.entry(invocation).or_default().ended = Some((outcome, detail));
            }
            LogEvent::Registered { url, deployment } => {
                self.registered.insert(url, deployment);
            }
            LogEvent::WillRegister { .. } | LogEvent::WillRepoint { .. } | LogEvent::Repointed { .. } => {}
        }
    }

    pub fn is_empty(&self) -> bool {
        self.plan.is_none()
    }

    /// Whether the action on some invocation was started and has not ended.
    pub fn is_unfinished(&self) -> bool {
        self.invocations.values().any(|past| past.ended.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn will(act: ServerAction) -> LogEvent {
        LogEvent::Will { invocation: "inv".into(), act }
    }

    fn did(act: ServerAction, new: Option<&str>) -> LogEvent {
        LogEvent::Did { invocation: "inv".into(), act, new_invocation: new.map(str::to_owned), recovered: false }
    }

    #[tokio::test]
    async fn what_was_asked_and_not_answered_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = log_path(&folder.path().join("plan.json"));
        let restart = ServerAction::Restart { deployment: "dp_1".into(), from: 3, earlier: vec!["inv_0".into()] };
        {
            let (log, history) = ActionLog::open(&path, "abc").unwrap();
            assert!(history.is_empty());
            let begun =
                LogEvent::Begun { plan: "abc".into(), admin_url: "http://x".into(), rehearse_version: "0".into() };
            log.write(begun).await.unwrap();
            log.write(will(ServerAction::Kill)).await.unwrap();
            log.write(did(ServerAction::Kill, None)).await.unwrap();
            log.write(will(restart.clone())).await.unwrap();
            assert!(matches!(ActionLog::open(&path, "abc"), Err(LogError::Locked(_))), "one run at a time");
        }
        // The writer's thread lets go of the file a moment after the log is dropped.
        while platform::open_as_only_writer(&path).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // Killed in the middle of a line.
        let torn = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&torn[..], b"{\"at\":\"2026"].concat()).unwrap();
        let opened = ActionLog::open(&path, "abc").unwrap();
        let past = &opened.1.invocations["inv"];
        assert_eq!(past.open.as_ref().unwrap().0, restart);
        assert_eq!(past.done, Some(ServerAction::Kill));
        opened.0.write(did(restart, Some("inv_2"))).await.unwrap();
        let past = &ActionLog::look(&path, "abc").unwrap().invocations["inv"];
        assert_eq!((past.open.is_none(), past.new_invocation.as_deref()), (true, Some("inv_2")));
        assert!(matches!(ActionLog::look(&path, "other"), Err(LogError::OtherPlan(_))));
    }

    #[test]
    fn a_damaged_log_is_refused_and_says_where() {
        let error = parse(b"{\"at\":\"x\",\"event\":\"begun\",\"plan\":\"p\",\"admin_url\":\"\",\"rehearse_version\":\"\"}\nnonsense\n", "log");
        assert!(error.unwrap_err().to_string().starts_with("log: line 2 "));
    }
}
