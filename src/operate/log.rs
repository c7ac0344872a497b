//! What was done, written down before and after: a run that is killed at any moment is taken up where it was.
//!
//! A line is on the disk before the server is asked for anything, and again when it has answered. What was asked for
//! and not answered is looked up on the server by the next run.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// Something that is asked of the server about one invocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Act {
    Pause,
    /// On another deployment, or where it was. With what was seen just before: the server changes `modified_at` when it
    /// resumes, and what fails afterwards has a later event.
    Resume {
        deployment: Option<String>,
        modified_at: String,
        commands: u64,
        last_event: Option<String>,
    },
    Kill,
    /// With the restarts that there were already.
    Restart {
        deployment: String,
        from: u64,
        earlier: Vec<String>,
    },
}

/// How it went with one invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It ended, whatever with.
    Completed,
    /// It issued a command that was not recorded.
    Progressed,
    /// It replayed everything and waits for something.
    Waiting,
    /// It failed again on the new deployment.
    Failed,
    /// It runs, and nothing new was seen of it in time.
    Silent,
    /// Nothing was to be done any more: it went on by itself, or someone else moved it.
    Moved,
    /// It was left where it was: what the plan was made on is no longer so.
    Left,
}

impl Outcome {
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
pub enum Event {
    Begun {
        plan: String,
        admin_url: String,
        rehearse_version: String,
    },
    Will {
        invocation: String,
        #[serde(flatten)]
        act: Act,
    },
    Did {
        invocation: String,
        #[serde(flatten)]
        act: Act,
        new_invocation: Option<String>,
        recovered: bool,
    },
    Ended {
        invocation: String,
        outcome: Outcome,
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
struct Line {
    at: String,
    #[serde(flatten)]
    event: Event,
}

/// What the log says of one invocation.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Asked for, and not known to be done.
    pub open: Option<(Act, jiff::Timestamp)>,
    /// The last that was done.
    pub done: Option<Act>,
    pub new_invocation: Option<String>,
    pub ended: Option<(Outcome, String)>,
}

/// All that earlier runs wrote.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub invocations: BTreeMap<String, Past>,
    /// By the candidate's URL.
    pub registered: BTreeMap<String, String>,
    plan: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{0}: {1}")]
    Io(String, io::Error),
    #[error("{0}: line {1} is no line of a log: {2}")]
    Line(String, usize, serde_json::Error),
    #[error("{0} is the log of another plan: move it away, or apply the plan it belongs to")]
    OtherPlan(String),
    #[error("{0} is being written by another run of rehearse apply")]
    Locked(String),
}

type Request = (Vec<u8>, oneshot::Sender<io::Result<()>>);

/// The log, open for writing by this run alone.
#[derive(Debug)]
pub struct Log {
    path: String,
    lines: mpsc::Sender<Request>,
    _writer: JoinHandle<()>,
}

/// `fix.json.log` beside `fix.json`.
pub fn beside(plan: &Path) -> PathBuf {
    let mut name = plan.as_os_str().to_owned();
    name.push(".log");
    name.into()
}

impl Log {
    /// Reads what is there, and opens it for more.
    pub fn open(path: &Path, plan: &str) -> Result<(Self, History), LogError> {
        let name = path.display().to_string();
        let failed = |error| LogError::Io(name.clone(), error);
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LogError::Locked(name)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let history = read(&mut file, &name)?;
        if history.plan.as_deref().is_some_and(|other| other != plan) {
            return Err(LogError::OtherPlan(name));
        }
        // The file's own entry in its directory has to last as well.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        let (lines, requests) = mpsc::channel();
        let writer = std::thread::spawn(move || write_all(file, &requests));
        Ok((Self { path: name, lines, _writer: writer }, history))
    }

    /// Reads a log without taking it, whatever plan it belongs to.
    pub fn look_at(path: &Path) -> Result<History, LogError> {
        let name = path.display().to_string();
        match std::fs::read(path) {
            Ok(text) => Ok(parse(&text, &name)?.0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(History::default()),
            Err(error) => Err(LogError::Io(name, error)),
        }
    }

    /// Reads this plan's log without taking it.
    pub fn look(path: &Path, plan: &str) -> Result<History, LogError> {
        let (history, name) = (Self::look_at(path)?, path.display().to_string());
        if history.plan.as_deref().is_some_and(|other| other != plan) {
            return Err(LogError::OtherPlan(name));
        }
        Ok(history)
    }

    /// Returns when the line is on the disk.
    pub async fn write(&self, event: Event) -> Result<(), LogError> {
        let line = Line { at: jiff::Timestamp::now().to_string(), event };
        let mut text = serde_json::to_vec(&line).map_err(|error| LogError::Io(self.path.clone(), error.into()))?;
        text.push(b'\n');
        let (written, wait) = oneshot::channel();
        let gone = || LogError::Io(self.path.clone(), io::Error::other("its writer is gone"));
        self.lines.send((text, written)).map_err(|_| gone())?;
        wait.await.map_err(|_| gone())?.map_err(|error| LogError::Io(self.path.clone(), error))
    }
}

/// Many lines, one wait for the disk.
fn write_all(mut file: File, requests: &mpsc::Receiver<Request>) {
    while let Ok(first) = requests.recv() {
        let batch: Vec<Request> = std::iter::once(first).chain(requests.try_iter()).collect();
        let text: Vec<u8> = batch.iter().flat_map(|(text, _)| text.iter().copied()).collect();
        let done = file.write_all(&text).and_then(|()| file.sync_data());
        for (_, written) in batch {
            let done = done.as_ref().map(|_| ()).map_err(|error| io::Error::new(error.kind(), error.to_string()));
            // Whoever asked may have been interrupted.
            let _ = written.send(done);
        }
    }
}

fn read(file: &mut File, name: &str) -> Result<History, LogError> {
    let failed = |error| LogError::Io(name.to_owned(), error);
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut text)).map_err(failed)?;
    let (history, whole) = parse(&text, name)?;
    // Half a line at the end: nothing was asked on its account.
    file.set_len(whole as u64).map_err(failed)?;
    Ok(history)
}

/// The history, and how much of the text is whole lines.
fn parse(text: &[u8], name: &str) -> Result<(History, usize), LogError> {
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut history = History::default();
    for (at, line) in text[..whole].split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let line: Line =
            serde_json::from_slice(line).map_err(|error| LogError::Line(name.to_owned(), at + 1, error))?;
        history.take(line);
    }
    Ok((history, whole))
}

impl History {
    fn take(&mut self, line: Line) {
        let known = &mut self.invocations;
        match line.event {
            Event::Begun { plan, .. } => self.plan = Some(plan),
            Event::Will { invocation, act } => {
                known.entry(invocation).or_default().open =
                    Some((act, line.at.parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH)));
            }
            Event::Did { invocation, act, new_invocation, .. } => {
                let past = known.entry(invocation).or_default();
                past.open = None;
                past.done = Some(act);
                past.new_invocation = new_invocation.or(past.new_invocation.take());
            }
            Event::Ended { invocation, outcome, detail } => {
                known.entry(invocation).or_default().ended = Some((outcome, detail));
            }
            Event::Registered { url, deployment } => {
                self.registered.insert(url, deployment);
            }
            Event::WillRegister { .. } | Event::WillRepoint { .. } | Event::Repointed { .. } => {}
        }
    }

    pub fn is_empty(&self) -> bool {
        self.plan.is_none()
    }

    /// Whether something was begun and has not ended.
    pub fn is_unfinished(&self) -> bool {
        self.invocations.values().any(|past| past.ended.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn will(act: Act) -> Event {
        Event::Will { invocation: "inv".into(), act }
    }

    fn did(act: Act, new: Option<&str>) -> Event {
        Event::Did { invocation: "inv".into(), act, new_invocation: new.map(str::to_owned), recovered: false }
    }

    #[tokio::test]
    async fn what_was_asked_and_not_answered_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = beside(&folder.path().join("plan.json"));
        let restart = Act::Restart { deployment: "dp_1".into(), from: 3, earlier: vec!["inv_0".into()] };
        {
            let (log, history) = Log::open(&path, "abc").unwrap();
            assert!(history.is_empty());
            let begun = Event::Begun { plan: "abc".into(), admin_url: "http://x".into(), rehearse_version: "0".into() };
            log.write(begun).await.unwrap();
            log.write(will(Act::Kill)).await.unwrap();
            log.write(did(Act::Kill, None)).await.unwrap();
            log.write(will(restart.clone())).await.unwrap();
            assert!(matches!(Log::open(&path, "abc"), Err(LogError::Locked(_))), "one run at a time");
        }
        // Killed in the middle of a line.
        let torn = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&torn[..], b"{\"at\":\"2026"].concat()).unwrap();
        let opened = loop {
            // The writer's thread lets go of the file a moment after the log is dropped.
            match Log::open(&path, "abc") {
                Err(LogError::Locked(_)) => std::thread::sleep(std::time::Duration::from_millis(5)),
                other => break other.unwrap(),
            }
        };
        let past = &opened.1.invocations["inv"];
        assert_eq!(past.open.as_ref().unwrap().0, restart);
        assert_eq!(past.done, Some(Act::Kill));
        opened.0.write(did(restart, Some("inv_2"))).await.unwrap();
        let past = &Log::look(&path, "abc").unwrap().invocations["inv"];
        assert_eq!((past.open.is_none(), past.new_invocation.as_deref()), (true, Some("inv_2")));
        assert!(matches!(Log::look(&path, "other"), Err(LogError::OtherPlan(_))));
    }

    #[test]
    fn a_damaged_log_is_refused_and_says_where() {
        let error = parse(b"{\"at\":\"x\",\"event\":\"begun\",\"plan\":\"p\",\"admin_url\":\"\",\"rehearse_version\":\"\"}\nnonsense\n", "log");
        assert!(error.unwrap_err().to_string().starts_with("log: line 2 "));
    }
}
