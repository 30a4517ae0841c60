//! Numbers of tags and of their values (TIFF 6.0 and its supplements; TIFF/EP; EXIF 2.32; the registry of libtiff).

pub(super) const NEW_SUBFILE_TYPE: u16 = 254;
pub(super) const SUBFILE_TYPE: u16 = 255;
pub(super) const WIDTH: u16 = 256;
pub(super) const HEIGHT: u16 = 257;
pub(super) const BITS: u16 = 258;
pub(super) const COMPRESSION: u16 = 259;
pub(super) const PHOTOMETRIC: u16 = 262;
pub(super) const FILL_ORDER: u16 = 266;
pub(super) const STRIP_OFFSETS: u16 = 273;
pub(super) const ORIENTATION: u16 = 274;
pub(super) const SAMPLES: u16 = 277;
pub(super) const ROWS_PER_STRIP: u16 = 278;
pub(super) const STRIP_BYTE_COUNTS: u16 = 279;
pub(super) const PLANAR: u16 = 284;
pub(super) const T4_OPTIONS: u16 = 292;
pub(super) const T6_OPTIONS: u16 = 293;
pub(super) const PREDICTOR: u16 = 317;
pub(super) const COLOR_MAP: u16 = 320;
pub(super) const TILE_WIDTH: u16 = 322;
pub(super) const TILE_HEIGHT: u16 = 323;
pub(super) const TILE_OFFSETS: u16 = 324;
pub(super) const TILE_BYTE_COUNTS: u16 = 325;
pub(super) const SUB_IFDS: u16 = 330;
pub(super) const INK_SET: u16 = 332;
pub(super) const EXTRA_SAMPLES: u16 = 338;
pub(super) const SAMPLE_FORMAT: u16 = 339;
pub(super) const JPEG_TABLES: u16 = 347;
pub(super) const COEFFICIENTS: u16 = 529;
pub(super) const SUBSAMPLING: u16 = 530;
pub(super) const REFERENCE_BLACK_WHITE: u16 = 532;
pub(super) const XMP: u16 = 700;
pub(super) const EXIF: u16 = 34_665;
pub(super) const ICC: u16 = 34_675;
pub(super) const DATE_TIME_ORIGINAL: u16 = 36_867;
pub(super) const OFFSET_TIME_ORIGINAL: u16 = 36_881;

/// Values of Compression.
pub(super) mod compression {
    pub(in super::super) const NONE: u64 = 1;
    pub(in super::super) const HUFFMAN: u64 = 2;
    pub(in super::super) const GROUP_3: u64 = 3;
    pub(in super::super) const GROUP_4: u64 = 4;
    pub(in super::super) const LZW: u64 = 5;
    pub(in super::super) const JPEG: u64 = 7;
    pub(in super::super) const DEFLATE: u64 = 8;
    pub(in super::super) const PACK_BITS: u64 = 32_773;
    pub(in super::super) const OLD_DEFLATE: u64 = 32_946;

    /// What a compression that is not read is called.
    pub(in super::super) fn name(number: u64) -> Option<&'static str> {
        Some(match number {
            6 => "old-style JPEG",
            9 => "JBIG black-and-white",
            10 => "JBIG colour",
            32_766 => "NeXT",
            32_767 => "Sony raw",
            32_769 => "Epson raw",
            32_770 => "Samsung raw",
            32_771 => "CCITT RLE with word alignment",
            32_809 => "ThunderScan",
            32_895..=32_898 => "IT8",
            32_908 => "Pixar film",
            32_909 => "Pixar log",
            32_947 => "Kodak DCS",
            33_003..=33_005 | 34_712 => "JPEG 2000",
            34_661 => "JBIG",
            34_676 | 34_677 => "SGI log",
            34_713 => "Nikon raw",
            34_887 => "LERC",
            34_892 => "lossy JPEG of raw data",
            34_925 => "LZMA",
            34_926 | 50_000 => "Zstandard",
            34_927 | 50_001 => "WebP",
            34_933 => "PNG",
            34_934 | 22_610 => "JPEG XR",
            50_002 | 52_546 => "JPEG XL",
            65_000 => "Kodak raw",
            65_535 => "Pentax raw",
            _ => return None,
        })
    }
}

/// Values of PhotometricInterpretation.
pub(super) mod photometric {
    pub(in super::super) const WHITE_IS_ZERO: u64 = 0;
    pub(in super::super) const BLACK_IS_ZERO: u64 = 1;
    pub(in super::super) const RGB: u64 = 2;
    pub(in super::super) const PALETTE: u64 = 3;
    pub(in super::super) const SEPARATED: u64 = 5;
    pub(in super::super) const YCBCR: u64 = 6;
    pub(in super::super) const FILTER_ARRAY: u64 = 32_803;
    pub(in super::super) const LINEAR_RAW: u64 = 34_892;

    /// What an interpretation that is not read is called.
    pub(in super::super) fn name(number: u64) -> Option<&'static str> {
        Some(match number {
            4 => "a transparency mask as a picture",
            8 => "CIELab colours",
            9 => "ICCLab colours",
            10 => "ITULab colours",
            FILTER_ARRAY | LINEAR_RAW => "camera raw data",
            32_844 => "LogL light values",
            32_845 => "LogLuv light values",
            51_177 => "a depth map",
            52_527 => "a semantic mask",
            _ => return None,
        })
    }
}
