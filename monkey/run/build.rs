//! Says whether the target is one that can be patched, by `cfg(patchable)`, and compiles the shim.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/shim.c");
    println!("cargo::rustc-check-cfg=cfg(patchable)");
    let target = |key: &str| env::var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    let system = [target("OS"), target("ENV"), target("POINTER_WIDTH")];
    let processor = ["x86_64", "aarch64"].contains(&target("ARCH").as_str());
    if system == ["linux", "gnu", "64"] && processor {
        println!("cargo::rustc-cfg=patchable");
        compile_shim();
    }
}

/// Without tables for the unwinder: whatever unwinds a thread ends at the shim, as it ends at the
/// first frame of a C library's thread.
fn compile_shim() {
    cc::Build::new()
        .file("src/shim.c")
        .flag("-fno-exceptions")
        .flag("-fno-unwind-tables")
        .flag("-fno-asynchronous-unwind-tables")
        .pic(true)
        .warnings(true)
        .compile("greenloop_run_shim");
}
