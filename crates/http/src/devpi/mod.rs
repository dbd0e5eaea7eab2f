//! devpi's face: its JSON API, as devpi's own client speaks it.

mod api_config;
mod authcheck;
pub(crate) mod documents;
pub(crate) mod envelope;
pub(crate) mod error;
mod files;
mod indexes;
mod login;
mod projects;
mod push;
mod status;
mod test_results;
mod tokens;
mod users;
mod yank;

pub(crate) use self::api_config::{of_index, of_server};
pub(crate) use self::authcheck::check as authcheck;
pub(crate) use self::files::remove as remove_file;
pub(crate) use self::indexes::{
    create as create_index, remove as remove_index, show as show_index, update as update_index,
};
pub(crate) use self::login::login;
pub(crate) use self::projects::{
    refresh_project, remove_project, remove_release, show_project, show_release,
};
pub(crate) use self::push::{push, push_request};
pub(crate) use self::status::status;
pub(crate) use self::test_results::{
    add as add_test_result, list as list_test_results, show as show_test_result,
};
pub(crate) use self::tokens::{
    create as create_token, list as list_tokens, remove as remove_token,
};
pub(crate) use self::users::{
    create as create_user, list as list_users, remove as remove_user, show as show_user,
    update as update_user,
};
pub(crate) use self::yank::{unyank, yank};
