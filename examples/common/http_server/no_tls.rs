//! `Tls`: what `--tls` is without the feature of that name, a hint how to get it.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::HttpServer;
use super::watch::Watched;

pub(crate) enum Tls {}

impl Tls {
    pub(crate) fn open(_: &Path, _: &Path, _: Duration) -> io::Result<Tls> {
        let how = "cargo run --release --features tls --example http_server -- --tls CERT KEY";
        Err(io::Error::other(format!("needs the feature tls: {how}")))
    }

    pub(super) fn converse(&self, _: &HttpServer, _: &Watched) {
        match *self {}
    }
}
