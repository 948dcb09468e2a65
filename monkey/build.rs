//! Nothing to build: cargo wants a build script of a package with a `links` key.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
