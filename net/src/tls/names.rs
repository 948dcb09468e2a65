//! `Names`: which identity a server shows, by the name that the client asks for.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::{DnsName, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Identity;
use super::failure::{invalid, of_input};

/// Identities by their names in lower case, and one for all other names.
#[derive(Debug)]
pub(super) struct Names {
    by_name: HashMap<String, Identity>,
    other: Identity,
}

impl Names {
    pub(super) fn new(other: Identity) -> Names {
        let by_name = HashMap::new();
        Names { by_name, other }
    }

    /// Adds an identity for a name, or for all names right below one: `*.example.org`.
    pub(super) fn add(&mut self, name: &str, identity: Identity) -> io::Result<()> {
        let example = match name.strip_prefix("*.") {
            Some(parent) => format!("any.{parent}"),
            None => name.to_owned(),
        };
        let example = DnsName::try_from(example).map_err(|_| {
            invalid(format!(
                "'{name}' is no name of a server: expected a DNS name"
            ))
        })?;
        let shown = identity
            .0
            .end_entity_cert()
            .and_then(ParsedCertificate::try_from);
        shown
            .and_then(|certificate| verify_server_name(&certificate, &ServerName::DnsName(example)))
            .map_err(|cause| of_input(format!("the certificate for '{name}'"), cause))?;
        self.by_name.insert(name.to_ascii_lowercase(), identity);
        Ok(())
    }

    fn choose(&self, name: Option<&str>) -> &Identity {
        let Some(name) = name.map(str::to_ascii_lowercase) else {
            return &self.other;
        };
        let parent = name
            .split_once('.')
            .map(|(_, parent)| format!("*.{parent}"));
        let of_parent = || self.by_name.get(&parent?);
        self.by_name
            .get(&name)
            .or_else(of_parent)
            .unwrap_or(&self.other)
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.choose(hello.server_name()).0.clone())
    }
}
