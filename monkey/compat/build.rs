//! Compiles the C++ row.

fn main() {
    println!("cargo::rerun-if-changed=src/rows/condition.cpp");
    cc::Build::new()
        .cpp(true)
        .file("src/rows/condition.cpp")
        .compile("condition");
}
