//! Bytes from a token file: header, layers with their checkpoints, chunks.

use alloc::vec::Vec;

use crate::{Error, Header, Metadata};

/// Writes a complete file. `ids` are in layer order and as many as the header asks for; the
/// header's metadata flag agrees with `metadata`.
pub(crate) fn write(header: &Header, ids: &[u16], metadata: &Metadata) -> Result<Vec<u8>, Error> {
    let layout = header.layout();
    let mut out = header.to_bytes();
    let size = layout.tokens_end();
    let no_memory = Err(Error::OutOfMemory { bytes: size });
    // What a machine cannot count it cannot reserve either.
    let bytes = usize::try_from(size).unwrap_or(usize::MAX);
    out.try_reserve(bytes).or(no_memory)?;

    let mut crc = crc32fast::Hasher::new();
    crc.update(&out);
    let mut rest = ids;
    let mut done = 0_u16;
    while let Some(layer) = layout.next_checkpoint(done) {
        let layers = u64::from(layer.saturating_sub(done));
        let count = header.canvases().saturating_mul(layers);
        let run = usize::try_from(count).ok();
        let Some((tokens, after)) = run.and_then(|count| rest.split_at_checked(count)) else {
            return Err(Error::InvalidTokenCount {
                count: ids.len() as u64,
                expected: header.total_tokens(),
            });
        };
        let start = out.len();
        push_tokens(&mut out, tokens);
        crc.update(out.get(start..).unwrap_or_default());
        let checkpoint = crc.clone().finalize().to_le_bytes();
        crc.update(&checkpoint);
        out.extend_from_slice(&checkpoint);
        rest = after;
        done = layer;
    }
    metadata.write(&mut out);
    Ok(out)
}

#[cfg(target_endian = "little")]
fn push_tokens(out: &mut Vec<u8>, tokens: &[u16]) {
    // In memory as in the file: one copy.
    out.extend_from_slice(bytemuck::cast_slice(tokens));
}

#[cfg(not(target_endian = "little"))]
fn push_tokens(out: &mut Vec<u8>, tokens: &[u16]) {
    out.extend(tokens.iter().flat_map(|id| id.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fingerprint;

    #[test]
    fn too_few_ids_are_no_file() {
        let header = Header::new(Fingerprint([0; 4]), 1, 1, 6, 9).unwrap();
        for count in 0..6 {
            let written = write(&header, &[3; 6][..count], &Metadata::default());
            let refused = Error::InvalidTokenCount {
                count: count as u64,
                expected: 6,
            };
            assert_eq!(written, Err(refused));
        }
    }
}
