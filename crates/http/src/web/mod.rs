//! The browser's face.

pub(crate) mod html;
pub(crate) mod indexes;
mod login;
pub(crate) mod look;
pub(crate) mod page;
pub(crate) mod projects;
mod search;
pub(crate) mod shop;
pub(crate) mod test_results;

pub(crate) use self::login::{GOTO, is_form, log_in, log_out, login_page, logout_page};
pub(crate) use self::search::{help as search_help, search};
