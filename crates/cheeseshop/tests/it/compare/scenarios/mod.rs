//! What is asked, one file for each part of the protocol.

mod api;
mod attachments;
mod bad_input;
mod documents;
mod indexes;
mod mirrors;
mod pages;
mod push;
mod removals;
mod simple;
mod uploads;
mod users;

use super::pair::Pair;

/// What it is called, and what it asks.
type Scenario = (&'static str, fn(&Pair));

/// The scenarios in the order in which they run. Each makes users of its own.
pub(super) const ALL: &[Scenario] = &[
    ("users", users::scenario),
    ("indexes", indexes::scenario),
    ("index patches", indexes::patches),
    ("api", api::scenario),
    ("outside url", api::outside_url),
    ("service", api::service),
    ("uploads", uploads::scenario),
    ("non-volatile uploads", uploads::non_volatile),
    ("documents", documents::scenario),
    ("files", documents::files),
    ("simple", simple::scenario),
    ("inheritance", simple::inheritance),
    ("removals", removals::scenario),
    ("non-volatile removals", removals::non_volatile),
    ("push", push::scenario),
    ("push outside", push::external),
    ("documentation", attachments::documentation),
    ("test results", attachments::results),
    ("plugins", attachments::plugins),
    ("pages", pages::scenario),
    ("mirrors", mirrors::scenario),
    ("mirrors in trouble", mirrors::trouble),
    ("mirrors as bases", mirrors::bases),
    ("bad input", bad_input::scenario),
];
