//! What people type who know cjxl, cwebp, avifenc or ffmpeg, and what it is called here.

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::{input, message, values};

/// Commands of other names.
const COMMANDS: [(&str, &str); 6] = [
    ("compress", "encode"),
    ("convert", "encode"),
    ("cut", "truncate"),
    ("decompress", "decode"),
    ("extract", "decode"),
    ("shrink", "truncate"),
];

/// Options in the place of a command.
const MODES: [(&str, &str); 6] = [
    ("-c", "encode"),
    ("-e", "encode"),
    ("--encode", "encode"),
    ("-d", "decode"),
    ("--decode", "decode"),
    ("--decompress", "decode"),
];

/// Options for the size of a file.
const SIZES: [&str; 5] = [
    "-size",
    "--size",
    "--target_size",
    "--target-size",
    "-target_size",
];

const QUALITY: &str =
    "choose a size, as in --bytes 1k, or a quality that is measured, as in --target-ssimulacra2 60";

/// Advice about a command line that clap accepts and its author means otherwise: `-q 80`. `commands` are all there are.
pub(crate) fn misread(arguments: &[OsString], commands: &[&str]) -> Option<String> {
    let arguments = texts(arguments);
    let number = |text: &str| text.parse::<f32>().is_ok() && !Path::new(text).exists();
    let quality = arguments.windows(2).take_while(|pair| pair[0] != "--");
    let is_quality = |pair: &[String]| pair[0] == "-q" && number(&pair[1]);
    if !{ quality }.any(is_quality) {
        return None;
    }
    match command(&arguments, commands) {
        Some("encode") | None => Some(format!("-q is --quiet; {QUALITY}")),
        Some("decode") => Some("-q is --quiet; JPEG files are of quality 90".to_owned()),
        Some(_) => None,
    }
}

/// Advice about a command line that clap has refused.
pub(crate) fn refused(
    arguments: &[OsString],
    commands: &[&str],
    error: &clap::Error,
) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let arguments = texts(arguments);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            no_command(&arguments, text(ContextKind::InvalidSubcommand)?)
        }
        ErrorKind::UnknownArgument => {
            let option = text(ContextKind::InvalidArg)?;
            match command(&arguments, commands) {
                None => no_mode(&arguments, option),
                Some(command) => no_option(&arguments, command, option),
            }
        }
        _ => None,
    }
}

/// About a word where a command should be.
fn no_command(arguments: &[String], word: &str) -> Option<String> {
    let renamed = COMMANDS.iter().find(|(other, _)| *other == word);
    let replacement = match renamed {
        Some((_, own)) => vec![*own],
        None => vec![fitting(word)?, word],
    };
    let line = match replacement[..] {
        ["truncate"] => truncation(arguments, word),
        // `help` is a command, and this not its command line.
        _ if arguments.first().is_some_and(|first| first == "help") => return None,
        _ => edited(arguments, word, &replacement),
    };
    Some(format!("{} is not a command; try: {line}", quoted(word)))
}

/// The command line that truncates what follows `word`; other programs take a number of bytes without an option.
fn truncation(arguments: &[String], word: &str) -> String {
    let has = |options: &[&str]| {
        arguments
            .iter()
            .any(|text| options.contains(&text.as_str()))
    };
    let mut line = arguments.to_vec();
    let mut more = Vec::new();
    if !has(&["-b", "--bytes", "-k", "--tokens"]) {
        let bare = line.iter().position(|text| values::bytes(text).is_ok());
        let bytes = bare.map_or("N".to_owned(), |place| line.remove(place));
        more.extend(["--bytes".to_owned(), bytes]);
    }
    if !has(&["-o", "--output"]) {
        more.extend(["-o", "OUT.flxt"].map(str::to_owned));
    }
    line.extend(more);
    edited(&line, word, &["truncate"])
}

/// About an option where a command should be.
fn no_mode(arguments: &[String], option: &str) -> Option<String> {
    // clap reads a dash and letters as options of one letter each.
    if arguments.iter().any(|text| text == "-version") {
        let line = edited(arguments, "-version", &["version"]);
        return Some(format!("-version is not a command; try: {line}"));
    }
    let line = if let Some((_, command)) = MODES.iter().find(|(other, _)| *other == option) {
        edited(arguments, option, &[command])
    } else if option == "-i" {
        let input = arguments.iter().skip_while(|text| *text != "-i").nth(1)?;
        edited(arguments, "-i", &[fitting(input).unwrap_or("encode")])
    } else {
        return None;
    };
    Some(format!("{option} is not a command; try: {line}"))
}

/// About an option that `command` does not have.
fn no_option(arguments: &[String], command: &str, option: &str) -> Option<String> {
    let factor = |text: &String| {
        text.strip_prefix("-q")
            .is_some_and(|rest| rest.parse::<f32>().is_ok())
    };
    match (command, option) {
        (_, "-i") => {
            let line = edited(arguments, "-i", &[]);
            Some(format!("inputs have no option; try: {line}"))
        }
        ("encode", _) if arguments.iter().any(|text| SIZES.contains(&text.as_str())) => {
            Some("the size of a file is that of --bytes, as in --bytes 1k".to_owned())
        }
        ("encode", "--quality" | "--distance" | "-d") if typed(arguments, option) => {
            Some(format!("there is no option {option}; {QUALITY}"))
        }
        ("encode", _) if arguments.iter().any(factor) => Some(format!("-q is --quiet; {QUALITY}")),
        ("encode", "-e" | "--effort" | "-m" | "-s" | "--speed") if typed(arguments, option) => {
            Some(format!(
                "there is no option {option}: there is one effort, which takes milliseconds"
            ))
        }
        ("decode", "--quality") => Some(format!(
            "there is no option {option}; JPEG files are of quality 90"
        )),
        _ => None,
    }
}

/// Whether an option stands there as such, with or without its value; not as the first letter of another word.
fn typed(arguments: &[String], option: &str) -> bool {
    arguments.iter().any(|text| {
        let rest = text.strip_prefix(option);
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('=') || rest.parse::<f32>().is_ok()
        })
    })
}

/// The command for a file, by its name or, if it has none that tells, its content.
fn fitting(name: &str) -> Option<&'static str> {
    let path = Path::new(name);
    let extension = path.extension().unwrap_or_default();
    if input::is_token_file(path) {
        Some("decode")
    } else if path.is_file() || flextok::image::ImageFormat::from_extension(extension).is_some() {
        Some("encode")
    } else {
        None
    }
}

/// The command that is named.
fn command<'a>(arguments: &'a [String], commands: &[&str]) -> Option<&'a str> {
    let is_command = |text: &&str| commands.contains(text);
    arguments.iter().map(String::as_str).find(is_command)
}

/// The command line with `word` replaced.
fn edited(arguments: &[String], word: &str, replacement: &[&str]) -> String {
    let place = arguments.iter().position(|text| text == word);
    let (before, after) = arguments.split_at(place.unwrap_or(arguments.len()));
    let words = before.iter().map(String::as_str).chain(
        replacement
            .iter()
            .copied()
            .chain(after.iter().skip(1).map(String::as_str)),
    );
    let words: Vec<String> = words.map(quoted).collect();
    format!("flextok {}", words.join(" "))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn texts(arguments: &[OsString]) -> Vec<String> {
    let text = |argument: &OsString| message::name(Path::new(argument));
    arguments.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_shells_need_it() {
        for (word, expected) in [
            ("photo.jpg", "photo.jpg"),
            ("my photo.jpg", "'my photo.jpg'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("é", "é"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn lines_are_edited_at_the_word() {
        let arguments = ["-f", "-i", "a b", "-o", "c"].map(str::to_owned);
        assert_eq!(
            edited(&arguments, "-i", &["encode"]),
            "flextok -f encode 'a b' -o c"
        );
        assert_eq!(edited(&arguments, "-i", &[]), "flextok -f 'a b' -o c");
        assert_eq!(
            edited(&arguments, "c", &["encode", "c"]),
            "flextok -f -i 'a b' -o encode c"
        );
    }
}
