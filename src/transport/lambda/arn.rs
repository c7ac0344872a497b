//! ARN: the name of a Lambda function.

use std::fmt;
use std::str::FromStr;

/// `arn:aws:lambda:REGION:ACCOUNT:function:NAME[:VERSION]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arn {
    text: String,
    region: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} is no ARN of a Lambda function (arn:aws:lambda:REGION:ACCOUNT:function:NAME[:VERSION]): {reason}")]
pub struct ArnError {
    text: String,
    reason: &'static str,
}

impl Arn {
    pub fn region(&self) -> &str {
        &self.region
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Arn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        let parts: Vec<&str> = text.split(':').collect();
        let reason = match parts[..] {
            ["arn", _, service, ..] if service != "lambda" => "it is of another service",
            ["arn", _, "lambda", "", ..] => "it names no region",
            ["arn", _, "lambda", _, "", ..] => "it names no account",
            ["arn", _, "lambda", _, _, kind, ..] if kind != "function" => "it is no function's",
            ["arn", _, "lambda", _, _, "function", ""] => "it names no function",
            ["arn", _, "lambda", _, _, "function", _, ""] => "its version is empty",
            ["arn", partition, "lambda", region, account, "function", name, ref version @ ..] => {
                let all = [partition, region, account, name].into_iter().chain(version.iter().copied());
                let named =
                    |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_$".contains(&byte));
                if version.len() <= 1 && all.into_iter().all(named) {
                    return Ok(Self { text: text.to_owned(), region: region.to_owned() });
                }
                "there are characters in it that no name has"
            }
            _ => "parts are missing",
        };
        Err(ArnError { text: text.to_owned(), reason })
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_told_from_what_is_none() {
        for good in [
            "arn:aws:lambda:eu-central-1:123456789012:function:orders",
            "arn:aws:lambda:eu-central-1:123456789012:function:orders:7",
            "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:orders:$LATEST",
        ] {
            let arn: Arn = good.parse().unwrap();
            assert_eq!(arn.as_str(), good);
            assert_eq!(Some(arn.region()), good.split(':').nth(3));
        }
        for (bad, reason) in [
            ("arn:aws:s3:::bucket", "it is of another service"),
            ("arn:aws:lambda::123456789012:function:orders", "it names no region"),
            ("arn:aws:lambda:eu-central-1::function:orders", "it names no account"),
            ("arn:aws:lambda:eu-central-1:123456789012:layer:orders", "it is no function's"),
            ("arn:aws:lambda:eu-central-1:123456789012:function:", "it names no function"),
            ("arn:aws:lambda:eu-central-1:123456789012:function:orders:", "its version is empty"),
            (
                "arn:aws:lambda:eu-central-1:123456789012:function:or/ders",
                "there are characters in it that no name has",
            ),
            ("arn:aws:lambda:eu-central-1:123456789012:function:a:1:2", "there are characters in it that no name has"),
            ("arn:aws:lambda:eu-central-1:123456789012", "parts are missing"),
            ("arn:", "parts are missing"),
        ] {
            assert_eq!(bad.parse::<Arn>().unwrap_err().reason, reason, "{bad}");
        }
    }
}
