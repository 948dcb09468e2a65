//! `agent`: the HTTP client `ureq`, which is written for blocking sockets, over ours.

use std::io::{self, Read, Write};
use std::net::ToSocketAddrs;
use std::panic;

use greenloop::net::TcpStream;
use greenloop::spawn_blocking;
use ureq::config::{Config, ConfigBuilder};
use ureq::http::Uri;
use ureq::typestate::AgentScope;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::*;
use ureq::{Agent, Error};

/// A client whose every call lets the other green threads run while it waits. Each page has a
/// connection of its own.
pub(crate) fn agent(config: ConfigBuilder<AgentScope>) -> Agent {
    let config = config.max_idle_connections(0).proxy(None).build();
    Agent::with_parts(config, GreenTcp.chain(RustlsConnector::default()), GreenDns)
}

/// Opens ureq's connections as green ones. In the chain above, rustls comes next, for https.
#[derive(Debug)]
struct GreenTcp;

impl Connector for GreenTcp {
    type Out = GreenTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<GreenTransport>, Error> {
        let (addresses, config) = (&details.addrs, details.config);
        let timeout = *details.timeout.after / addresses.len().max(1) as u32; // a fair share each
        let mut failed = Error::HostNotFound;
        for address in addresses {
            match TcpStream::connect_timeout(address, timeout) {
                Ok(stream) => {
                    let (input, output) = (config.input_buffer_size(), config.output_buffer_size());
                    let buffers = LazyBuffers::new(input, output);
                    return Ok(Some(GreenTransport { stream, buffers }));
                }
                Err(error) => failed = or_timeout(error, details.timeout),
            }
        }
        Err(failed)
    }
}

/// One connection of ureq's, with the buffers that it fills and empties.
#[derive(Debug)]
struct GreenTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Transport for GreenTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let sent = self.stream.set_write_timeout(Some(*timeout.after));
        sent.and_then(|()| self.stream.write_all(&self.buffers.output()[..amount]))
            .map_err(|error| or_timeout(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let read = self.stream.set_read_timeout(Some(*timeout.after));
        let amount = read
            .and_then(|()| self.stream.read(self.buffers.input_append_buf()))
            .map_err(|error| or_timeout(error, timeout))?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        false // never used for a second page
    }
}

/// The error as it is, unless the time was up (or none was left to set: `InvalidInput`).
fn or_timeout(error: io::Error, timeout: NextTimeout) -> Error {
    use io::ErrorKind::{InvalidInput, TimedOut, WouldBlock};
    match error.kind() {
        TimedOut | WouldBlock | InvalidInput => Error::Timeout(timeout.reason),
        _ => Error::Io(error),
    }
}

/// Looks names up on the blocking pool, for as long as the page's timeout allows.
#[derive(Debug)]
struct GreenDns;

impl Resolver for GreenDns {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(Error::HostNotFound);
        };
        let host = DefaultResolver::host_and_port(scheme, authority)
            .ok_or_else(|| Error::BadUri(format!("unknown scheme: {scheme}")))?;
        let lookup = spawn_blocking(move || host.to_socket_addrs());
        let addresses = match lookup.join_timeout(*timeout.after) {
            Ok(found) => found.unwrap_or_else(|payload| panic::resume_unwind(payload))?,
            Err(_unfinished) => return Err(Error::Timeout(timeout.reason)),
        };
        let mut kept = self.empty();
        addresses.take(16).for_each(|address| kept.push(address));
        Ok(kept)
    }
}
