//! The model as two files, for programs that start before all of it is there: the tables, which encode and decode, and the
//! learned decoder, by far the larger part.

use std::borrow::ToOwned;
use std::string::String;
use std::vec::Vec;

use serde_json::{Map, Value, json};

use crate::BUILTIN;

/// Two `.safetensors` files that together are [`BUILTIN`].
#[derive(Debug, Clone)]
pub struct Parts {
    /// The tensors `tables.*`, and the config without `decoder`.
    pub tables: Vec<u8>,
    /// The tensors `decoder.*`, and the whole config.
    pub decoder: Vec<u8>,
}

/// Splits the model; the same bytes each time.
#[must_use]
pub fn split() -> Parts {
    let parts = split_file(BUILTIN);
    // The embedded file is one; the tests see to that.
    parts.unwrap_or(Parts {
        tables: BUILTIN.to_vec(),
        decoder: BUILTIN.to_vec(),
    })
}

fn split_file(file: &[u8]) -> Option<Parts> {
    let (length, rest) = file.split_first_chunk::<8>()?;
    let (header, data) =
        rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let header: Map<String, Value> = serde_json::from_slice(header).ok()?;
    let config = header.get("__metadata__")?.get("config")?.as_str()?;
    let mut config_of_tables: Map<String, Value> = serde_json::from_str(config).ok()?;
    config_of_tables.remove("decoder")?;
    let config_of_tables = serde_json::to_string(&config_of_tables).ok()?;
    Some(Parts {
        tables: part(&header, data, "tables.", &config_of_tables)?,
        decoder: part(&header, data, "decoder.", config)?,
    })
}

/// A file of the tensors whose names start with `prefix`, in the order in which they stand.
fn part(header: &Map<String, Value>, data: &[u8], prefix: &str, config: &str) -> Option<Vec<u8>> {
    let mut tensors = Vec::new();
    for (name, entry) in header.iter().filter(|(name, _)| name.starts_with(prefix)) {
        let offset =
            |at: usize| usize::try_from(entry.get("data_offsets")?.get(at)?.as_u64()?).ok();
        tensors.push((offset(0)?..offset(1)?, name, entry));
    }
    tensors.sort_by_key(|(range, ..)| range.start);
    let mut own = Map::new();
    own.insert("__metadata__".to_owned(), json!({ "config": config }));
    let mut content = Vec::new();
    for (range, name, entry) in tensors {
        let start = content.len();
        content.extend_from_slice(data.get(range)?);
        let mut entry = entry.clone();
        entry["data_offsets"] = json!([start, content.len()]);
        own.insert(name.clone(), entry);
    }
    let mut text = serde_json::to_vec(&own).ok()?;
    // Tensors of 8-byte elements stay aligned.
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut file = (text.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(&text);
    file.extend_from_slice(&content);
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables;

    fn parsed(file: &[u8]) -> (Map<String, Value>, &[u8]) {
        let (length, rest) = file.split_first_chunk::<8>().unwrap();
        let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
        assert_eq!(header.len() % 8, 0);
        (serde_json::from_slice(header).unwrap(), data)
    }

    fn tensor<'a>(header: &Map<String, Value>, data: &'a [u8], name: &str) -> &'a [u8] {
        let offsets = &header[name]["data_offsets"];
        &data[offsets[0].as_u64().unwrap() as usize..offsets[1].as_u64().unwrap() as usize]
    }

    #[test]
    fn each_tensor_is_in_one_of_the_parts() {
        let Parts { tables, decoder } = split();
        assert_eq!(tables, crate::TABLES);
        assert!(tables.len() < 40_000 && decoder.len() < BUILTIN.len());
        let (whole, data) = parsed(BUILTIN);
        let mut seen = 1;
        for (file, prefix) in [(&tables, "tables."), (&decoder, "decoder.")] {
            let (header, own) = parsed(file);
            let names = header.keys().filter(|name| *name != "__metadata__");
            let mut length = 0;
            for name in names {
                assert!(name.starts_with(prefix), "{name}");
                for key in ["dtype", "shape"] {
                    assert_eq!(header[name][key], whole[name][key], "{name}");
                }
                let bytes = tensor(&header, own, name);
                assert_eq!(bytes, tensor(&whole, data, name), "{name}");
                length += bytes.len();
                seen += 1;
            }
            // No gaps.
            assert_eq!(length, own.len());
        }
        assert_eq!(seen, whole.len());
    }

    #[test]
    fn the_compiler_finds_the_tensors_of_the_tables() {
        let (header, data) = parsed(crate::TABLES);
        for (name, found) in [
            ("tables.ac_size", tables::AC_SIZE),
            ("tables.dc_steps", tables::DC_STEPS),
            ("tables.dc_top", tables::DC_TOP),
            ("tables.mean_size", tables::MEAN_SIZE),
            ("tables.order", tables::ORDER),
            ("tables.p_one", tables::P_ONE),
            ("tables.weights", tables::WEIGHTS),
        ] {
            assert_eq!(found, tensor(&header, data, name), "{name}");
        }
    }

    #[test]
    fn only_the_decoder_has_the_decoders_config() {
        let Parts { tables, decoder } = split();
        let config = |file: &[u8]| -> Value {
            let (header, _) = parsed(file);
            serde_json::from_str(header["__metadata__"]["config"].as_str().unwrap()).unwrap()
        };
        let mut expected = config(BUILTIN);
        assert_eq!(config(&decoder), expected);
        expected.as_object_mut().unwrap().remove("decoder");
        assert_eq!(config(&tables), expected);
    }

    #[test]
    fn what_is_no_model_is_not_split() {
        for wrong in [&b""[..], b"short", &[255; 16], &BUILTIN[..100]] {
            assert!(split_file(wrong).is_none());
        }
        assert!(split_file(&BUILTIN[..1_000_000]).is_none());
    }
}
