//! A tar shard in the layout of WebDataset: which of its members are pictures, and what samples they are of.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use tar::{Builder, Header};

use super::{Input, check_id, is_picture, member_error};
use crate::archive::{self, Archive, Member, MemberKind};
use crate::exit::CliError;
use crate::message;
use crate::output::Growing;
use crate::seen::Seen;

/// A shard that is being read.
#[derive(Debug)]
pub(crate) struct Shard {
    archive: Archive<File>,
    /// Its name in errors.
    pub(crate) name: String,
    /// What stands before the key of each of its ids.
    id: String,
    keys: Seen,
    /// Most bytes of a picture.
    max_bytes: u64,
}

/// What a member is to its sample.
#[derive(Debug)]
pub(crate) enum Role {
    Picture {
        id: String,
    },
    /// A picture that is not used.
    Refused {
        id: String,
        error: CliError,
    },
    /// What stands beside pictures.
    Other,
}

impl Shard {
    pub(crate) fn open(path: &Path, id: &str, max_bytes: u64) -> Result<Self, CliError> {
        let name = message::name(path);
        let failed = |source| CliError::Read {
            name: name.clone(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(failed(io::Error::other(
                "a shard has to be a file, not a stream or a folder",
            )));
        }
        let archive = Archive::new(file).map_err(failed)?;
        Ok(Self {
            archive,
            name,
            id: id.to_owned(),
            keys: Seen::default(),
            max_bytes,
        })
    }

    /// The next member and its role.
    pub(crate) fn next(&mut self) -> Result<Option<(Member, Role)>, CliError> {
        let found = self.archive.next().map_err(|source| CliError::Archive {
            name: self.name.clone(),
            source,
        })?;
        Ok(found.map(|member| {
            let role = self.role(&member);
            (member, role)
        }))
    }

    /// The data of the member that came last.
    pub(crate) fn data(&mut self, member: &Member) -> io::Result<impl Read + use<'_>> {
        self.archive.data(member)
    }

    /// The picture in the member that came last, to be loaded.
    pub(crate) fn picture(&mut self, member: &Member) -> Result<Input, CliError> {
        let name = self.member_name(member);
        let mut bytes = Vec::new();
        let read = self
            .data(member)
            .and_then(|mut data| data.read_to_end(&mut bytes));
        match read {
            Err(source) => Err(CliError::Read { name, source }),
            Ok(read) if read as u64 != member.size => {
                let problem = "the archive became shorter while it was read";
                Err(member_error(name, problem))
            }
            Ok(_) => Ok(Input::Member { name, bytes }),
        }
    }

    /// Copies the member that came last as it is, with its padding.
    pub(crate) fn copy(&mut self, member: &Member, out: &mut impl Sink) -> Result<(), CliError> {
        let name = self.member_name(member);
        let read = |source| CliError::Read {
            name: name.clone(),
            source,
        };
        out.put(&member.headers)?;
        let mut data = self.data(member).map_err(read)?;
        let mut buffer = vec![0; 1 << 16];
        let mut left = member.size;
        while left > 0 {
            let most = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let got = data.read(&mut buffer[..most]).map_err(read)?;
            if got == 0 {
                return Err(read(io::ErrorKind::UnexpectedEof.into()));
            }
            out.put(&buffer[..got])?;
            left -= got as u64;
        }
        let padding = member.size.next_multiple_of(512) - member.size;
        out.put(&END[..padding as usize])
    }

    /// The name of a member in errors.
    pub(crate) fn member_name(&self, member: &Member) -> String {
        format!("{}: {}", self.name, text(&member.name))
    }

    fn role(&mut self, member: &Member) -> Role {
        let name = text(&member.name);
        if member.kind == MemberKind::Other || !is_picture(Path::new(&name)) {
            return Role::Other;
        }
        // `KEY.jpg` is the picture of a sample; `KEY.seg.png` is something that belongs to it.
        let key = archive::key(&name).filter(|(_, kind)| !kind.contains('.'));
        let Some((key, _)) = key else {
            return Role::Other;
        };
        let double = !self.keys.insert(key);
        // An id is that of one picture.
        let own = if double { &*name } else { key };
        let id = format!("{}/{own}", self.id);
        match self.check(member, &name, (&id, double)) {
            Ok(()) => Role::Picture { id },
            Err(error) => Role::Refused { id, error },
        }
    }

    fn check(
        &self,
        member: &Member,
        name: &str,
        (id, double): (&str, bool),
    ) -> Result<(), CliError> {
        let subject = || self.member_name(member);
        let refuse = |problem| Err(member_error(subject(), problem));
        if str::from_utf8(&member.name).is_err() {
            return refuse("its name is not UTF-8, which ids have to be");
        }
        if !archive::is_safe(name) {
            return refuse("its name leads out of the archive");
        }
        check_id(id, subject())?;
        if member.kind == MemberKind::Link {
            return refuse("is a link in the archive, not a file");
        }
        if double {
            return refuse("a picture of the same key stands before it; keys have to differ");
        }
        if member.size > self.max_bytes {
            let (name, max) = (subject(), self.max_bytes);
            return Err(CliError::TooManyBytes { name, max });
        }
        Ok(())
    }
}

/// A name as text, bytes that are none escaped.
fn text(name: &[u8]) -> String {
    match str::from_utf8(name) {
        Ok(name) => name.to_owned(),
        Err(_) => message::bytes(name),
    }
}

/// What members are copied to.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]) -> Result<(), CliError>;
}

impl Sink for Growing {
    fn put(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        Self::put(self, bytes)
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// Adds a file to an archive that is being written.
pub(crate) fn append(
    out: &mut Growing,
    name: &str,
    time: u64,
    data: &[u8],
) -> Result<(), CliError> {
    let mut header = Header::new_gnu();
    header.set_size(data.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(time);
    let mut builder = Builder::new(Vec::new());
    let added = builder.append_data(&mut header, name, data);
    let bytes = added.and_then(|()| builder.into_inner());
    let bytes = bytes.map_err(|error| out.failed(error))?;
    out.put(&bytes[..bytes.len() - END.len()])
}

/// Marks the end of an archive that was written.
pub(crate) fn finish(out: &mut Growing) -> Result<(), CliError> {
    out.put(&END)
}

/// The mark of the end of an archive.
const END: [u8; 1024] = [0; 1024];
