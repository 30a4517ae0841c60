//! Which canvases are possible.

use super::{at, json_text, set};
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
        ((256, 256), (256, 256), 16)
    );
    let grid = config.patch_grid((192, 256)).unwrap();
    assert_eq!(
        (grid.latents, grid.encoder, grid.decoder),
        ((32, 24), (16, 12), (16, 12))
    );
    assert_eq!((grid.encoder_patches(), grid.decoder_patches()), (192, 192));
    for canvas in [(0, 256), (256, 0), (250, 256), (256, 8)] {
        let error = config.check_canvas(canvas).unwrap_err();
        assert!(
            matches!(error, CanvasError::Multiple { multiple: 16, .. }),
            "{error}"
        );
    }
    for canvas in [(272, 256), (256, 272), (u32::MAX - 15, 256)] {
        let error = config.check_canvas(canvas).unwrap_err();
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
        ((320, 224), (256, 224))
    );
    assert!(config.check_canvas((320, 192)).is_ok());
    assert!(config.check_canvas((320, 240)).is_err());
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
        ((4096, 4096), (256, 256))
    );
    let one = published(&[(&scaling(ENCODER), "'interpolate'")]);
    assert_eq!(one.max_canvas(), (256, 256));
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
        (48, (240, 240), (240, 240))
    );
    let grid = config.patch_grid((240, 96)).unwrap();
    assert_eq!(
        (grid.latents, grid.encoder, grid.decoder),
        ((12, 30), (6, 15), (4, 10))
    );
}
