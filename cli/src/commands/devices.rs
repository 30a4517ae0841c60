//! `flextok devices`: the devices that `--device` accepts.

use clap::Args;
use serde::Serialize;

use crate::exit::CliError;
use crate::output;

/// List the devices that --device accepts
///
/// One line per device: gpu:N, name, backend, kind, driver, memory limits, precisions. A device of
/// kind `software` is a CPU that emulates a GPU; --device auto never selects one.
///
/// With --json, an array of objects; docs/json.md lists their keys.
#[derive(Debug, Args)]
pub(crate) struct DevicesArgs {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Entry {
    device: String,
    name: String,
    backend: &'static str,
    kind: &'static str,
    driver: String,
    max_binding_bytes: u64,
    max_buffer_bytes: u64,
    shared_memory_bytes: u64,
    f16: bool,
    bf16: bool,
    subgroups: bool,
}

pub(crate) fn run(args: &DevicesArgs) -> Result<(), CliError> {
    let (entries, looked_for) = list();
    if args.json {
        return output::print_json(&entries);
    }
    if entries.is_empty() {
        return output::print(&format!("no devices; looked for {looked_for}\n"));
    }
    let lines: Vec<String> = entries.iter().map(Entry::line).collect();
    output::print(&lines.concat())
}

impl Entry {
    fn line(&self) -> String {
        const MIB: u64 = 1 << 20;
        let (f16, bf16) = (self.f16.then_some(" f16"), self.bf16.then_some(" bf16"));
        let precisions = ["f32", f16.unwrap_or(""), bf16.unwrap_or("")].concat();
        let line = format!(
            "{:<6} {} ({}, {}; {}), bindings up to {} MiB, {} KiB shared, {precisions}",
            self.device,
            self.name,
            self.backend,
            self.kind,
            self.driver,
            self.max_binding_bytes / MIB,
            self.shared_memory_bytes / 1024,
        );
        crate::message::one_line(&line) + "\n"
    }
}

/// The devices, and the interfaces that were searched.
#[cfg(feature = "cube")]
fn list() -> (Vec<Entry>, String) {
    use flextok::compute::gpu;
    let entries = gpu::devices().into_iter().map(|device| Entry {
        device: format!("gpu:{}", device.index),
        name: device.name,
        backend: device.backend,
        kind: device.kind.name(),
        driver: device.driver,
        max_binding_bytes: device.max_binding_bytes,
        max_buffer_bytes: device.max_buffer_bytes,
        shared_memory_bytes: device.shared_memory_bytes,
        f16: device.f16,
        bf16: device.bf16,
        subgroups: device.subgroups,
    });
    (entries.collect(), gpu::backends().join(", "))
}

#[cfg(not(feature = "cube"))]
fn list() -> (Vec<Entry>, String) {
    (
        Vec::new(),
        "nothing: this build has no GPU support".to_owned(),
    )
}
