//! Takes PyPI's addresses out of the library that installers themselves use, so that no registry
//! host is spelled in our sources and none of that library reaches the binary.

fn main() {
    let simple = &*uv_distribution_types::PYPI_URL;
    println!("cargo::rustc-env=PYPI_SIMPLE_URL={simple}");
    // Uploads have a host of their own in the same domain.
    let host = simple.host_str().unwrap_or_default();
    println!("cargo::rustc-env=PYPI_UPLOAD_URL=https://upload.{host}/legacy/");
    println!("cargo::rerun-if-changed=build.rs");
}
