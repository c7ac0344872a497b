//! The invocations that are to be read: what the server says of each before its journal is read.

use crate::admin::Chosen;
use crate::admin::any_of;
use crate::admin::{Admin, AdminError};
use crate::journal::{IdOrder, InvocationInfo};
use crate::source::arrow::{DecodedRows, IpcError, StreamDecoder, ValueColumn};

/// One invocation: 72 bytes and its key, since there may be a million of them.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    pub id: IdOrder,
    /// How many entries its journal had when it was listed. The server does not say of what has not begun (scheduled, or
    /// behind another of the same key), whose journal is its input.
    pub entries: Option<u32>,
    /// Into `kinds`.
    kind: u32,
    /// Where its key lies in `keys`.
    key: (u64, u32),
    created_at: i64,
}

impl Listed {
    /// Whether this is the same invocation: ids of workflows and idempotent calls are used again once they are free.
    pub fn is_still(&self, other: &Self) -> bool {
        self.created_at == other.created_at
    }
}

/// In the order of ids, which is that in which the server stores them.
#[derive(Debug, Default)]
pub struct Listing {
    pub listed: Vec<Listed>,
    /// What many invocations have in common.
    kinds: Vec<InvocationInfo>,
    keys: String,
}

const COLUMNS: &str = "id, journal_size, target_service_name, target_service_key, target_handler_name, \
    target_service_ty, pinned_deployment_id, status, pinned_service_protocol_version, created_at";

impl Listing {
    /// All that are chosen.
    pub async fn read(admin: &Admin, chosen: &Chosen) -> Result<Self, AdminError> {
        let condition = chosen.sql().map(|condition| format!(" where {condition}")).unwrap_or_default();
        let mut listing = Self::query(admin, &format!("select {COLUMNS} from sys_invocation{condition}")).await?;
        if let Some(limit) = chosen.selection.limit {
            // The first in the order of ids, as everywhere.
            listing.listed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        listing.listed.shrink_to_fit();
        Ok(listing)
    }

    /// These, as far as they are still there.
    pub async fn read_again(admin: &Admin, ids: &[String]) -> Result<Self, AdminError> {
        Self::query(admin, &format!("select {COLUMNS} from sys_invocation where {}", any_of("id", ids))).await
    }

    async fn query(admin: &Admin, sql: &str) -> Result<Self, AdminError> {
        admin
            .tried(async || {
                let mut listing = Self::default();
                let mut decoder = StreamDecoder::default();
                let mut download = admin.query_arrow(sql).await?;
                while let Some(chunk) = download.next().await? {
                    decoder.push(chunk, |batch| listing.take(&batch)).map_err(|error| download.malformed(&error))?;
                }
                if !decoder.is_whole() {
                    return Err(download.cut_off());
                }
                listing.listed.sort_unstable_by_key(|listed| listed.id);
                // The view may tell of an invocation twice while it changes hands.
                listing.listed.dedup_by_key(|listed| listed.id);
                Ok(listing)
            })
            .await
    }

    fn take(&mut self, batch: &DecodedRows<'_>) -> Result<(), IpcError> {
        let column = |name: &'static str| batch.column(name)?.ok_or(IpcError::MissingColumn(name));
        let (ids, keys) = (column("id")?, column("target_service_key")?);
        let (entries, created_at) = (column("journal_size")?, column("created_at")?);
        let shared: [ValueColumn<'_>; 6] = [
            column("target_service_name")?,
            column("target_handler_name")?,
            column("target_service_ty")?,
            column("pinned_deployment_id")?,
            column("status")?,
            column("pinned_service_protocol_version")?,
        ];
        for row in 0..batch.count() {
            let Some(id) = ids.str(row).and_then(IdOrder::of) else { continue };
            let key = keys.str(row).unwrap_or_default();
            let texts = shared.each_ref().map(|column| column.text(row));
            let kind = self.kind_of(texts.each_ref().map(Option::as_deref));
            let at = self.keys.len() as u64;
            self.keys.push_str(key);
            self.listed.push(Listed {
                id,
                entries: entries.number(row).and_then(|entries| u32::try_from(entries).ok()),
                kind,
                key: (at, key.len() as u32),
                created_at: created_at.number(row).unwrap_or(0),
            });
        }
        Ok(())
    }

    fn kind_of(&mut self, columns: [Option<&str>; 6]) -> u32 {
        let [service, handler, service_type, deployment, status, version] =
            columns.map(|text| text.filter(|text| !text.is_empty()));
        let version = version.and_then(|version| version.parse().ok()).filter(|version| *version != 0);
        let is = |kind: &InvocationInfo| {
            kind.status.as_deref() == status
                && kind.handler.as_deref() == handler
                && kind.service.as_deref() == service
                && kind.deployment.as_deref() == deployment
                && kind.protocol_version == version
                && kind.service_type.as_deref() == service_type
        };
        // A cluster has some dozens of them, and most invocations are like the one before.
        let last = self.listed.last().map(|listed| listed.kind as usize).filter(|last| is(&self.kinds[*last]));
        if let Some(at) = last.or_else(|| self.kinds.iter().position(is)) {
            return at as u32;
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        self.kinds.push(InvocationInfo {
            service: owned(service),
            handler: owned(handler),
            service_type: owned(service_type),
            deployment: owned(deployment),
            status: owned(status),
            protocol_version: version,
            ..InvocationInfo::default()
        });
        self.kinds.len() as u32 - 1
    }

    /// Replaces what is known of one by what another listing says of it.
    pub fn refresh(&mut self, at: usize, from: &Self, other: &Listed) {
        let kind = &from.kinds[other.kind as usize];
        let known = self.kinds.iter().position(|known| known == kind);
        self.listed[at].kind = known.unwrap_or(self.kinds.len()) as u32;
        if known.is_none() {
            self.kinds.push(kind.clone());
        }
        self.listed[at].entries = other.entries;
    }

    /// All that is known of one, as the texts of [`INFO_COLUMNS`](crate::source::arrow::INFO_COLUMNS).
    pub fn with_info<T>(&self, listed: &Listed, sink: impl FnOnce([&str; 9]) -> T) -> T {
        let (at, len) = (listed.key.0 as usize, listed.key.1 as usize);
        let key = &self.keys[at..at + len];
        let kind = &self.kinds[listed.kind as usize];
        let [service, handler, service_type, deployment, status] =
            [&kind.service, &kind.handler, &kind.service_type, &kind.deployment, &kind.status]
                .map(|text| text.as_deref().unwrap_or_default());
        let target = if key.is_empty() { format!("{service}/{handler}") } else { format!("{service}/{key}/{handler}") };
        let created_at = jiff::Timestamp::from_millisecond(listed.created_at).ok().filter(|_| listed.created_at != 0);
        let created_at = created_at.map(|time| time.to_string()).unwrap_or_default();
        let version = kind.protocol_version.map(|version| version.to_string()).unwrap_or_default();
        sink([&target, service, key, handler, service_type, deployment, status, &version, &created_at])
    }

    /// Where an invocation is; `near` is where the one before it was.
    pub fn find(&self, id: IdOrder, near: usize) -> Option<usize> {
        // The server sends them in the order of ids, partition by partition.
        if self.listed.get(near + 1).is_some_and(|next| next.id == id) {
            return Some(near + 1);
        }
        self.listed.binary_search_by_key(&id, |listed| listed.id).ok()
    }

    /// How many entries they have together.
    pub fn entries(&self) -> u64 {
        self.listed.iter().map(|listed| u64::from(listed.entries.unwrap_or(1))).sum()
    }
}
