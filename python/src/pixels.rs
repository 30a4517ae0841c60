//! Arrays of NumPy as pictures, and pictures as arrays.
//!
//! An array that comes in is copied once, while the interpreter is locked: later, another thread could write to it. A picture
//! that goes out is not copied; the array owns its memory.

use flextok::Limits;
use flextok::image::{DynamicImage, ImageBuffer, Luma, LumaA, Pixel, Rgb, RgbImage, Rgba};
use numpy::ndarray::{Array3, ArrayView3, s};
use numpy::{Element, PyArray3, PyReadonlyArray3};
use pyo3::exceptions::{PyMemoryError, PyTypeError};
use pyo3::prelude::*;

use crate::errors::{exception, usage};

/// The picture in an array [H, W, C] of `uint8`, `uint16` or `float32`, of 1 to 4 channels, whatever its strides. Floats are in
/// [0, 1].
pub(crate) fn picture(array: &Bound<'_, PyAny>, limits: &Limits) -> PyResult<DynamicImage> {
    if let Ok(bytes) = array.extract::<PyReadonlyArray3<'_, u8>>() {
        let (view, py) = (bytes.as_array(), array.py());
        return match channels(py, &view, limits)? {
            1 => Ok(DynamicImage::ImageLuma8(buffer::<Luma<u8>>(py, view)?)),
            2 => Ok(DynamicImage::ImageLumaA8(buffer::<LumaA<u8>>(py, view)?)),
            3 => Ok(DynamicImage::ImageRgb8(buffer::<Rgb<u8>>(py, view)?)),
            _ => Ok(DynamicImage::ImageRgba8(buffer::<Rgba<u8>>(py, view)?)),
        };
    }
    if let Ok(words) = array.extract::<PyReadonlyArray3<'_, u16>>() {
        let (view, py) = (words.as_array(), array.py());
        return match channels(py, &view, limits)? {
            1 => Ok(DynamicImage::ImageLuma16(buffer::<Luma<u16>>(py, view)?)),
            2 => Ok(DynamicImage::ImageLumaA16(buffer::<LumaA<u16>>(py, view)?)),
            3 => Ok(DynamicImage::ImageRgb16(buffer::<Rgb<u16>>(py, view)?)),
            _ => Ok(DynamicImage::ImageRgba16(buffer::<Rgba<u16>>(py, view)?)),
        };
    }
    let floats = array.extract::<PyReadonlyArray3<'_, f32>>().map_err(|_| {
        PyTypeError::new_err("expected an array [H, W, C] of uint8, uint16 or float32")
    })?;
    let (view, py) = (floats.as_array(), array.py());
    let channels = channels(py, &view, limits)?;
    if let Some(wrong) = view.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        let message = format!(
            "a picture of floats has values from 0 to 1, but there is {wrong}; scale it, or convert it to uint8"
        );
        return Err(usage(py, &message));
    }
    // There are no grey pictures of floats: a channel is repeated.
    match channels {
        1 => {
            let grey = view.slice(s![.., .., 0]);
            let (height, width) = grey.dim();
            let three = view.broadcast((height, width, 3)).unwrap_or(view);
            Ok(DynamicImage::ImageRgb32F(buffer::<Rgb<f32>>(py, three)?))
        }
        2 => {
            let four = view.select(numpy::ndarray::Axis(2), &[0, 0, 0, 1]);
            Ok(DynamicImage::ImageRgba32F(buffer::<Rgba<f32>>(
                py,
                four.view(),
            )?))
        }
        3 => Ok(DynamicImage::ImageRgb32F(buffer::<Rgb<f32>>(py, view)?)),
        _ => Ok(DynamicImage::ImageRgba32F(buffer::<Rgba<f32>>(py, view)?)),
    }
}

/// The number of channels of an array whose size is within the limits: one with strides of zero takes far less memory than
/// its copy.
fn channels<T>(py: Python<'_>, view: &ArrayView3<'_, T>, limits: &Limits) -> PyResult<usize> {
    let (height, width, channels) = view.dim();
    if !(1..=4).contains(&channels) {
        let message = format!("a picture has 1 to 4 channels, not {channels}");
        return Err(usage(py, &message));
    }
    let within = limits.check_size(width as u64, height as u64);
    within.map_err(|error| exception(py, &error))?;
    Ok(channels)
}

/// A copy of an array of as many channels as `P` has.
fn buffer<P>(
    py: Python<'_>,
    view: ArrayView3<'_, P::Subpixel>,
) -> PyResult<ImageBuffer<P, Vec<P::Subpixel>>>
where
    P: Pixel<Subpixel: Element + Copy>,
{
    let (height, width, _) = view.dim();
    let mut samples = Vec::new();
    let no_memory =
        |_| PyMemoryError::new_err(format!("no memory for a copy of {width}x{height} pixels"));
    samples.try_reserve_exact(view.len()).map_err(no_memory)?;
    match view.as_slice() {
        Some(all) => samples.extend_from_slice(all),
        None => samples.extend(view.iter().copied()),
    }
    let sides = (u32::try_from(width), u32::try_from(height));
    let (Ok(width), Ok(height)) = sides else {
        return Err(usage(py, "a picture has sides of less than 2^32 pixels"));
    };
    ImageBuffer::from_raw(width, height, samples)
        .ok_or_else(|| usage(py, "the array does not have the size that its shape says"))
}

/// A picture as an array [H, W, 3] that owns its memory.
pub(crate) fn array(py: Python<'_>, picture: RgbImage) -> PyResult<Bound<'_, PyArray3<u8>>> {
    let (width, height) = picture.dimensions();
    samples(py, (width, height), 3, picture.into_raw())
}

/// Any picture as an array [H, W, C] of `uint8`, `uint16` or `float32`, as its samples are.
pub(crate) fn any_array(py: Python<'_>, picture: DynamicImage) -> PyResult<Bound<'_, PyAny>> {
    use DynamicImage as D;
    let size = (picture.width(), picture.height());
    let channels = usize::from(picture.color().channel_count());
    Ok(match picture {
        D::ImageLuma8(image) => samples(py, size, channels, image.into_raw())?.into_any(),
        D::ImageLumaA8(image) => samples(py, size, channels, image.into_raw())?.into_any(),
        D::ImageRgb8(image) => samples(py, size, channels, image.into_raw())?.into_any(),
        D::ImageRgba8(image) => samples(py, size, channels, image.into_raw())?.into_any(),
        D::ImageLuma16(image) => samples(py, size, channels, image.into_raw())?.into_any(),
        D::ImageLumaA16(image) => samples(py, size, channels, image.into_raw())?.into_any(),
        D::ImageRgb16(image) => samples(py, size, channels, image.into_raw())?.into_any(),
        D::ImageRgba16(image) => samples(py, size, channels, image.into_raw())?.into_any(),
        D::ImageRgb32F(image) => samples(py, size, channels, image.into_raw())?.into_any(),
        D::ImageRgba32F(image) => samples(py, size, channels, image.into_raw())?.into_any(),
        // The enum is open: a pixel type added later has the crate's own conversion.
        other => array(py, other.into_rgb8())?.into_any(),
    })
}

fn samples<T: Element>(
    py: Python<'_>,
    (width, height): (u32, u32),
    channels: usize,
    samples: Vec<T>,
) -> PyResult<Bound<'_, PyArray3<T>>> {
    let shape = (height as usize, width as usize, channels);
    let array = Array3::from_shape_vec(shape, samples)
        .map_err(|error| usage(py, &format!("a picture of an impossible shape: {error}")))?;
    Ok(PyArray3::from_owned_array(py, array))
}
