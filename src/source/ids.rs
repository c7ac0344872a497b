//! Order of ids: one total order of all ids of a run, whatever their form.

use crate::journal::{IdOrder, InvocationId};

/// The ids that are not in Restate's form, sorted. Their places in this list order them.
#[derive(Debug, Default)]
pub struct Ids {
    others: Vec<Box<str>>,
}

impl Ids {
    pub fn new(others: impl IntoIterator<Item = Box<str>>) -> Self {
        let mut others: Vec<Box<str>> = others.into_iter().collect();
        others.sort_unstable();
        others.dedup();
        Self { others }
    }

    /// `None` for an id that is not in the list.
    pub fn order(&self, text: &str) -> Option<IdOrder> {
        IdOrder::of(text).or_else(|| {
            let place = self.others.binary_search_by(|other| (**other).cmp(text)).ok()?;
            Some(IdOrder::of_other(u32::try_from(place).expect("fewer than 2^32 ids")))
        })
    }

    pub fn id(&self, order: IdOrder) -> InvocationId {
        match order.other_place() {
            None => order.id().unwrap_or_default(),
            Some(place) => InvocationId::new(self.others.get(place as usize).map_or("", |text| text)),
        }
    }
}
