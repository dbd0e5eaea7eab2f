//! Upload protocols: the legacy form that twine, uv, poetry and devpi send.

mod encode;
mod legacy_form;

pub use self::encode::{Enclosure, FilePart, urlencoded};
pub use self::legacy_form::{
    FormError, MAX_FIELD_NAME_LENGTH, MAX_FIELDS, MAX_FORM_LENGTH, UploadForm,
};
