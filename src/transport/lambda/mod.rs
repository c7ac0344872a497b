//! Function: a candidate on AWS Lambda. The AWS SDK finds credentials, profile and endpoint in its usual places, and
//! makes the retries.

mod arn;
mod envelope;

use std::error::Error;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use super::failure::HttpError;
use super::http::Page;
use super::invoke::{Invoke, header};
use super::options::Transport;
use crate::replay::{Answer, AnswerReader, Listen};

pub use arn::{Arn, ArnError};

/// A Lambda function whose handler is a Restate SDK's.
#[derive(Debug)]
pub struct Function {
    arn: Arn,
    client: Client,
    transport: Transport,
}

#[derive(Debug, thiserror::Error)]
pub enum LambdaError {
    #[error(transparent)]
    Arn(#[from] ArnError),
    /// What the function answers is as wrong as it would be over HTTP, or it does not answer in time.
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(
        "there are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with the AWS CLI"
    )]
    NoCredentials,
    #[error("could not get AWS credentials: {0}")]
    Credentials(String),
    #[error("could not reach Lambda: {0}")]
    Unreachable(String),
    #[error("Lambda refuses the call ({code}: {message}){}", hint(code))]
    Refused { code: String, message: String },
    #[error("the function failed: {0}")]
    Failed(String),
    #[error("{0} is no answer of a Restate service: the function's handler has to be the one of Restate's SDK")]
    Foreign(String),
}

/// What to do when Lambda refuses a call.
fn hint(code: &str) -> &'static str {
    match code {
        "AccessDeniedException" => ": the credentials need lambda:InvokeFunction on it",
        "ResourceNotFoundException" => ": is the version in the ARN published?",
        "TooManyRequestsException" | "ThrottlingException" | "EC2ThrottledException" => {
            ": it is throttled, also after a while; lower --concurrency, or raise the function's"
        }
        "RequestTooLargeException" | "RequestEntityTooLargeException" => {
            ": Lambda takes 6 MB, and base64 makes a journal a third longer"
        }
        "ExpiredTokenException" | "UnrecognizedClientException" | "InvalidSignatureException" => {
            ": the AWS credentials are not, or not any more, valid"
        }
        _ => "",
    }
}

impl Function {
    /// Finds credentials, without calling the function yet.
    pub async fn new(arn: &str, transport: Transport) -> Result<Self, LambdaError> {
        let arn: Arn = arn.parse()?;
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let region = Region::new(arn.region().to_owned());
        let config = aws_config::defaults(BehaviorVersion::latest()).region(region).http_client(http).load().await;
        let credentials = config.credentials_provider().ok_or(LambdaError::NoCredentials)?;
        // Fetched here too, so that an error names them before anything else can fail.
        credentials.provide_credentials().await.map_err(|error| match error {
            CredentialsError::CredentialsNotLoaded(_) => LambdaError::NoCredentials,
            other => LambdaError::Credentials(with_causes(&other)),
        })?;
        Ok(Self { arn, client: Client::new(&config), transport })
    }

    pub fn arn(&self) -> &Arn {
        &self.arn
    }

    pub fn timeout(&self) -> Duration {
        self.transport.timeout()
    }

    pub async fn get(&self, path: &str, accept: &str) -> Result<Page, LambdaError> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT, header(accept)?);
        let envelope::FunctionResponse { headers, body, .. } = self.call(Method::GET, path, headers, &[]).await?;
        Ok(Page { headers, body })
    }

    /// One attempt: the whole body, and the whole answer.
    pub async fn attempt(&self, target: &Invoke<'_>, body: Bytes, listen: Listen) -> Result<Answer, LambdaError> {
        let response = self.call(Method::POST, &target.path(), target.headers()?, &body).await?;
        target.check_content_type(&response.headers)?;
        let mut reader = AnswerReader::new(listen);
        reader.feed(&response.body);
        Ok(reader.finish())
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        mut headers: HeaderMap,
        body: &[u8],
    ) -> Result<envelope::FunctionResponse, LambdaError> {
        headers.extend(self.transport.headers.clone());
        if let Some(identity) = &self.transport.identity {
            identity.sign(path, &mut headers);
        }
        let payload = Blob::new(envelope::seal(&method, path, &headers, body));
        let limit = self.transport.timeout();
        let sent = self.client.invoke().function_name(self.arn.as_str()).payload(payload).send();
        let answer =
            tokio::time::timeout(limit, sent).await.map_err(|_| HttpError::TimedOut(limit))?.map_err(refused)?;
        let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
        if answer.function_error().is_some() {
            return Err(LambdaError::Failed(failure(payload)));
        }
        let response = envelope::open(payload).ok_or_else(|| LambdaError::Foreign(beginning(payload)))?;
        if response.status != StatusCode::OK {
            return Err(HttpError::Status(response.status).into());
        }
        Ok(response)
    }
}

fn refused(error: SdkError<InvokeError>) -> LambdaError {
    match error.code() {
        Some(code) => LambdaError::Refused {
            code: code.to_owned(),
            message: error.message().unwrap_or("without a word").to_owned(),
        },
        None => LambdaError::Unreachable(with_causes(&error)),
    }
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let mut causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.dedup();
    causes.join(": ")
}

/// The error of a function that threw, or ran out of time or memory, as Lambda reports it.
fn failure(payload: &[u8]) -> String {
    let said: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
    match (said["errorType"].as_str(), said["errorMessage"].as_str()) {
        (Some(ty), Some(message)) => beginning(format!("{ty}: {message}").as_bytes()),
        (None, Some(message)) => beginning(message.as_bytes()),
        _ => beginning(payload),
    }
}

/// The beginning of a payload, long enough to recognise it.
fn beginning(payload: &[u8]) -> String {
    const ENOUGH: usize = 200;
    let text = String::from_utf8_lossy(&payload[..payload.len().min(ENOUGH)]);
    format!("{text}{}", if payload.len() > ENOUGH { "…" } else { "" })
}
