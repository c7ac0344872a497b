//! What an operator does with a running cluster: find what is stuck and why, plan what to do, and carry the plan out.

mod apply;
mod audit;
mod candidates;
mod cause;
mod command_lines;
mod decide;
mod deployments;
mod judge;
mod judge_audit;
mod log;
mod matrix;
mod message_template;
mod observe;
mod plan;
mod plan_file;
mod prefix;
mod repoint;
mod report;
mod stuck;
mod targets;
mod turn;
mod watch;

pub use apply::{Applier, ApplyConclusion, ApplySummary, went_as_planned};
pub use audit::ClusterAudit;
pub use candidates::{CandidateAddress, find_candidate};
pub use cause::{OldestStuck, StuckCause};
pub use command_lines::shell_word;
pub use deployments::{DeploymentSurvey, same_endpoint};
pub use judge::RestartSearch;
pub use judge_audit::{AuditJudging, AuditScope, JudgingProgress, judge_audit};
pub use log::{ActionLog, ActionOutcome, LogError, LogEvent, LogHistory, log_path};
pub use matrix::{CandidateVerdict, InvocationVerdicts, Matrix, MatrixCell, MatrixRow, MatrixSubject, RestartPoint};
pub use plan::{ActionKind, Plan, PlanCandidate, PlanError, PlannedAction, is_deployment_id};
pub use plan_file::{PlanFileError, read_plan, set_log_aside, write_plan};
pub use repoint::{RepointCheck, RepointError, RepointOutcome, repoint};
pub use report::{AuditConclusion, AuditReport, HelpCounts};
pub use stuck::{FailingStep, FailureCause, Stuck, StuckStatus};
pub use targets::{
    RegisterError, Registration, ResumeTarget, TargetError, locate_candidates, needed_candidates, register_candidate,
};
pub use turn::{ActionRunner, TurnResult, UnfinishedTurn};
pub use watch::Watcher;
