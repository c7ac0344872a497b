//! A candidate of an audit: how the user names it, its URL, and the registered deployment that it is.

use super::deployments::same_endpoint;
use crate::admin::RegisteredDeployment;
use crate::transport::Candidate;

/// A candidate before it is discovered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateAddress {
    /// A URL, or the ARN of a Lambda function.
    pub url: String,
    /// The id under which it is registered; `None` while it is not.
    pub deployment: Option<String>,
}

/// Finds a candidate by its URL, its ARN, or the id of a registered deployment; `None` if `name` is none of these.
pub fn find_candidate(name: &str, registered: &[RegisteredDeployment]) -> Option<CandidateAddress> {
    if let Some(deployment) = registered.iter().find(|deployment| deployment.id == name) {
        return Some(CandidateAddress {
            url: deployment.endpoint().to_owned(),
            deployment: Some(deployment.id.clone()),
        });
    }
    if !Candidate::is_named_by(name) {
        return None;
    }
    // Where several deployments share an endpoint, the latest one stands for it.
    let same = registered.iter().filter(|deployment| same_endpoint(deployment.endpoint(), name));
    let latest = same.max_by(|one, other| one.created_at.cmp(&other.created_at));
    Some(CandidateAddress { url: name.to_owned(), deployment: latest.map(|deployment| deployment.id.clone()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_named_by_url_or_by_id() {
        let registered = |id: &str, created: &str| -> RegisteredDeployment {
            let json = serde_json::json!({"id": id, "uri": "http://host:9080/", "created_at": created});
            serde_json::from_value(json).unwrap()
        };
        let all = [registered("dp_1", "1"), registered("dp_3", "3"), registered("dp_2", "2")];
        let found = |name: &str| find_candidate(name, &all).map(|candidate| candidate.deployment);
        assert_eq!(found("dp_2"), Some(Some("dp_2".to_owned())));
        assert_eq!(found("http://HOST:9080"), Some(Some("dp_3".to_owned())));
        assert_eq!(found("http://other:9080"), Some(None));
        assert_eq!(found("dp_9"), None);
    }
}
