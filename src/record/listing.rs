//! The listing: what the server says of each selected invocation before its journal is read.

use std::borrow::Cow;

use super::row_sink::InfoTexts;
use crate::admin::{Admin, AdminError, ClusterSelection, any_of};
use crate::journal::{IdOrder, InvocationColumn, InvocationInfo};
use crate::source::arrow::{DecodedRows, IpcError, StreamDecoder, ValueColumn};

/// One invocation: 72 bytes and its key, since there may be a million of them.
#[derive(Clone, Copy, Debug)]
pub struct ListedInvocation {
    pub id: IdOrder,
    /// How many entries its journal had when it was listed. Of an invocation that has not started (it is scheduled, or
    /// waits behind another one of the same key) the server does not say it; the journal is at most the input then.
    pub entries: Option<u32>,
    /// Place in `kinds`.
    kind: u32,
    /// Place and length of its key in `keys`.
    key: (u64, u32),
    created_at: i64,
}

impl ListedInvocation {
    /// Whether this is the same invocation. Ids of workflows and idempotent calls are used again once they are free.
    pub fn is_still(&self, other: &Self) -> bool {
        self.created_at == other.created_at
    }
}

/// The selected invocations in the order of their ids, which is the order in which the server stores them.
#[derive(Debug, Default)]
pub struct Listing {
    pub listed: Vec<ListedInvocation>,
    /// What many invocations have in common: the columns in [`SHARED`].
    kinds: Vec<InvocationInfo>,
    keys: String,
}

/// The columns whose values many invocations share.
const SHARED: [InvocationColumn; 6] = [
    InvocationColumn::Status,
    InvocationColumn::Handler,
    InvocationColumn::Service,
    InvocationColumn::Deployment,
    InvocationColumn::ProtocolVersion,
    InvocationColumn::ServiceType,
];

/// The columns that the listing asks for. The target is put together from its parts.
fn columns() -> String {
    let info = InvocationColumn::ALL.into_iter().filter(|column| *column != InvocationColumn::Target);
    let info: Vec<&str> = info.map(InvocationColumn::name).collect();
    format!("id, journal_size, {}", info.join(", "))
}

impl Listing {
    /// All selected invocations.
    pub async fn read(admin: &Admin, selected: &ClusterSelection) -> Result<Self, AdminError> {
        let condition = selected.sql().map(|condition| format!(" where {condition}")).unwrap_or_default();
        let mut listing = Self::query(admin, &format!("select {} from sys_invocation{condition}", columns())).await?;
        if let Some(limit) = selected.selection.limit {
            // The limit means the first ones in the order of ids, as it does for files.
            listing.listed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        listing.listed.shrink_to_fit();
        Ok(listing)
    }

    /// These invocations, without those that are gone by now.
    pub async fn read_again(admin: &Admin, ids: &[String]) -> Result<Self, AdminError> {
        let (columns, condition) = (columns(), any_of("id", ids));
        Self::query(admin, &format!("select {columns} from sys_invocation where {condition}")).await
    }

    async fn query(admin: &Admin, sql: &str) -> Result<Self, AdminError> {
        admin
            .repeat(async || {
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
                // The view may have an invocation twice while its partition moves to another node.
                listing.listed.dedup_by_key(|listed| listed.id);
                Ok(listing)
            })
            .await
    }

    fn take(&mut self, batch: &DecodedRows<'_>) -> Result<(), IpcError> {
        let column = |name: &'static str| batch.column(name)?.ok_or(IpcError::MissingColumn(name));
        let ids = column("id")?;
        let keys = column(InvocationColumn::Key.name())?;
        let entries = column("journal_size")?;
        let created_at = column(InvocationColumn::CreatedAt.name())?;
        let mut shared = Vec::with_capacity(SHARED.len());
        for info in SHARED {
            shared.push((info, column(info.name())?));
        }
        for row in 0..batch.count() {
            let Some(id) = ids.str(row).and_then(IdOrder::of) else { continue };
            let key = keys.str(row).unwrap_or_default();
            let kind = self.kind_of(&shared, row);
            let at = self.keys.len() as u64;
            self.keys.push_str(key);
            self.listed.push(ListedInvocation {
                id,
                entries: entries.number(row).and_then(|entries| u32::try_from(entries).ok()),
                kind,
                key: (at, key.len() as u32),
                created_at: created_at.number(row).unwrap_or(0),
            });
        }
        Ok(())
    }

    /// The kind with these values of the shared columns, in `kinds`; a new one where there is none yet.
    fn kind_of(&mut self, shared: &[(InvocationColumn, ValueColumn<'_>)], row: usize) -> u32 {
        let is = |kind: &InvocationInfo| {
            shared.iter().all(|(column, values)| kind.has_text(*column, &values.text(row).unwrap_or_default()))
        };
        // A cluster has some dozens of kinds, and most invocations have the kind of the one before.
        let last = self.listed.last().map(|listed| listed.kind as usize).filter(|last| is(&self.kinds[*last]));
        if let Some(at) = last.or_else(|| self.kinds.iter().position(is)) {
            return at as u32;
        }
        let mut kind = InvocationInfo::default();
        for (column, values) in shared {
            kind.set_column(*column, &values.text(row).unwrap_or_default());
        }
        self.kinds.push(kind);
        self.kinds.len() as u32 - 1
    }

    /// Replaces what is known of an invocation by what another listing says of it.
    pub fn refresh(&mut self, at: usize, from: &Self, other: &ListedInvocation) {
        let kind = &from.kinds[other.kind as usize];
        let known = self.kinds.iter().position(|known| known == kind);
        self.listed[at].kind = known.unwrap_or(self.kinds.len()) as u32;
        if known.is_none() {
            self.kinds.push(kind.clone());
        }
        self.listed[at].entries = other.entries;
    }

    /// Gives the texts of all columns of an invocation to `sink`.
    pub fn with_info<T>(&self, listed: &ListedInvocation, sink: impl FnOnce(InfoTexts<'_>) -> T) -> T {
        let (at, len) = (listed.key.0 as usize, listed.key.1 as usize);
        let key = &self.keys[at..at + len];
        let kind = &self.kinds[listed.kind as usize];
        let part = |column| kind.text(column).unwrap_or_default();
        let texts = InvocationColumn::ALL.map(|column| match column {
            InvocationColumn::Target => {
                let (service, handler) = (part(InvocationColumn::Service), part(InvocationColumn::Handler));
                let between = if key.is_empty() { "" } else { "/" };
                Cow::Owned(format!("{service}/{key}{between}{handler}"))
            }
            InvocationColumn::Key => Cow::Borrowed(key),
            InvocationColumn::CreatedAt => {
                let time = jiff::Timestamp::from_millisecond(listed.created_at).ok();
                let time = time.filter(|_| listed.created_at != 0);
                Cow::Owned(time.map(|time| time.to_string()).unwrap_or_default())
            }
            InvocationColumn::Service
            | InvocationColumn::Handler
            | InvocationColumn::ServiceType
            | InvocationColumn::Deployment
            | InvocationColumn::Status
            | InvocationColumn::ProtocolVersion => part(column),
        });
        sink(texts.each_ref().map(|text| &**text))
    }

    /// The place of an invocation; `near` is the place of the one before it.
    pub fn find(&self, id: IdOrder, near: usize) -> Option<usize> {
        // The server sends rows in the order of ids, partition by partition.
        if self.listed.get(near + 1).is_some_and(|next| next.id == id) {
            return Some(near + 1);
        }
        self.listed.binary_search_by_key(&id, |listed| listed.id).ok()
    }

    /// How many entries all invocations have together.
    pub fn entries(&self) -> u64 {
        self.listed.iter().map(|listed| u64::from(listed.entries.unwrap_or(1))).sum()
    }
}
