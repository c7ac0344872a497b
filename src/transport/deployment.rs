//! A deployment, whatever it is reached through.

use bytes::Bytes;
use tokio::time::Instant;
#[cfg(feature = "lambda")]
use tokio::time::timeout_at;

use super::http::{Endpoint, HttpError, Page, Transport};
use super::invoke::Invoke;
#[cfg(feature = "lambda")]
use super::lambda::{Function, LambdaError};
use crate::replay::{Answer, Listen};

#[derive(Debug)]
pub enum Deployment {
    Http(Box<Endpoint>),
    #[cfg(feature = "lambda")]
    Lambda(Box<Function>),
}

/// Why a deployment did not answer.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[cfg(feature = "lambda")]
    #[error(transparent)]
    Lambda(#[from] LambdaError),
    #[cfg(not(feature = "lambda"))]
    #[error("this build does not reach Lambda functions: it was made without the feature `lambda`")]
    NoLambda,
}

impl Deployment {
    /// Whether this text names a deployment: a URL, or the ARN of a Lambda function.
    pub fn is_named_by(text: &str) -> bool {
        ["http://", "https://", "arn:"].iter().any(|scheme| text.starts_with(scheme))
    }

    pub async fn new(name: &str, transport: Transport) -> Result<Self, DeploymentError> {
        if name.starts_with("arn:") {
            #[cfg(feature = "lambda")]
            return Ok(Self::Lambda(Box::new(Function::new(name, transport).await?)));
            #[cfg(not(feature = "lambda"))]
            return Err(DeploymentError::NoLambda);
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

    pub async fn get(&self, path: &str, accept: &str) -> Result<Page, DeploymentError> {
        match self {
            Self::Http(endpoint) => Ok(endpoint.get(path, accept).await?),
            #[cfg(feature = "lambda")]
            Self::Lambda(function) => Box::pin(function.get(path, accept)).await,
        }
    }

    /// When what begins now has to have its answer.
    pub fn deadline(&self) -> Instant {
        match self {
            Self::Http(endpoint) => endpoint.deadline(),
            #[cfg(feature = "lambda")]
            Self::Lambda(function) => Instant::now() + function.timeout(),
        }
    }

    /// One attempt that has to be over by then: sends a whole body, and reads the answer until it is known.
    pub async fn attempt_until(
        &self,
        deadline: Instant,
        target: &Invoke<'_>,
        body: Bytes,
        listen: Listen,
    ) -> Result<Answer, DeploymentError> {
        match self {
            Self::Http(endpoint) => Ok(endpoint.attempt_until(deadline, target, body, listen).await?),
            #[cfg(feature = "lambda")]
            Self::Lambda(function) => {
                // On the heap: the AWS SDK's futures are large, and nested too deep for the compiler where all is one.
                let attempt = timeout_at(deadline, Box::pin(function.attempt(target, body, listen)));
                attempt.await.unwrap_or_else(|_| Err(HttpError::TimedOut(function.timeout()).into()))
            }
        }
    }
}

impl DeploymentError {
    /// Whether the candidate was under way, and what it had done until it was stopped is lost: a Lambda function gives a
    /// whole answer or none.
    pub fn is_a_lost_answer(&self) -> bool {
        match self {
            #[cfg(feature = "lambda")]
            Self::Lambda(LambdaError::Failed(_)) => true,
            _ => false,
        }
    }
}

impl From<Endpoint> for Deployment {
    fn from(endpoint: Endpoint) -> Self {
        Self::Http(Box::new(endpoint))
    }
}
