//! `rehearse completions` and `rehearse man`: generated from the definitions of the flags.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::failure::{Failure, Status};

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rehearse completions bash > /etc/bash_completion.d/rehearse
  rehearse completions zsh > ~/.zfunc/_rehearse
  rehearse completions fish > ~/.config/fish/completions/rehearse.fish")]
pub struct CompletionsCommand {
    /// The shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsCommand {
    pub fn run(&self) -> Result<Status, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "rehearse", &mut script);
        print(&script)
    }
}

/// Print the man page, which includes the subcommands
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  rehearse man > /usr/local/share/man/man1/rehearse.1")]
pub struct ManCommand {}

impl ManCommand {
    pub fn run(&self) -> Result<Status, Failure> {
        let mut page = Vec::new();
        let mut cli = Cli::command();
        cli.build();
        let written = clap_mangen::Man::new(cli.clone()).render(&mut page);
        let written = written.and_then(|()| {
            cli.get_subcommands().filter(|command| command.get_name() != "help").try_for_each(|command| {
                let man = clap_mangen::Man::new(command.clone());
                writeln!(page, ".SH \"REHEARSE {}\"", command.get_name().to_uppercase())?;
                man.render_synopsis_section(&mut page)?;
                man.render_description_section(&mut page)?;
                man.render_options_section(&mut page)
            })
        });
        written.map_err(stdout_failure)?;
        print(&page)
    }
}

fn print(bytes: &[u8]) -> Result<Status, Failure> {
    io::stdout().lock().write_all(bytes).map_err(stdout_failure)?;
    Ok(Status::Compatible)
}

fn stdout_failure(source: io::Error) -> Failure {
    Failure::Output { to: "standard output".to_owned(), source }
}
