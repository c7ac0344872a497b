//! The inputs that a command line names: files, standard input, clusters.

use std::ffi::OsString;

use super::access::is_url;
use super::cluster::ClusterFlags;
use super::failure::Failure;
use super::flags::Select;
use crate::source::Input;

/// The inputs for the journals named on the command line. The journals of a cluster are fetched here.
pub fn journals(names: &[OsString], cluster: &ClusterFlags, select: &Select) -> Result<Vec<Input>, Failure> {
    let mut inputs = Vec::new();
    let urls = names.iter().filter_map(|name| name.to_str()).filter(|name| is_url(name)).count();
    if urls == 0 {
        cluster.reading.check_without_cluster()?;
    }
    for name in names {
        match name.to_str().filter(|name| is_url(name)) {
            Some(url) => inputs.push(Input::Copied(cluster.fetch(url, select)?)),
            None => add_input(&mut inputs, name)?,
        }
    }
    Ok(inputs)
}

/// The inputs for the traces named on the command line.
pub fn traces(names: &[OsString]) -> Result<Vec<Input>, Failure> {
    let mut inputs = Vec::new();
    for name in names {
        add_input(&mut inputs, name)?;
    }
    Ok(inputs)
}

fn add_input(inputs: &mut Vec<Input>, name: &OsString) -> Result<(), Failure> {
    if name.to_string_lossy().starts_with("arn:") {
        return Err(Failure::Usage(format!(
            "{} is a deployment, and deployments are given to --against",
            name.display()
        )));
    }
    let input = if name == "-" { Input::Stdin } else { Input::Path(name.into()) };
    if input == Input::Stdin && inputs.contains(&input) {
        return Err(Failure::Usage("standard input can be read only once".to_owned()));
    }
    inputs.push(input);
    Ok(())
}
