//! The defaults of sampling: the optional block `sampling` of a config (network.md section 1.3).

use std::fmt;

use serde::Serialize;

use super::error::ConfigError;
use super::fields::Fields;

/// How to decode by default.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SamplingDefaults {
    /// Euler steps.
    pub steps: u32,
    /// Guidance scale; 1 disables guidance.
    pub guidance: f32,
    /// Whether guidance is adaptive projected guidance (APG) rather than classifier-free guidance (CFG).
    pub apg: bool,
}

impl fmt::Display for SamplingDefaults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} steps, ", self.steps)?;
        match (self.guidance, self.apg) {
            (1.0, _) => formatter.write_str("no guidance"),
            (scale, true) => write!(formatter, "APG {scale}"),
            (scale, false) => write!(formatter, "CFG {scale}"),
        }
    }
}

impl SamplingDefaults {
    /// Reads the block, or gives the published models' defaults where there is none.
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ConfigError> {
        let default = Self {
            steps: 25,
            guidance: 7.5,
            apg: true,
        };
        if fields.get("sampling").is_none() {
            return Ok(default);
        }
        let mut block = fields.nested("sampling")?;
        let steps = block.size_opt("steps", 1..=10_000)?;
        let sampling = Self {
            steps: steps
                .and_then(|steps| u32::try_from(steps).ok())
                .unwrap_or(default.steps),
            guidance: block
                .number_opt("guidance", -1000.0, 1000.0)?
                .unwrap_or(default.guidance),
            apg: block.flag_or("apg", default.apg)?,
        };
        block.finish()?;
        Ok(sampling)
    }
}
