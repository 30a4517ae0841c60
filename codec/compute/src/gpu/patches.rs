//! Latents to rows of patches and back.
//!
//! One unit for each element, in cubes of 256 units. Cost: each element is read and written once.

use cubecl::prelude::*;

use super::engine::GpuEngine;
use super::self_test::{LATENTS, Results, full};
use super::tensor::GpuTensor;
use crate::{Backend, ComputeError};

/// Element `ABSOLUTE_POS` of `[B, H, W, C]` latents, times `factor`, goes to (or, with `inverse`, comes from) its place
/// among rows of `patch²·C` values. Whole patches in height make the images' rows of patches follow one another.
#[cube(launch)]
fn patch_kernel<S: Float, T: Float>(
    source: &[S],
    target: &mut [T],
    factor: f32,
    elements: u32,
    columns: u32,
    #[comptime] patch: u32,
    #[comptime] channels: u32,
    #[comptime] inverse: bool,
    #[define(S)] _source_type: ElemType,
    #[define(T)] _target_type: ElemType,
) {
    if ABSOLUTE_POS >= elements as usize {
        terminate!();
    }
    let position = ABSOLUTE_POS as u32;
    // A run is the part of one row of pixels that falls into one patch.
    let run = comptime!(patch * channels);
    let (index, within) = (position / run, position % run);
    let (row, column) = (index / columns, index % columns);
    let in_patches = ((row / patch * columns + column) * patch + row % patch) * run + within;
    if comptime![inverse] {
        let value = f32::cast_from(source[in_patches as usize]) * factor;
        target[position as usize] = T::cast_from(value);
    } else {
        let value = f32::cast_from(source[position as usize]) * factor;
        target[in_patches as usize] = T::cast_from(value);
    }
}

fn launch(
    engine: &GpuEngine,
    (source, target): (&GpuTensor, &GpuTensor),
    latents: &GpuTensor,
    patch: usize,
    factor: f32,
    inverse: bool,
) {
    let &[_, height, width, channels] = &*latents.shape else {
        panic!("latents are [B, H, W, C]")
    };
    assert!(
        height % patch == 0 && width % patch == 0,
        "latents are not a whole number of patches"
    );
    let elements = latents.len();
    assert!(
        source.len() >= elements && target.len() >= elements,
        "patches of other latents"
    );
    let bytes = elements * (source.element.size() + target.element.size());
    let Some((count, dim)) = engine.elementwise(elements, bytes) else {
        return;
    };
    patch_kernel::launch(
        engine.client(),
        count,
        dim,
        source.arg(),
        target.arg(),
        factor,
        elements as u32,
        (width / patch) as u32,
        patch as u32,
        channels as u32,
        inverse,
        source.element.kind(),
        target.element.kind(),
    );
}

/// See [`crate::Backend::patchify`].
pub(super) fn patchify(
    engine: &GpuEngine,
    latents: &GpuTensor,
    patch: usize,
    factor: f32,
    out: &GpuTensor,
) {
    launch(engine, (latents, out), latents, patch, factor, false);
}

/// See [`crate::Backend::unpatchify`].
pub(super) fn unpatchify(engine: &GpuEngine, patches: &GpuTensor, patch: usize, out: &GpuTensor) {
    launch(engine, (patches, out), out, patch, 1.0, true);
}

/// See [`super::self_test`].
pub(super) fn self_test<B: Backend>(engine: &B) -> Result<Results, ComputeError> {
    let [images, height, width, channels] = LATENTS;
    let x = full(engine, 6, &LATENTS)?;
    let mut patches = engine.zeros(&[images * height * width / 4, 4 * channels])?;
    engine.patchify(&x, 2, 0.5, &mut patches)?;
    let mut back = engine.zeros_full(&LATENTS)?;
    engine.unpatchify(&patches, 2, &mut back)?;
    Ok(vec![
        ("patches", engine.download(&patches)?),
        ("latents from patches", engine.download(&back)?),
    ])
}
