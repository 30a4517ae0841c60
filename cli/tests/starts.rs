//! That the program starts. Whole-program tests are in `tests/` at the top of the repository; this
//! one also makes cargo build the program together with all tests.

use std::process::Command;

#[test]
fn the_program_tells_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_flextok"))
        .arg("--version")
        .output();
    let output = output.expect("the program starts");
    assert!(output.status.success());
    let expected = concat!("flextok ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}
