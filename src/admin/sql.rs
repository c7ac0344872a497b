//! SQL text for `/query`. Every value from outside goes in as a quoted string literal.

/// A string literal.
///
/// The server's dialect (DataFusion's) knows one escape, the doubled quote: backslashes and line ends stand for
/// themselves.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `column in ('…', '…')`; without values, a condition that is never true. `column` must not come from outside.
pub fn any_of<T: AsRef<str>>(column: &str, values: impl IntoIterator<Item = T>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| quoted(value.as_ref())).collect();
    if values.is_empty() { "false".to_owned() } else { format!("{column} in ({})", values.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_can_not_be_left() {
        assert_eq!(quoted("O'Brien"), "'O''Brien'");
        assert_eq!(quoted("'; drop table x; --"), "'''; drop table x; --'");
        assert_eq!(quoted("a\\'b\n"), "'a\\''b\n'");
        assert_eq!(any_of("id", ["a", "b'"]), "id in ('a', 'b''')");
        assert_eq!(any_of("id", [""; 0]), "false");
    }
}
