//! A sample without the crate that defines libc's calls.

use std::process::ExitCode;

fn main() -> ExitCode {
    greenloop_cost::program::main(|| panic!("there is nothing here that could be patched"))
}
