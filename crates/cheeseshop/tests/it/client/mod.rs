//! The client under the names `devpi` and `cheeseshop`: beside the released devpi-client, and what
//! it can do beyond that.

mod ci;
mod clean;
mod doctor;
mod ephemeral;
mod fill;
mod fill_login;
mod general;
mod generate;
mod install;
mod layout;
mod list_remove;
mod publish;
mod shop;
mod stand;
mod terminal;
mod tests;
mod tls;
mod tokens;
mod twins;
mod untrusted;
mod use_index;
mod users;

use self::twins::Twins;

/// Runs a scenario at servers of ours and at released devpi-servers: two tests of the same name.
macro_rules! scenario {
    ($name:ident) => {
        mod $name {
            #[test]
            fn at_our_server() {
                super::$name(&super::Twins::of_our_servers());
            }
            #[test]
            fn at_a_released_devpi_server() {
                super::$name(&super::Twins::of_released_servers());
            }
        }
    };
}
use scenario;
