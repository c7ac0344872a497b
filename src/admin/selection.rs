//! Selection on a cluster: the selection flags as a condition on `sys_invocation`.

use super::sql::any_of;
use crate::check::Selection;
use crate::journal::{InvocationColumn, InvocationId};

/// The selection flags, and the condition in SQL that only a cluster can evaluate.
#[derive(Clone, Debug, Default)]
pub struct ClusterSelection {
    pub selection: Selection,
    /// A condition in SQL on the columns of `sys_invocation`, as the user wrote it: the only text that is not quoted.
    pub condition: Option<String>,
}

impl ClusterSelection {
    /// A condition on `sys_invocation`; `None` where everything is selected.
    pub fn sql(&self) -> Option<String> {
        let selection = &self.selection;
        let mut conditions = Vec::new();
        if !selection.invocations.is_empty() {
            // The server refuses the whole query for one malformed id.
            let ids = selection.invocations.iter().filter(|id| InvocationId::numbers(id).is_some());
            conditions.push(any_of("id", ids));
        }
        for (column, values) in [
            (InvocationColumn::Service, &selection.services),
            (InvocationColumn::Handler, &selection.handlers),
            (InvocationColumn::Deployment, &selection.deployments),
            (InvocationColumn::Status, &selection.statuses),
        ] {
            if !values.is_empty() {
                conditions.push(any_of(column.name(), values));
            }
        }
        // The user's condition gets lines of its own, since it may end in a comment.
        conditions.extend(self.condition.as_ref().map(|condition| format!("(\n{condition}\n)")));
        (!conditions.is_empty()).then(|| conditions.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_quoted_conditions() {
        assert_eq!(ClusterSelection::default().sql(), None);
        let selected = ClusterSelection {
            selection: Selection {
                invocations: ["inv_1l3Hc716hrBy2a7ymYunS7YfxrkDUBIRDT".to_owned(), "' or 1=1".to_owned()].into(),
                services: vec!["O'Brien".to_owned()],
                statuses: vec!["paused".to_owned(), "backing-off".to_owned()],
                ..Selection::default()
            },
            condition: Some("retry_count > 3 -- often".to_owned()),
        };
        assert_eq!(
            selected.sql().unwrap(),
            "id in ('inv_1l3Hc716hrBy2a7ymYunS7YfxrkDUBIRDT') and target_service_name in ('O''Brien') and \
             status in ('paused', 'backing-off') and (\nretry_count > 3 -- often\n)"
        );
    }
}
