//! Says whether the target is one that can be patched, by `cfg(patchable)`. Cargo wants a build
//! script of a package with a `links` key anyway.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(patchable)");
    let target = |key: &str| env::var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    let system = [target("OS"), target("ENV"), target("POINTER_WIDTH")];
    let processor = ["x86_64", "aarch64"].contains(&target("ARCH").as_str());
    if system == ["linux", "gnu", "64"] && processor {
        println!("cargo::rustc-cfg=patchable");
    }
}
