//! pip's face: the Simple API (PEP 503, 629, 691, 700, 714) on devpi's URLs.

pub(crate) mod error;
mod find_links;
mod installer;
pub(crate) mod page;
mod project_list;
mod project_page;
mod refresh;

pub(crate) use self::find_links::show as find_links;
pub(crate) use self::installer::{redirects_to_list, redirects_to_project};
pub(crate) use self::project_list::show as project_list;
pub(crate) use self::project_page::show as project_page;
pub(crate) use self::refresh::refresh;
