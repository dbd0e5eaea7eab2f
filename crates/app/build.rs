//! Takes PyPI's default address out of the library that installers themselves use, so that no
//! registry host is spelled in our sources and none of that library reaches the binary.

fn main() {
    println!(
        "cargo::rustc-env=CHEESESHOP_DEFAULT_UPSTREAM={}",
        *uv_distribution_types::PYPI_URL
    );
    println!("cargo::rerun-if-changed=build.rs");
}
