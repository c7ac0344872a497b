//! A subject: one journal with everything that an attempt to replay it needs.

use crate::journal::{InvocationId, Journal};
use crate::protocol::{milliseconds, unique_seed};
use crate::replay::Attempt;
use crate::transport::{Invoke, Manifest};

/// A journal with everything that an attempt to replay it needs.
pub(super) struct Subject<'j> {
    pub journal: &'j Journal,
    pub service: String,
    pub handler: String,
    pub version: u32,
    pub attempt: Attempt,
    /// A second random seed with which the journal may have been recorded.
    pub other_seed: Option<u64>,
}

impl<'j> Subject<'j> {
    /// The subject for a candidate with this manifest. The error says what the journal lacks.
    pub fn of(journal: &'j Journal, manifest: &Manifest) -> Result<Self, String> {
        let (service, handler) = journal
            .info
            .service_and_handler()
            .ok_or("the journal does not name its handler: join target from sys_invocation")?;
        if journal.entries.view().command_count() == 0 {
            return Err("it has no commands, not even an Input".to_owned());
        }
        let attempt = Attempt::at(journal).ok_or("its id is not in Restate's form, which a replay needs")?;
        let version = journal.info.protocol_version.unwrap_or_else(|| manifest.likely_version());
        let created = journal.info.created_at.as_deref().and_then(milliseconds);
        // Up to protocol 5, the SDK derives the seed itself.
        let other_seed = created.filter(|_| version >= 6).map(|created| unique_seed(&attempt.id, created));
        Ok(Self { journal, service, handler, version, attempt, other_seed })
    }

    /// The same journal under a new id, as an invocation has it that is restarted from this one. The seed does not
    /// change.
    pub fn into_new(mut self) -> Self {
        // The partition stays the same; the rest of the id changes.
        let id = &mut self.attempt.id;
        id[8..].iter_mut().for_each(|byte| *byte = !*byte);
        let partition = u64::from_le_bytes(id[..8].try_into().expect("eight bytes"));
        let uuid = u128::from_le_bytes(id[8..].try_into().expect("sixteen bytes"));
        self.attempt.debug_id = InvocationId::from_numbers(partition, uuid).to_string();
        self
    }

    /// Where and how an attempt is sent.
    pub fn invoke(&self) -> Invoke<'_> {
        let keyed = matches!(self.journal.info.service_type.as_deref(), Some("virtual_object" | "workflow"));
        Invoke {
            id: &self.attempt.debug_id,
            service: &self.service,
            key: (keyed || !self.attempt.key.is_empty()).then_some(self.attempt.key.as_str()),
            handler: &self.handler,
            version: self.version,
        }
    }
}
