//! How the shared library is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if ["linux", "android", "freebsd", "netbsd", "openbsd"].contains(&os.as_str()) {
        // A codec's threads end a moment after it was freed: a host that unloads its plugins (`dlclose`) would take their code
        // away.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
