//! `Website`: the example `http_server`, as a process of its own.

use super::flatness::Watch;
use crate::sample::beside;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// Ends with this value.
pub(super) struct Website {
    child: Child,
    address: SocketAddr,
}

impl Website {
    /// Or a word why HTTP is left out.
    pub(super) fn start(workers: usize) -> Result<Website, String> {
        let mut command = Command::new(beside("http_server"));
        command.args(["127.0.0.1:0", "--workers", &workers.to_string()]);
        command.stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| format!("HTTP is left out: no http_server: {error}"))?;
        let out = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        let said = BufReader::new(out).read_line(&mut line);
        let address = said.ok().and_then(|_| {
            let text = line.trim().strip_prefix("listening on ")?;
            text.parse().ok()
        });
        match address {
            Some(address) => Ok(Website { child, address }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err(format!("HTTP is left out: http_server says {line:?}"))
            }
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn watch(&self) -> Watch {
        Watch::of(self.child.id())
    }
}

impl Drop for Website {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
