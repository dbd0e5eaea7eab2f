mod caching;
mod find_links;
mod installers;
mod mirrors;
mod negotiation;
mod pages;
mod polling;
mod redirects;
