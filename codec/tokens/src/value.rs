//! The values that decoded magnitudes stand for.

/// 2^`exponent` for exponents from −126 to 127.
pub(crate) fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}

/// The absolute value of a coefficient of a magnitude after a plane, whose threshold is T = 2^(20 − plane): less than in
/// the middle between `magnitude` · T and (`magnitude` + 1) · T, since smaller coefficients are more frequent.
pub(crate) fn value(magnitude: u32, plane: i32) -> f32 {
    let offset = match magnitude {
        0 => return 0.0,
        1 => 0.44,
        _ => 0.48,
    };
    ((f64::from(magnitude) + offset) * f64::from(power_of_two(20 - plane))) as f32
}
