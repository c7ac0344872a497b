//! A subject: one journal with everything that an attempt at it needs to know.

use crate::journal::{InvocationId, Journal};
use crate::protocol::{milliseconds, unique_seed};
use crate::replay::Attempt;
use crate::transport::{Invoke, Manifest};

/// A journal with everything that an attempt at it needs to know.
pub(super) struct Subject<'j> {
    pub journal: &'j Journal,
    pub service: String,
    pub handler: String,
    pub version: u32,
    pub attempt: Attempt,
    /// A second random seed that the journal may have been recorded with.
    pub other_seed: Option<u64>,
}

impl<'j> Subject<'j> {
    /// What a candidate with this manifest is asked about a journal; the error says what the journal lacks.
    pub fn of(journal: &'j Journal, manifest: &Manifest) -> Result<Self, String> {
        let (service, handler) = journal
            .info
            .service_and_handler()
            .ok_or("the journal does not say which handler it is of: join target from sys_invocation")?;
        if journal.entries.view().command_count() == 0 {
            return Err("it has no commands, not even an Input".to_owned());
        }
        let attempt = Attempt::at(journal).ok_or("its id is not in Restate's form, and a replay needs it")?;
        let version = journal.info.protocol_version.unwrap_or_else(|| manifest.likely_version());
        let created = journal.info.created_at.as_deref().and_then(milliseconds);
        // Up to protocol 5 the SDK derives the seed itself.
        let other_seed = created.filter(|_| version >= 6).map(|created| unique_seed(&attempt.id, created));
        Ok(Self { journal, service, handler, version, attempt, other_seed })
    }

    /// The same journal as that of another invocation, which was started from it: the seed is the same, the id is not.
    pub fn as_new(mut self) -> Self {
        // The partition stays, the rest differs.
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
