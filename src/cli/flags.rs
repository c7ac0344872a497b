//! The flags that several commands share.

use clap::{Args, ValueEnum};

use crate::check::Selection;
use crate::rules::Redaction;

/// The flags of every command.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// When to colour the output
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Print more: every invocation, and progress messages; repeat for debug logs
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Worker threads [default: one per core]
    #[arg(short, long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
}

/// When to colour the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// Which invocations to take. Different conditions must all hold; repeated values of one condition are alternatives
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Selection")]
pub struct Select {
    /// Only this invocation
    #[arg(long, value_name = "ID")]
    pub invocation: Vec<String>,
    /// Only invocations of this service
    #[arg(long, value_name = "NAME")]
    pub service: Vec<String>,
    /// Only invocations of this handler
    #[arg(long, value_name = "NAME")]
    pub handler: Vec<String>,
    /// Only invocations pinned to this deployment
    #[arg(long, value_name = "ID")]
    pub deployment: Vec<String>,
    /// Only invocations with this status (running, paused, backing-off, suspended, completed, …)
    #[arg(long, value_name = "STATUS")]
    pub status: Vec<String>,
    /// At most this many invocations, in the order in which the server stores them
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

impl Select {
    pub fn selection(&self) -> Selection {
        Selection {
            invocations: self.invocation.iter().cloned().collect(),
            services: self.service.clone(),
            handlers: self.handler.clone(),
            deployments: self.deployment.clone(),
            statuses: self.status.clone(),
            limit: self.limit,
        }
    }
}

#[derive(Clone, Copy, Debug, Args)]
pub struct Redact {
    /// Hide payload values, and show their sizes instead
    #[arg(long)]
    pub redact: bool,
}

impl Redact {
    pub fn redaction(self) -> Redaction {
        if self.redact { Redaction::Hidden } else { Redaction::Shown }
    }
}
