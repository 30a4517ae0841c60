//! Which canvases are possible.

use super::{at, json_text, set};
use crate::Size;
use crate::config::*;
use crate::literal::{Value, parse_python};

fn published(changes: &[(&str, &str)]) -> ModelConfig {
    let mut value = super::published::tiny();
    for (path, text) in changes {
        assert_ne!(at(&mut value, path), &Value::None);
        set(&mut value, path, parse_python(text).unwrap());
    }
    ModelConfig::from_json(json_text(&value).as_bytes()).unwrap()
}

const ENCODER: &str = "encoder.module_dict.enc_posemb_module";
const DECODER: &str = "decoder.module_dict.dec_patches_posemb_module";

#[test]
fn a_square_table_gives_a_square_canvas() {
    let config = published(&[]);
    assert_eq!(
        (config.canvas, config.max_canvas(), config.canvas_multiple()),
        (Size::new(256, 256), Size::new(256, 256), 16)
    );
    assert_eq!(config.latent_shape(Size::new(192, 256)), Ok([16, 32, 24]));
    assert_eq!(
        (config.encoder.patch_size, config.decoder.patch_size),
        (2, 2)
    );
    for canvas in [(0, 256), (256, 0), (250, 256), (256, 8)] {
        let error = config.check_canvas(canvas.into()).unwrap_err();
        assert!(
            matches!(error, CanvasError::Multiple { multiple: 16, .. }),
            "{error}"
        );
    }
    for canvas in [(272, 256), (256, 272), (u32::MAX - 15, 256)] {
        let error = config.check_canvas(canvas.into()).unwrap_err();
        assert!(
            matches!(error, CanvasError::TooLarge { max_width: 256, .. }),
            "{error}"
        );
    }
}

#[test]
fn the_smaller_table_decides_for_each_axis() {
    let (encoder, decoder) = (
        format!("{ENCODER}.max_sizes"),
        format!("{DECODER}.max_sizes"),
    );
    let config = published(&[(&encoder, "[14, 24]"), (&decoder, "[18, 20]")]);
    assert_eq!(
        (config.max_canvas(), config.canvas),
        (Size::new(320, 224), Size::new(256, 224))
    );
    assert!(config.check_canvas(Size::new(320, 192)).is_ok());
    assert!(config.check_canvas(Size::new(320, 240)).is_err());
}

#[test]
fn an_interpolated_table_allows_every_size_up_to_the_limit() {
    let scaling = |module: &str| format!("{module}.posemb_scaling");
    let config = published(&[
        (&scaling(ENCODER), "'interpolate'"),
        (&scaling(DECODER), "'interpolate'"),
    ]);
    assert_eq!(
        (config.max_canvas(), config.canvas),
        (Size::new(4096, 4096), Size::new(256, 256))
    );
    let one = published(&[(&scaling(ENCODER), "'interpolate'")]);
    assert_eq!(one.max_canvas(), Size::new(256, 256));
}

#[test]
fn sides_may_have_patches_of_their_own() {
    let config = published(&[
        (
            "decoder.module_dict.dec_noise_patch_emb.patch_sizes",
            "[3, 3]",
        ),
        ("decoder.module_dict.dec_to_patches.patch_sizes", "[3, 3]"),
    ]);
    assert_eq!(
        (config.canvas_multiple(), config.max_canvas(), config.canvas),
        (48, Size::new(240, 240), Size::new(240, 240))
    );
    // Six and four rows of patches, fifteen and ten columns.
    assert_eq!(config.latent_shape(Size::new(240, 96)), Ok([16, 12, 30]));
    assert_eq!(
        (config.encoder.patch_size, config.decoder.patch_size),
        (2, 3)
    );
}
