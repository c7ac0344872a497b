//! Invocation info: what the server knows about an invocation besides its journal.
//!
//! The one table of the `sys_invocation` columns that hold it is here too.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// What is known about an invocation besides its journal. Every field is optional, since a check needs none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InvocationInfo {
    /// `Service/key/handler`, or `Service/handler` where the service has no keys.
    pub target: Option<String>,
    pub service: Option<String>,
    pub key: Option<String>,
    pub handler: Option<String>,
    pub service_type: Option<String>,
    pub deployment: Option<String>,
    /// `pending`, `running`, `backing-off`, `paused`, `completed`, …
    pub status: Option<String>,
    pub protocol_version: Option<u32>,
    pub created_at: Option<String>,
}

/// Defines the columns, one row per column: variant, name in `sys_invocation`, field of [`InvocationInfo`].
macro_rules! invocation_columns {
    ($count:literal columns: $($column:ident = $name:literal => $field:ident),* $(,)?) => {
        /// A column of `sys_invocation` that a recording may hold next to the entries.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum InvocationColumn { $($column),* }

        impl InvocationColumn {
            /// All columns, in the order in which recordings have them.
            pub const ALL: [Self; $count] = [$(Self::$column),*];

            /// Names of all columns, in the same order.
            pub const NAMES: [&'static str; $count] = [$($name),*];

            /// The name in `sys_invocation`, in recordings and in rows as JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$column => $name),* }
            }

            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$column),)* _ => None }
            }
        }

        impl InvocationInfo {
            /// The value of a column as text; `None` where it is not known.
            pub fn text(&self, column: InvocationColumn) -> Option<Cow<'_, str>> {
                match column { $(InvocationColumn::$column => self.$field.as_ref().map(ColumnValue::as_text)),* }
            }

            /// Sets a column from its text. An empty text means that the value is not known.
            pub fn set_column(&mut self, column: InvocationColumn, text: &str) {
                match column { $(InvocationColumn::$column => self.$field = ColumnValue::from_text(text)),* }
            }

            /// Whether setting a column to this text would leave its value unchanged.
            pub fn has_text(&self, column: InvocationColumn, text: &str) -> bool {
                match column { $(InvocationColumn::$column => ColumnValue::is_text(&self.$field, text)),* }
            }

            /// Takes the values that are not known here from `other`.
            pub fn or(mut self, other: &Self) -> Self {
                $(if self.$field.is_none() {
                    self.$field.clone_from(&other.$field);
                })*
                self
            }
        }
    };
}

invocation_columns! { 9 columns:
    Target = "target" => target,
    Service = "target_service_name" => service,
    Key = "target_service_key" => key,
    Handler = "target_handler_name" => handler,
    ServiceType = "target_service_ty" => service_type,
    Deployment = "pinned_deployment_id" => deployment,
    Status = "status" => status,
    ProtocolVersion = "pinned_service_protocol_version" => protocol_version,
    CreatedAt = "created_at" => created_at,
}

/// Conversion between a column's text and its value.
trait ColumnValue: Sized {
    fn from_text(text: &str) -> Option<Self>;
    fn as_text(&self) -> Cow<'_, str>;
    fn is_text(value: &Option<Self>, text: &str) -> bool;
}

impl ColumnValue for String {
    fn from_text(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn as_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }

    fn is_text(value: &Option<Self>, text: &str) -> bool {
        value.as_deref().unwrap_or_default() == text
    }
}

/// The server writes version 0 where none is pinned.
impl ColumnValue for u32 {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number| *number != 0)
    }

    fn as_text(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }

    fn is_text(value: &Option<Self>, text: &str) -> bool {
        *value == Self::from_text(text)
    }
}

impl InvocationInfo {
    /// The target as the server prints it, joined from its parts where only those are known.
    pub fn target(&self) -> Option<String> {
        if let Some(target) = &self.target {
            return Some(target.clone());
        }
        let service = self.service.as_deref()?;
        let handler = self.handler.as_deref()?;
        Some(match self.key.as_deref() {
            Some(key) if !key.is_empty() => format!("{service}/{key}/{handler}"),
            _ => format!("{service}/{handler}"),
        })
    }

    /// Service and handler, split out of the target where the parts are not known. A key may contain slashes.
    pub fn service_and_handler(&self) -> Option<(String, String)> {
        if let (Some(service), Some(handler)) = (&self.service, &self.handler) {
            return Some((service.clone(), handler.clone()));
        }
        let target = self.target.as_deref()?;
        let (service, rest) = target.split_once('/')?;
        let handler = rest.rsplit_once('/').map_or(rest, |(_, handler)| handler);
        Some((service.to_owned(), handler.to_owned()))
    }

    /// The key of a virtual object or workflow, split out of the target where the key itself is not known.
    pub fn key(&self) -> Option<String> {
        if self.key.is_some() {
            return self.key.clone();
        }
        let rest = self.target.as_deref()?.split_once('/')?.1;
        rest.rsplit_once('/').map(|(key, _)| key.to_owned())
    }

    /// Sets a column of `sys_invocation` by its name. Columns that are not in the table are ignored.
    pub fn set(&mut self, column: &str, text: String) {
        if let Some(column) = InvocationColumn::from_name(column) {
            self.set_column(column, &text);
        }
    }

    /// The texts of all columns, in the order of [`InvocationColumn::ALL`]; empty where nothing is known.
    pub fn columns(&self) -> [String; InvocationColumn::ALL.len()] {
        InvocationColumn::ALL.map(|column| self.text(column).unwrap_or_default().into_owned())
    }

    /// Reads the texts of all columns, in the order of [`InvocationColumn::ALL`].
    pub fn from_texts(texts: [&str; InvocationColumn::ALL.len()]) -> Self {
        let mut info = Self::default();
        for (column, text) in InvocationColumn::ALL.into_iter().zip(texts) {
            info.set_column(column, text);
        }
        info
    }

    /// Reads the columns from a row of `sys_invocation` in JSON, by name; for `#[serde(flatten)]`.
    pub fn from_row<'de, D: Deserializer<'de>>(row: D) -> Result<Self, D::Error> {
        let mut info = Self::default();
        for (name, value) in BTreeMap::<String, serde_json::Value>::deserialize(row)? {
            match value {
                serde_json::Value::String(text) => info.set(&name, text),
                serde_json::Value::Number(number) => info.set(&name, number.to_string()),
                _ => {}
            }
        }
        Ok(info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_read_as_it_is_written() {
        let info = InvocationInfo::from_texts(["S/k/h", "S", "k", "h", "workflow", "dp_1", "paused", "7", "now"]);
        assert_eq!(InvocationInfo::from_texts(info.columns().each_ref().map(String::as_str)), info);
        assert_eq!((info.protocol_version, info.deployment.as_deref()), (Some(7), Some("dp_1")));
        for (column, text) in InvocationColumn::ALL.into_iter().zip(info.columns()) {
            assert_eq!(InvocationColumn::from_name(column.name()), Some(column));
            assert!(info.has_text(column, &text) && !info.has_text(column, "") && !info.has_text(column, "8"));
        }
        assert_eq!(InvocationInfo::from_texts(["", "", "", "", "", "", "", "0", ""]), InvocationInfo::default());
    }

    #[test]
    fn a_row_of_the_server_is_read_by_the_names_of_its_columns() {
        let row = serde_json::json!({"id": "inv", "target_service_name": "S", "pinned_deployment_id": null,
            "pinned_service_protocol_version": 5, "retry_count": 3});
        let info = InvocationInfo::from_row(row).unwrap();
        let known =
            InvocationInfo { service: Some("S".into()), protocol_version: Some(5), ..InvocationInfo::default() };
        assert_eq!(info, known);
    }
}
