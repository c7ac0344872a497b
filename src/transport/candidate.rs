//! Candidate: a deployment that journals are replayed on, reached over HTTP or through AWS Lambda.

use bytes::Bytes;
use tokio::time::Instant;
#[cfg(feature = "lambda")]
use tokio::time::timeout_at;

use super::failure::HttpError;
use super::http::{Endpoint, Page};
use super::invoke::Invoke;
#[cfg(feature = "lambda")]
use super::lambda::{Function, LambdaError};
use super::options::Transport;
use crate::replay::{Answer, Listen};

#[derive(Debug)]
pub enum Candidate {
    Http(Box<Endpoint>),
    #[cfg(feature = "lambda")]
    Lambda(Box<Function>),
}

/// Why a candidate did not answer.
#[derive(Debug, thiserror::Error)]
pub enum CandidateError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[cfg(feature = "lambda")]
    #[error(transparent)]
    Lambda(#[from] LambdaError),
    #[cfg(not(feature = "lambda"))]
    #[error("this build does not reach Lambda functions: install a released binary, or build with --features lambda")]
    NoLambda,
}

impl Candidate {
    /// Whether this text names a deployment: a URL, or the ARN of a Lambda function.
    pub fn is_named_by(text: &str) -> bool {
        ["http://", "https://", "arn:"].iter().any(|scheme| text.starts_with(scheme))
    }

    pub async fn new(name: &str, transport: Transport) -> Result<Self, CandidateError> {
        if name.starts_with("arn:") {
            #[cfg(feature = "lambda")]
            return Ok(Self::Lambda(Box::new(Function::new(name, transport).await?)));
            #[cfg(not(feature = "lambda"))]
            return Err(CandidateError::NoLambda);
        }
        Ok(Self::Http(Box::new(Endpoint::new(name, transport)?)))
    }

    /// Its URL or ARN.
    pub fn name(&self) -> &str {
        match self {
            Self::Http(endpoint) => endpoint.url(),
            #[cfg(feature = "lambda")]
            Self::Lambda(function) => function.arn().as_str(),
        }
    }

    pub async fn get(&self, path: &str, accept: &str) -> Result<Page, CandidateError> {
        match self {
            Self::Http(endpoint) => Ok(endpoint.get(path, accept).await?),
            #[cfg(feature = "lambda")]
            Self::Lambda(function) => Ok(Box::pin(function.get(path, accept)).await?),
        }
    }

    /// The time at which a request that is sent now has to be answered.
    pub fn deadline(&self) -> Instant {
        match self {
            Self::Http(endpoint) => endpoint.deadline(),
            #[cfg(feature = "lambda")]
            Self::Lambda(function) => Instant::now() + function.timeout(),
        }
    }

    /// One attempt, given up at the deadline: sends a whole body, and reads the answer until it is decided.
    pub async fn attempt_until(
        &self,
        deadline: Instant,
        target: &Invoke<'_>,
        body: Bytes,
        listen: Listen,
    ) -> Result<Answer, CandidateError> {
        match self {
            Self::Http(endpoint) => Ok(endpoint.attempt_until(deadline, target, body, listen).await?),
            #[cfg(feature = "lambda")]
            Self::Lambda(function) => {
                // On the heap: the AWS SDK's futures are large, and nested too deep for the compiler where all is one.
                let attempt = timeout_at(deadline, Box::pin(function.attempt(target, body, listen)));
                Ok(attempt.await.map_err(|_| HttpError::TimedOut(function.timeout()))??)
            }
        }
    }
}

impl From<Endpoint> for Candidate {
    fn from(endpoint: Endpoint) -> Self {
        Self::Http(Box::new(endpoint))
    }
}
