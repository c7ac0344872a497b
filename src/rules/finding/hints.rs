//! Hints: what the differing values of a finding look like.

use serde_json::Value;

use super::changes::Changes;

pub(super) fn hints(changes: &Changes) -> Vec<String> {
    let mut hints: Vec<String> = changes
        .in_notation
        .iter()
        .map(|field| {
            format!("{field} is the same JSON in another notation (key order, spaces, escapes): pin the serialiser")
        })
        .collect();
    for change in &changes.changes {
        let (Some(recorded), Some(replayed)) = (&change.recorded, &change.replayed) else { continue };
        let both = |looks: fn(&Value) -> bool| looks(recorded) && looks(replayed);
        if both(is_uuid) {
            hints.push(format!("{} looks like a uuid: take it from ctx.rand, or inside ctx.run", change.path));
        } else if !matches!(change.path.as_str(), "wake_up_time" | "invoke_time") && both(is_timestamp) {
            hints.push(format!("{} looks like a timestamp: take it inside ctx.run", change.path));
        }
    }
    hints.dedup();
    hints
}

fn is_uuid(value: &Value) -> bool {
    let Some(text) = value.as_str().filter(|text| text.len() == 36) else { return false };
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// Whether the value is a time in this century, in seconds or milliseconds since 1970, or an ISO 8601 date and time.
fn is_timestamp(value: &Value) -> bool {
    if let Some(number) = value.as_f64() {
        return (1.0e9..4.2e9).contains(&number) || (1.0e12..4.2e12).contains(&number);
    }
    let Some(text) = value.as_str() else { return false };
    let bytes = text.as_bytes();
    bytes.len() >= 19
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && (bytes[4], bytes[7]) == (b'-', b'-')
        && matches!(bytes[10], b'T' | b' ')
        && bytes[13] == b':'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_recognised() {
        assert!(is_uuid(&"2d2b0a5e-3c0f-4f6b-9a56-7f1f6c1a2b3c".into()));
        assert!(!is_uuid(&"2d2b0a5e".into()) && !is_uuid(&"2d2b0a5e-3c0f-4f6b-9a56-7f1f6c1a2b3-".into()));
        assert!(is_timestamp(&1_763_812_345_678_u64.into()) && is_timestamp(&"2026-11-22T12:00:00Z".into()));
        assert!(!is_timestamp(&42.into()) && !is_timestamp(&"yesterday".into()));
    }
}
