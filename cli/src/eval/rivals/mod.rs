//! Other codecs, as the programs that are installed: what each is called and how it is told what to do.

mod program;
mod search;

use std::ffi::OsString;
use std::path::Path;

use clap::ValueEnum;
use flextok::Size;
pub(crate) use program::{Installed, RivalError};
pub(crate) use search::{Fitted, best};

/// A codec to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Rival {
    /// WebP by cwebp and dwebp
    Webp,
    /// AVIF by avifenc and avifdec
    Avif,
    /// JPEG by cjpeg and djpeg
    Jpeg,
    /// JPEG XL by cjxl and djxl
    Jxl,
    /// JPEG 2000 by opj_compress and opj_decompress
    Jpeg2000,
}

/// The shrinkings that are tried, in thousandths of the sides.
pub(crate) const SHRINKINGS: [u32; 20] = [
    1000, 850, 700, 600, 500, 420, 350, 300, 250, 200, 160, 130, 100, 80, 60, 45, 30, 20, 14, 10,
];

/// How a file of a rival is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub(crate) rival: Rival,
    /// Number of the setting of its quality, from the coarsest on, below [`Rival::settings`].
    pub(crate) setting: u32,
    /// One of [`SHRINKINGS`].
    pub(crate) shrinking: u32,
}

impl Rival {
    /// What options and results call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Webp => "webp",
            Self::Avif => "avif",
            Self::Jpeg => "jpeg",
            Self::Jxl => "jxl",
            Self::Jpeg2000 => "jpeg2000",
        }
    }

    /// Its encoder and its decoder.
    pub(crate) fn programs(self) -> [&'static str; 2] {
        match self {
            Self::Webp => ["cwebp", "dwebp"],
            Self::Avif => ["avifenc", "avifdec"],
            Self::Jpeg => ["cjpeg", "djpeg"],
            Self::Jxl => ["cjxl", "djxl"],
            Self::Jpeg2000 => ["opj_compress", "opj_decompress"],
        }
    }

    /// The argument with which its programs tell their version.
    fn version_argument(self) -> &'static str {
        match self {
            Self::Webp | Self::Jpeg => "-version",
            Self::Avif | Self::Jxl => "--version",
            Self::Jpeg2000 => "-h",
        }
    }

    /// Debian's package with its programs.
    fn package(self) -> &'static str {
        match self {
            Self::Webp => "webp",
            Self::Avif => "libavif-bin",
            Self::Jpeg => "libjpeg-turbo-progs",
            Self::Jxl => "libjxl-tools",
            Self::Jpeg2000 => "libopenjp2-tools",
        }
    }

    /// Names of the picture that the encoder reads, the file it writes, and the picture that the decoder writes.
    fn files(self) -> [&'static str; 3] {
        match self {
            Self::Webp => ["in.png", "file.webp", "out.ppm"],
            Self::Avif => ["in.png", "file.avif", "out.png"],
            Self::Jpeg => ["in.ppm", "file.jpg", "out.ppm"],
            Self::Jxl => ["in.ppm", "file.jxl", "out.ppm"],
            Self::Jpeg2000 => ["in.ppm", "file.j2k", "out.ppm"],
        }
    }

    /// Number of settings of its quality; bytes rise with the setting.
    pub(crate) fn settings(self) -> u32 {
        match self {
            Self::Webp | Self::Jpeg => 101,
            Self::Avif => 64,
            Self::Jxl => 146,
            Self::Jpeg2000 => 380,
        }
    }

    /// The word and the number of a setting, as the encoder takes it.
    fn setting(self, setting: u32) -> (&'static str, String) {
        match self {
            Self::Webp | Self::Jpeg => ("quality", setting.to_string()),
            Self::Avif => ("quantizer", 63_u32.saturating_sub(setting).to_string()),
            // Butteraugli distances from 15 to 0.5.
            Self::Jxl => {
                let tenths = 150_u32.saturating_sub(setting);
                ("distance", format!("{}.{}", tenths / 10, tenths % 10))
            }
            // Compression ratios from 4000 down in steps of 2 %, to 2.2.
            Self::Jpeg2000 => {
                let ratio = 4000.0 / 1.02_f64.powi(i32::try_from(setting).unwrap_or(i32::MAX));
                ("ratio", format!("{ratio:.2}"))
            }
        }
    }

    /// The arguments of the encoder for a picture of this size.
    fn encode(self, setting: u32, size: Size, [input, file, _]: [&Path; 3]) -> Vec<OsString> {
        let (_, value) = self.setting(setting);
        let value = value.as_str();
        match self {
            Self::Webp => arguments(["-quiet", "-m", "6", "-q", value], &[input])
                .chain(arguments(["-o"], &[file]))
                .collect(),
            Self::Avif => {
                let options = ["-s", "6", "-y", "420", "-j", "1", "--min", value, "--max"];
                arguments(options, &[])
                    .chain(arguments([value], &[input, file]))
                    .collect()
            }
            Self::Jpeg => {
                let options = ["-quality", value, "-optimize", "-progressive", "-sample"];
                arguments(options, &[])
                    .chain(arguments(["2x2", "-outfile"], &[file, input]))
                    .collect()
            }
            Self::Jxl => arguments(["-d", value, "--num_threads=0"], &[input, file]).collect(),
            Self::Jpeg2000 => {
                // Five halvings, and fewer for sides that are shorter.
                let side = size.width.min(size.height).max(1);
                let levels = (side.ilog2() + 1).min(6).to_string();
                arguments(["-I", "-n", &levels, "-r", value, "-i"], &[input])
                    .chain(arguments(["-o"], &[file]))
                    .collect()
            }
        }
    }

    /// The arguments of the decoder.
    fn decode(self, [_, file, out]: [&Path; 3]) -> Vec<OsString> {
        match self {
            Self::Webp => arguments(["-quiet", "-ppm"], &[file])
                .chain(arguments(["-o"], &[out]))
                .collect(),
            Self::Avif => arguments(["-j", "1"], &[file, out]).collect(),
            Self::Jpeg => arguments(["-pnm", "-outfile"], &[out, file]).collect(),
            Self::Jxl => arguments(["--num_threads=0"], &[file, out]).collect(),
            Self::Jpeg2000 => arguments(["-i"], &[file])
                .chain(arguments(["-o"], &[out]))
                .collect(),
        }
    }
}

/// Words, and then paths.
fn arguments<const N: usize>(words: [&str; N], paths: &[&Path]) -> impl Iterator<Item = OsString> {
    let words = words.map(OsString::from);
    let paths: Vec<OsString> = paths.iter().map(|path| path.into()).collect();
    words.into_iter().chain(paths)
}

impl Recipe {
    /// The recipe that reads so.
    pub(crate) fn parse(rival: Rival, text: &str) -> Option<Self> {
        let each = |setting| SHRINKINGS.map(|shrinking| (setting, shrinking));
        (0..rival.settings())
            .flat_map(each)
            .find_map(|(setting, shrinking)| {
                let recipe = Self {
                    rival,
                    setting,
                    shrinking,
                };
                (recipe.to_string() == text).then_some(recipe)
            })
    }

    /// The size to which it shrinks a picture of this size.
    pub(crate) fn shrunk(&self, size: Size) -> Size {
        let side = |side: u32| {
            let side = (u64::from(side) * u64::from(self.shrinking) + 500) / 1000;
            u32::try_from(side).unwrap_or(u32::MAX).max(1)
        };
        Size::new(side(size.width), side(size.height))
    }
}

impl std::fmt::Display for Recipe {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (word, value) = self.rival.setting(self.setting);
        let percent = f64::from(self.shrinking) / 10.0;
        write!(formatter, "{word} {value} at {percent} %")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_read_as_they_are_written() {
        for rival in Rival::value_variants() {
            for (setting, shrinking) in [(0, 1000), (17, 45), (rival.settings() - 1, 14)] {
                let recipe = Recipe {
                    rival: *rival,
                    setting,
                    shrinking,
                };
                let text = recipe.to_string();
                assert_eq!(Recipe::parse(*rival, &text), Some(recipe), "{text}");
            }
            assert_eq!(Recipe::parse(*rival, "quality 101 at 33 %"), None);
        }
        let recipe = |rival, setting| Recipe {
            rival,
            setting,
            shrinking: 45,
        };
        let text = recipe(Rival::Jxl, 145).to_string();
        assert_eq!(text, "distance 0.5 at 4.5 %");
        let text = recipe(Rival::Avif, 0).to_string();
        assert_eq!(text, "quantizer 63 at 4.5 %");
        let size = recipe(Rival::Webp, 0).shrunk(Size::new(600, 10));
        assert_eq!(size, Size::new(27, 1));
    }
}
