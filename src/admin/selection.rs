//! Which invocations of a cluster: the selection flags as SQL.

use super::sql::any_of;
use crate::check::Selection;
use crate::journal::InvocationId;

/// The selection, and what of it only a cluster can tell.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    pub selection: Selection,
    /// A condition in the user's own words, on the columns of `sys_invocation`: the one thing that is not quoted.
    pub condition: Option<String>,
}

impl Chosen {
    /// Conditions on `sys_invocation`; none where everything is chosen.
    pub fn sql(&self) -> Option<String> {
        let selection = &self.selection;
        let mut conditions = Vec::new();
        if !selection.invocations.is_empty() {
            // The server refuses the whole query for one id that is none.
            let ids = selection.invocations.iter().filter(|id| InvocationId::numbers(id).is_some());
            conditions.push(any_of("id", ids));
        }
        for (column, values) in [
            ("target_service_name", &selection.services),
            ("target_handler_name", &selection.handlers),
            ("pinned_deployment_id", &selection.deployments),
            ("status", &selection.statuses),
        ] {
            if !values.is_empty() {
                conditions.push(any_of(column, values));
            }
        }
        // On lines of its own: it may end in a comment.
        conditions.extend(self.condition.as_ref().map(|condition| format!("(\n{condition}\n)")));
        (!conditions.is_empty()).then(|| conditions.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_quoted_conditions() {
        assert_eq!(Chosen::default().sql(), None);
        let chosen = Chosen {
            selection: Selection {
                invocations: ["inv_1l3Hc716hrBy2a7ymYunS7YfxrkDUBIRDT".to_owned(), "' or 1=1".to_owned()].into(),
                services: vec!["O'Brien".to_owned()],
                statuses: vec!["paused".to_owned(), "backing-off".to_owned()],
                ..Selection::default()
            },
            condition: Some("retry_count > 3 -- often".to_owned()),
        };
        assert_eq!(
            chosen.sql().unwrap(),
            "id in ('inv_1l3Hc716hrBy2a7ymYunS7YfxrkDUBIRDT') and target_service_name in ('O''Brien') and \
             status in ('paused', 'backing-off') and (\nretry_count > 3 -- often\n)"
        );
    }
}
