//! Which directory of a TIFF file has the picture: the first that is a page at its full size, whether it stands in the
//! chain or below a reduced picture (TIFF 6.0, NewSubfileType; TIFF/EP and DNG, SubIFDs).

use std::collections::HashSet;

use super::directory::{Directory, File};
use super::{malformed, tag};
use crate::picture::PictureError;

/// Most directories that are looked at.
const MAX_DIRECTORIES: usize = 1024;
/// Most directories below another one that are looked at.
const MAX_SUB: usize = 32;

/// The directories that say something of the picture.
pub(super) struct Choice<'a> {
    pub(super) picture: Directory<'a>,
    /// The one that the picture stands below.
    pub(super) above: Option<Directory<'a>>,
    pub(super) first: Directory<'a>,
    /// Whether there are more pages.
    pub(super) more: bool,
}

/// What a directory is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Page,
    /// A smaller version of another one.
    Reduced,
    Mask,
    /// It has no picture.
    Nothing,
}

fn role(directory: &Directory) -> Result<Role, PictureError> {
    const REDUCED: u64 = 1;
    const MASK: u64 = 4;
    let sides = directory
        .find(tag::WIDTH)
        .is_ok_and(|field| field.is_some())
        && directory
            .find(tag::HEIGHT)
            .is_ok_and(|field| field.is_some());
    if !sides {
        return Ok(Role::Nothing);
    }
    let kind = directory.number(tag::NEW_SUBFILE_TYPE)?.unwrap_or(0);
    let old_kind = directory.number(tag::SUBFILE_TYPE)?.unwrap_or(1);
    Ok(if kind & MASK != 0 {
        Role::Mask
    } else if kind & REDUCED != 0 || old_kind == 2 {
        Role::Reduced
    } else {
        Role::Page
    })
}

/// Whether a directory has what a sensor measured.
fn is_raw(directory: &Directory) -> bool {
    let photometric = directory.number(tag::PHOTOMETRIC).ok().flatten();
    matches!(
        photometric,
        Some(tag::photometric::FILTER_ARRAY | tag::photometric::LINEAR_RAW)
    )
}

/// The pages below another directory.
fn pages_below<'a>(directory: &Directory<'a>) -> Result<Vec<Directory<'a>>, PictureError> {
    let mut pages = Vec::new();
    let Some(field) = directory.find(tag::SUB_IFDS)? else {
        return Ok(pages);
    };
    for offset in field.uints().take(MAX_SUB) {
        let offset = offset.ok_or_else(|| field.odd())?;
        let (sub, _) = directory.file.directory(offset)?;
        if role(&sub)? == Role::Page {
            pages.push(sub);
        }
    }
    Ok(pages)
}

/// Chooses the picture of a file.
///
/// # Errors
/// There is none, or the file is a camera's raw data, of which only a preview could be shown.
pub(super) fn choose<'a>(file: File<'a>, first: u64) -> Result<Choice<'a>, PictureError> {
    let mut choice: Option<Choice<'a>> = None;
    // Of a file that has only reduced pictures, the largest.
    let mut spare: Option<(u64, Directory<'a>)> = None;
    let mut seen = HashSet::new();
    let mut head = None;
    let mut at = first;
    while at != 0 && seen.len() < MAX_DIRECTORIES && seen.insert(at) {
        let (directory, next) = match file.directory(at) {
            Ok(read) => read,
            // What follows the picture is not needed.
            Err(_) if choice.is_some() => break,
            Err(error) => return Err(error),
        };
        let first = *head.get_or_insert(directory);
        at = next;
        let found = match role(&directory) {
            Ok(role) => role,
            Err(_) if choice.is_some() => break,
            Err(error) => return Err(error),
        };
        let subs = match pages_below(&directory) {
            Ok(subs) => subs,
            Err(error) if found == Role::Reduced && choice.is_none() => return Err(error),
            Err(_) => Vec::new(),
        };
        if subs.iter().any(is_raw) || (found == Role::Page && is_raw(&directory)) {
            return Err(malformed(
                "camera raw data, which are no picture yet; develop them to RGB first",
            ));
        }
        if found == Role::Reduced && choice.is_none() {
            let area = area(&directory);
            if spare.as_ref().is_none_or(|(most, _)| area > *most) {
                spare = Some((area, directory));
            }
        }
        let picture = match (found, subs.first()) {
            (Role::Page, _) => directory,
            (Role::Reduced, Some(sub)) => *sub,
            _ => continue,
        };
        match &mut choice {
            // Nothing is shown of a later page, so nothing is asked of it.
            Some(choice) => choice.more |= found == Role::Page && has_data(&directory),
            None => {
                choice = Some(Choice {
                    picture,
                    above: (found != Role::Page).then_some(directory),
                    first,
                    more: false,
                });
            }
        }
    }
    let spare = spare.map(|(_, picture)| Choice {
        picture,
        above: None,
        first: head.unwrap_or(picture),
        more: false,
    });
    choice
        .or(spare)
        .ok_or_else(|| malformed("none of its directories has a picture"))
}

fn area(directory: &Directory) -> u64 {
    let side = |tag| directory.number(tag).ok().flatten().unwrap_or(0);
    side(tag::WIDTH).saturating_mul(side(tag::HEIGHT))
}

/// Whether a directory has strips or tiles: a thumbnail of EXIF has a JPEG stream instead.
fn has_data(directory: &Directory) -> bool {
    [tag::STRIP_OFFSETS, tag::TILE_OFFSETS]
        .into_iter()
        .any(|tag| directory.find(tag).is_ok_and(|field| field.is_some()))
}
