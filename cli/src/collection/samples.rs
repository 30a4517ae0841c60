//! The pictures of a collection, one after the other, from where an earlier run ended.

use super::shard::{Role, Shard};
use super::{Collection, Input, Kind};
use crate::exit::CliError;
use crate::message;

/// How far a run has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file that is next, or that is being read if it is a shard.
    pub(crate) item: usize,
    /// Samples of that shard that are done.
    pub(crate) samples: u64,
    /// The id of the last of them.
    pub(crate) last: String,
}

/// A picture, or the end of a shard.
#[derive(Debug)]
pub(crate) struct Sample {
    /// The number of its file.
    pub(crate) item: usize,
    pub(crate) id: String,
    pub(crate) step: Step,
}

#[derive(Debug)]
pub(crate) enum Step {
    /// To be loaded.
    Load(Input),
    Failed(CliError),
    /// The end of a shard, which came too early if there is an error.
    End(Option<CliError>),
}

/// Goes through a collection.
pub(crate) struct Samples<'a> {
    collection: &'a Collection,
    /// Most bytes of a picture in a shard.
    max_bytes: u64,
    place: Place,
    shard: Option<Shard>,
}

impl<'a> Samples<'a> {
    pub(crate) fn new(collection: &'a Collection, max_bytes: u64, place: Place) -> Self {
        Self {
            collection,
            max_bytes,
            place,
            shard: None,
        }
    }

    /// The next sample. An error ends the run: the collection is not the one that was begun.
    pub(crate) fn next(&mut self) -> Result<Option<Sample>, CliError> {
        let item = self.place.item;
        let Some(file) = self.collection.items.get(item) else {
            return Ok(None);
        };
        let sample = |id: &str, step| {
            let id = id.to_owned();
            Ok(Some(Sample { item, id, step }))
        };
        if let Some(shard) = &mut self.shard {
            let found = Self::of_shard(shard);
            let (id, step) = found.unwrap_or_else(|end| (file.id().into_owned(), Step::End(end)));
            if let Step::End(_) = step {
                self.shard = None;
                self.advance();
            }
            return Ok(Some(Sample { item, id, step }));
        }
        let path = self.collection.path(file);
        let id = file.id();
        let checked = file.check(message::name(&path));
        if file.kind != Kind::Shard {
            self.advance();
            let step = checked.map_or_else(Step::Failed, |()| Step::Load(Input::File(path)));
            return sample(&id, step);
        }
        let opened = checked.and_then(|()| Shard::open(&path, &id, self.max_bytes));
        match opened {
            Ok(shard) => {
                self.shard = Some(self.skipped(shard)?);
                self.next()
            }
            Err(error) => {
                self.advance();
                sample(&id, Step::End(Some(error)))
            }
        }
    }

    fn advance(&mut self) {
        let item = self.place.item + 1;
        self.place = Place {
            item,
            ..Place::default()
        };
    }

    /// The shard behind the samples that are done.
    fn skipped(&self, mut shard: Shard) -> Result<Shard, CliError> {
        let mut last = String::new();
        for _ in 0..self.place.samples {
            loop {
                match shard.next()? {
                    Some((_, Role::Other)) => {}
                    Some((_, Role::Picture { id } | Role::Refused { id, .. })) => {
                        last = id;
                        break;
                    }
                    None => {
                        last.clear();
                        break;
                    }
                }
            }
        }
        if last != self.place.last {
            let problem =
                "is not the shard that the interrupted run began; remove the journal to start anew";
            return Err(CliError::usage(shard.name, problem));
        }
        Ok(shard)
    }

    /// The next sample of a shard, or its end.
    fn of_shard(shard: &mut Shard) -> Result<(String, Step), Option<CliError>> {
        loop {
            let found = shard.next().map_err(Some)?;
            let (member, role) = found.ok_or(None)?;
            let id = match role {
                Role::Other => continue,
                Role::Refused { id, error } => return Ok((id, Step::Failed(error))),
                Role::Picture { id } => id,
            };
            let picture = shard.picture(&member);
            let step = picture.map_or_else(Step::Failed, Step::Load);
            return Ok((id, step));
        }
    }
}
