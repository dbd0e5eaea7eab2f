//! Where the bytes of a path lie.

use std::path::{Path, PathBuf};

use cheeseshop_packaging::hash::Hashes;

use crate::jail::{self, Found};

/// Where files lie under their paths.
pub(super) const FILES: &str = "+files";

/// Where they lie under their digests.
const BY_DIGEST: &str = "+h";

/// The file with the bytes of a path, or a sentence about why there is none.
///
/// Beside `+files` there is the layout with hard links named by digest
/// (`--storage sqlite:fsbackend=hash_hl`): a name of it that survived is as good.
pub(super) fn find(root: &Path, path: &str, hashes: &Hashes) -> Result<PathBuf, String> {
    let by_digest = hashes.sha256().map(|digest| {
        let digest = digest.to_string();
        (BY_DIGEST, format!("{}/{}", &digest[..3], &digest[3..]))
    });
    for (folder, path) in [Some((FILES, path.to_owned())), by_digest]
        .into_iter()
        .flatten()
    {
        let folder = root.join(folder);
        let shown = folder.join(&path).display().to_string();
        return Err(match jail::find(&folder, &path) {
            Ok(Found::File(found)) => return Ok(found),
            Ok(Found::Nothing) => continue,
            Ok(Found::Other) => format!("{shown} is no file"),
            Ok(Found::PathLeadsOut) => "its path leads out of the directory".to_owned(),
            Ok(Found::LinkLeadsOut) => {
                format!("{shown}: a symbolic link leads out of the directory")
            }
            Err(error) => format!("{shown} cannot be read: {error}"),
        });
    }
    let usual = root.join(FILES).join(path);
    Err(format!("{} does not exist", usual.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const DIGEST: &str = "7f0c4e99b310b917aaaabbbbccccdddd7f0c4e99b310b917aaaabbbbccccdddd";

    #[test]
    fn bytes_are_found_under_their_path_or_their_digest() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let hashes = Hashes::parse_fragment(&format!("sha256={DIGEST}"));
        let path = "bob/dev/+f/7f0/c4e99b310b917/x.whl";
        let usual = root.join("+files").join(path);
        assert!(
            find(root, path, &hashes)
                .unwrap_err()
                .contains("does not exist")
        );

        let digest = root.join("+h/7f0").join(&DIGEST[3..]);
        fs::create_dir_all(digest.parent().unwrap()).unwrap();
        fs::write(&digest, "x").unwrap();
        assert_eq!(find(root, path, &hashes).unwrap(), digest);
        assert!(find(root, path, &Hashes::new()).is_err());

        fs::create_dir_all(usual.parent().unwrap()).unwrap();
        fs::write(&usual, "x").unwrap();
        assert_eq!(find(root, path, &hashes).unwrap(), usual);
    }

    #[test]
    fn paths_stay_in_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "x").unwrap();
        fs::create_dir(folder.path().join("+files")).unwrap();
        std::os::unix::fs::symlink("../secret", folder.path().join("+files/link")).unwrap();
        fs::create_dir(folder.path().join("elsewhere")).unwrap();
        fs::write(folder.path().join("elsewhere/secret"), "x").unwrap();
        std::os::unix::fs::symlink("../elsewhere", folder.path().join("+files/folder")).unwrap();
        for path in [
            "folder/secret",
            "../secret",
            "/etc/passwd",
            "a/../../secret",
            ".",
            "",
            "link",
        ] {
            assert!(find(folder.path(), path, &Hashes::new()).is_err(), "{path}");
        }
    }

    #[test]
    fn the_folder_of_all_files_may_be_on_another_disk() {
        let folder = tempfile::tempdir().unwrap();
        let (root, disk) = (folder.path().join("server"), folder.path().join("disk"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&disk).unwrap();
        fs::write(disk.join("x.whl"), "x").unwrap();
        std::os::unix::fs::symlink("../disk", root.join("+files")).unwrap();
        let found = find(&root, "x.whl", &Hashes::new()).unwrap();
        assert_eq!(fs::read(found).unwrap(), b"x");
    }
}
