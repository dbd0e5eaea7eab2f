mod login;
mod pages;
mod search;
