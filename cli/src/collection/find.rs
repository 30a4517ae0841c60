//! The files that arguments and lists name.

use std::path::{Path, PathBuf};

use super::{Collection, Item, Kind, MAX_ITEMS, kind_of, list, walk};
use crate::context::Context;
use crate::exit::CliError;
use crate::input::Source;
use crate::message;
use crate::platform::Identity;

/// What arguments name, then what a list does: files as they stand there, of folders all pictures and shards. `without` is a
/// folder that is not looked into.
///
/// Files that would have one id are refused.
pub(crate) fn find(
    arguments: &[PathBuf],
    list: Option<&Path>,
    without: Option<&Identity>,
    context: &Context,
) -> Result<Collection, CliError> {
    let mut collection = Collection::default();
    for argument in arguments {
        if Source::new(argument) == Source::Stdin {
            let problem =
                "a picture of a collection needs a name; give files, folders, or --list -";
            return Err(CliError::usage(Source::Stdin.name(), problem));
        }
        if !argument.is_dir() {
            collection.add(argument.clone());
            continue;
        }
        let found = walk::walk(argument, without, context)?;
        if found.is_empty() {
            let problem = "has no file that is named like a picture or a tar shard";
            return Err(CliError::usage(message::name(argument), problem));
        }
        let folder = u32::try_from(collection.folders.len()).ok();
        collection.folders.push(argument.clone());
        let items = found
            .into_iter()
            .map(|(name, kind)| Item { folder, name, kind });
        collection.items.extend(items);
    }
    if let Some(list) = list {
        let paths = list::read(list)?;
        paths.into_iter().for_each(|path| collection.add(path));
    }
    if collection.items.len() > MAX_ITEMS {
        let (count, problem) = (collection.items.len(), "files; allowed");
        return Err(CliError::usage(
            "inputs",
            format!("{count} {problem}: {MAX_ITEMS}"),
        ));
    }
    collection.refuse_doubles(Item::id, "id", |_, _| true)?;
    Ok(collection)
}

impl Collection {
    /// Adds a file that was named.
    fn add(&mut self, name: PathBuf) {
        let kind = kind_of(&name);
        self.items.push(Item {
            folder: None,
            name,
            kind,
        });
    }

    /// Refuses two files of which `key` makes the same, unless these may be there; `what` calls that.
    pub(crate) fn refuse_doubles<'a, K: Ord + std::fmt::Display>(
        &'a self,
        key: impl Fn(&'a Item) -> K,
        what: &str,
        refused: impl Fn(&Item, &Item) -> bool,
    ) -> Result<(), CliError> {
        let mut order: Vec<u32> = (0..self.items.len() as u32).collect();
        let item = |index: u32| &self.items[index as usize];
        // Stable, so that the first of two is named first.
        order.sort_by_cached_key(|&index| key(item(index)));
        let double = order.windows(2).find(|pair| {
            let [first, second] = [pair[0], pair[1]].map(item);
            key(first) == key(second) && refused(first, second)
        });
        let Some(&[first, second]) = double else {
            return Ok(());
        };
        let [first, second] = [first, second].map(item);
        let name = |item| message::name(&self.path(item));
        let (key, other) = (key(second), name(first));
        let problem =
            format!("its {what} {key} would be that of {other} too; give them in separate runs");
        Err(CliError::usage(name(second), problem))
    }

    /// Refuses a collection without files.
    pub(crate) fn refuse_empty(&self) -> Result<(), CliError> {
        if self.items.is_empty() {
            return Err(CliError::usage("--list", "names no file"));
        }
        Ok(())
    }

    /// Whether there is a file that is no shard.
    pub(crate) fn has_pictures(&self) -> bool {
        self.items.iter().any(|item| item.kind != Kind::Shard)
    }
}
