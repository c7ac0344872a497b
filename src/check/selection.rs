//! The selection: which journals a command takes.

use std::collections::BTreeSet;

use crate::journal::{IdOrder, InvocationInfo, Journal};
use crate::source::{Corpus, Ids, Journals};

/// Conditions on an invocation, all of which must hold. An empty list is no condition.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub invocations: BTreeSet<String>,
    pub services: Vec<String>,
    pub handlers: Vec<String>,
    pub deployments: Vec<String>,
    pub statuses: Vec<String>,
    /// At most this many journals, in the order of ids.
    pub limit: Option<u64>,
}

impl Selection {
    /// Whether an invocation fulfils every condition. A value that is not known fulfils no condition on it.
    pub fn fits(&self, id: &str, info: &InvocationInfo) -> bool {
        let one_of = |wanted: &[String], have: Option<&str>| {
            wanted.is_empty() || have.is_some_and(|have| wanted.iter().any(|wanted| wanted == have))
        };
        let target = info.service_and_handler();
        (self.invocations.is_empty() || self.invocations.contains(id))
            && one_of(&self.services, target.as_ref().map(|(service, _)| service.as_str()))
            && one_of(&self.handlers, target.as_ref().map(|(_, handler)| handler.as_str()))
            && one_of(&self.deployments, info.deployment.as_deref())
            && one_of(&self.statuses, info.status.as_deref())
    }

    /// The selected journals of a corpus, in the order of ids.
    pub fn journals<'a>(
        &'a self,
        corpus: &'a Corpus,
        ids: &'a Ids,
    ) -> impl Iterator<Item = (IdOrder, InvocationInfo, Result<Journal, String>)> + 'a {
        Journals::new(corpus, ids)
            .filter(|(order, info, _)| self.fits(ids.id(*order).as_str(), info))
            .take(usize::try_from(self.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX))
    }

    /// Whether there is no condition. The limit does not count as one.
    pub fn is_everything(&self) -> bool {
        self.invocations.is_empty()
            && self.services.is_empty()
            && self.handlers.is_empty()
            && self.deployments.is_empty()
            && self.statuses.is_empty()
    }
}
