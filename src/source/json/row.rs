//! JSON row: one row of journals as JSON, borrowed from its text.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde_json::value::RawValue;

use crate::journal::InvocationInfo;

/// A row of `sys_journal`, of `sys_invocation`, or of both joined. With `entries` it is a journal in the readable form.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, expecting = "a row, as an object")]
pub struct JsonRow<'a> {
    #[serde(borrow)]
    pub id: Option<JsonText<'a>>,
    pub index: Option<Number>,
    #[serde(borrow)]
    pub entry_type: Option<JsonText<'a>>,
    /// Hex.
    #[serde(borrow)]
    pub raw: Option<Hex<'a>>,
    pub version: Option<Number>,
    #[serde(borrow)]
    pub target: Option<JsonText<'a>>,
    #[serde(borrow)]
    pub target_service_name: Option<JsonText<'a>>,
    #[serde(borrow)]
    pub target_service_key: Option<JsonText<'a>>,
    #[serde(borrow)]
    pub target_handler_name: Option<JsonText<'a>>,
    #[serde(borrow)]
    pub target_service_ty: Option<JsonText<'a>>,
    #[serde(borrow)]
    pub pinned_deployment_id: Option<JsonText<'a>>,
    #[serde(borrow)]
    pub status: Option<JsonText<'a>>,
    pub pinned_service_protocol_version: Option<Number>,
    #[serde(borrow)]
    pub created_at: Option<JsonText<'a>>,
    #[serde(borrow)]
    pub entries: Option<&'a RawValue>,
}

impl JsonRow<'_> {
    /// Whether it has a column of `sys_invocation`.
    pub fn tells_of_invocation(&self) -> bool {
        self.target.is_some()
            || self.target_service_name.is_some()
            || self.target_service_key.is_some()
            || self.target_handler_name.is_some()
            || self.target_service_ty.is_some()
            || self.pinned_deployment_id.is_some()
            || self.status.is_some()
            || self.pinned_service_protocol_version.is_some()
            || self.created_at.is_some()
    }

    /// What those columns say.
    pub fn info(&self) -> InvocationInfo {
        let text = |text: &Option<JsonText<'_>>| text.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
        InvocationInfo {
            target: text(&self.target),
            service: text(&self.target_service_name),
            key: text(&self.target_service_key),
            handler: text(&self.target_handler_name),
            service_type: text(&self.target_service_ty),
            deployment: text(&self.pinned_deployment_id),
            status: text(&self.status),
            protocol_version: self
                .pinned_service_protocol_version
                .and_then(|version| u32::try_from(version.0).ok())
                .filter(|version| *version != 0),
            created_at: text(&self.created_at),
        }
    }
}

/// A text, borrowed from the input unless it has escapes. (serde borrows a `Cow` only if it is not optional.)
#[derive(Debug, Default)]
pub struct JsonText<'a>(pub(super) Cow<'a, str>);

impl Deref for JsonText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = JsonText<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(JsonText(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(JsonText(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// What should be hexadecimal digits. They are kept as bytes, so that nobody checks whether they are UTF-8.
#[derive(Debug)]
pub struct Hex<'a>(pub(super) Cow<'a, [u8]>);

impl Hex<'_> {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Hex<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match JsonText::deserialize(deserializer)?.0 {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }))
    }
}

/// A number, also if it is written as a string.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 0 up")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}
