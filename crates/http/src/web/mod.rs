//! The browser's face.

mod login;
pub(crate) mod page;
pub(crate) mod test_results;

pub(crate) use self::login::{GOTO, is_form, log_in, log_out, login_page, logout_page};
