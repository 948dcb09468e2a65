//! The same program as `plain`, with the crate that defines libc's calls.

use greenloop::monkey::patch_all;
use std::process::ExitCode;

fn main() -> ExitCode {
    greenloop_cost::program::main(|| {
        patch_all().expect("this system can be patched");
    })
}
