//! Where PyPI is.

/// PyPI's simple index, without a slash at its end.
pub const SIMPLE_URL: &str = env!("PYPI_SIMPLE_URL");

/// Where PyPI takes uploads: what a `.pypirc` that names no address means.
pub const UPLOAD_URL: &str = env!("PYPI_UPLOAD_URL");

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn uploads_go_to_a_host_of_the_same_domain() {
        let simple: Url = SIMPLE_URL.parse().unwrap();
        let upload: Url = UPLOAD_URL.parse().unwrap();
        assert_eq!(upload.scheme(), "https");
        assert_eq!(
            upload.host_str().unwrap().strip_prefix("upload."),
            simple.host_str()
        );
        assert!(upload.path().ends_with('/'), "{upload}");
    }
}
