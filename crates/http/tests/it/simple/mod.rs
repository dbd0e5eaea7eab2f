mod caching;
mod installers;
mod mirrors;
mod negotiation;
mod pages;
mod polling;
mod redirects;
