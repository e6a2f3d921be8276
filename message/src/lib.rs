//! What a message of a campaign is: templates, addresses, the MIME form, and what an SMTP reply means.
//!
//! No I/O and no clock: the same input gives the same bytes, so what a preview shows is what is sent.

pub mod address;
pub mod agent;
mod bounds;
mod context;
pub mod css;
mod filters;
pub mod header;
mod images;
pub mod letter;
pub mod links;
pub mod mail;
mod markup;
pub mod reply;
mod tags;
pub mod template;
mod text;
pub mod token;
mod tree;
mod values;
pub mod verdict;
