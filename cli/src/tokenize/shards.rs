//! Tar shards of tokens in the layout of WebDataset, from a journal: of each input shard one with its other members, of
//! single files shards of their own.

use std::io;

use flextok::npy;

use super::entry::Entry;
use super::journal::{Entries, Journal};
use super::lines::{Described, Failures};
use super::target::{SAMPLES, Target};
use crate::archive::{self, Member};
use crate::collection::shard::{Role, Shard, append, finish};
use crate::collection::{Collection, Item, Kind};
use crate::context::Context;
use crate::exit::CliError;
use crate::message;
use crate::output::Growing;
use crate::seen::Seen;

/// When the members of shards of single files were changed: 1980, so that no tool takes it for a mistake.
const TIME: u64 = 315_532_800;

/// Writes all shards, each as soon as it is complete, and the list of failures if there are any.
pub(super) fn write(
    target: &Target,
    journal: &Journal,
    (collection, context): (&Collection, &Context),
) -> Result<(), CliError> {
    let mut writer = Writer {
        target,
        entries: journal.entries()?,
        next: None,
        failures: Failures::new(target),
        single: None,
        samples: 0,
    };
    writer.advance()?;
    for (index, item) in collection.items.iter().enumerate() {
        match item.kind {
            Kind::Shard => writer.shard(collection, item, index)?,
            _ => writer.single(index)?,
        }
    }
    writer.end_single()?;
    writer.failures.publish()?;
    let further = target.shard(writer.samples.div_ceil(SAMPLES));
    if further.exists() {
        let name = message::name(&further);
        context.note(&format!(
            "{name} is of another run; remove it if it is of no use"
        ));
    }
    Ok(())
}

struct Writer<'a> {
    target: &'a Target,
    entries: Entries,
    /// The entry that comes next, with its row.
    next: Option<(Entry, Vec<u16>)>,
    failures: Failures<'a>,
    /// The present shard of single files.
    single: Option<Growing>,
    /// Samples in such shards.
    samples: u64,
}

/// Members that follow each other with one key.
#[derive(Default)]
struct Group {
    key: Option<String>,
    /// Whether its picture failed, so that it is left out.
    dropped: bool,
    /// Names that it has.
    names: Seen,
}

impl Writer<'_> {
    /// Takes the next entry of a file, if there is one.
    fn take(&mut self, item: usize) -> Result<Option<(Entry, Vec<u16>)>, CliError> {
        let of = |(entry, _): &(Entry, Vec<u16>)| entry.item() == Some(item as u32);
        if !self.next.as_ref().is_some_and(of) {
            return Ok(None);
        }
        let taken = self.next.take();
        self.advance()?;
        Ok(taken)
    }

    fn advance(&mut self) -> Result<(), CliError> {
        self.next = self.entries.next()?;
        Ok(())
    }

    /// A single file, which has one entry.
    fn single(&mut self, item: usize) -> Result<(), CliError> {
        match self.take(item)? {
            Some((Entry::Failed { id, error, .. }, _)) => self.failures.add(&id, &error),
            Some((
                Entry::Row {
                    id, width, height, ..
                },
                row,
            )) => {
                let shard = match &mut self.single {
                    Some(shard) => shard,
                    None => {
                        let path = self.target.shard(self.samples / SAMPLES);
                        self.single.insert(self.target.grow(&path)?)
                    }
                };
                let key = format!("{:09}", self.samples);
                let id = &id;
                sample(shard, &key, TIME, (&Described { id, width, height }, &row))?;
                self.samples += 1;
                if self.samples.is_multiple_of(SAMPLES) {
                    self.end_single()?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end_single(&mut self) -> Result<(), CliError> {
        match self.single.take() {
            Some(mut shard) => {
                finish(&mut shard)?;
                shard.publish()
            }
            None => Ok(()),
        }
    }

    /// A shard, of which nothing is written if nothing of it could be read.
    fn shard(
        &mut self,
        collection: &Collection,
        item: &Item,
        index: usize,
    ) -> Result<(), CliError> {
        if !matches!(&self.next, Some((Entry::Failed { end: true, .. }, _))) {
            // Whatever was too large then is a failure in the journal.
            let shard = Shard::open(&collection.path(item), &item.id(), u64::MAX)?;
            let mut out = self.target.grow(&self.target.of_shard(item))?;
            self.copy(shard, &mut out, index)?;
            finish(&mut out)?;
            out.publish()?;
        }
        if let Some((Entry::Failed { id, error, .. }, _)) = self.take(index)? {
            self.failures.add(&id, &error)?;
        }
        Ok(())
    }

    /// Copies a shard up to the end that the run found.
    fn copy(&mut self, mut shard: Shard, out: &mut Growing, item: usize) -> Result<(), CliError> {
        let mut group = Group::default();
        loop {
            let found = shard.next();
            let ended = self.next.as_ref().is_some_and(|(entry, _)| entry.is_end());
            let (member, role) = match found {
                Ok(Some(found)) => found,
                Ok(None) if ended => return Ok(()),
                // It was damaged then, too.
                Err(_) if matches!(&self.next, Some((Entry::Failed { end: true, .. }, _))) => {
                    return Ok(());
                }
                Ok(None) => return Err(changed(&shard.name)),
                Err(error) => return Err(error),
            };
            self.enter(&mut group, &member, &role);
            let id = match role {
                Role::Picture { id } | Role::Refused { id, .. } => id,
                Role::Other => {
                    let is_new = group.names.insert(&member.name);
                    if !group.dropped && is_new && !is_tokens(&member) {
                        shard.copy(&member, out)?;
                    }
                    continue;
                }
            };
            match self.take(item)? {
                Some((
                    Entry::Row {
                        id: done,
                        width,
                        height,
                        ..
                    },
                    row,
                )) if done == id => {
                    let name = String::from_utf8_lossy(&member.name);
                    let key = archive::key(&name).map_or(&*name, |(key, _)| key);
                    let id = &id;
                    sample(
                        out,
                        key,
                        member.time,
                        (&Described { id, width, height }, &row),
                    )?;
                }
                Some((
                    Entry::Failed {
                        id: done,
                        error,
                        end: false,
                        ..
                    },
                    _,
                )) if done == super::shortened(id) => {
                    self.failures.add(&done, &error)?;
                }
                _ => return Err(changed(&shard.name)),
            }
        }
    }

    /// Begins a group with the first member of its key; whether it is left out is known from the entry that is next.
    fn enter(&self, group: &mut Group, member: &Member, role: &Role) {
        let name = String::from_utf8_lossy(&member.name);
        let Some((key, _)) = archive::key(&name) else {
            return;
        };
        if group.key.as_deref() == Some(key) {
            return;
        }
        let next = self.next.as_ref().map(|(entry, _)| entry);
        let dropped = match (next, role) {
            (
                Some(Entry::Failed { id, end: false, .. }),
                Role::Picture { id: own } | Role::Refused { id: own, .. },
            ) => id == own,
            (Some(Entry::Failed { id, end: false, .. }), Role::Other) => {
                id.strip_suffix(key).is_some_and(|rest| rest.ends_with('/'))
            }
            _ => false,
        };
        *group = Group {
            key: Some(key.to_owned()),
            dropped,
            names: Seen::default(),
        };
    }
}

/// Whether a member is of tokens that were made before, which the new ones replace.
fn is_tokens(member: &Member) -> bool {
    let name = String::from_utf8_lossy(&member.name);
    archive::key(&name).is_some_and(|(_, kind)| ["tokens.npy", "tokens.json"].contains(&kind))
}

/// Adds the two members of a sample's tokens.
fn sample(
    out: &mut Growing,
    key: &str,
    time: u64,
    (about, row): (&Described<'_>, &[u16]),
) -> Result<(), CliError> {
    let failed = |out: &Growing, error: npy::NpyError| out.failed(io::Error::other(error));
    let tokens = npy::write_u16(&[row.len()], row).map_err(|error| failed(out, error))?;
    let about = serde_json::to_vec(about).map_err(|error| out.failed(error.into()))?;
    append(out, &format!("{key}.tokens.npy"), time, &tokens)?;
    append(out, &format!("{key}.tokens.json"), time, &about)
}

fn changed(name: &str) -> CliError {
    CliError::usage(
        name,
        "changed while it was worked on; remove the journal to start anew",
    )
}
