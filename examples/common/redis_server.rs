//! `RedisServer`: how to reach a Redis server with the crate `redis`, which is plain blocking code.

use std::time::Duration;

use redis::{Client, Connection, RedisError};
use url::Url;

/// How long the server may take to answer, besides what it was asked to wait.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct RedisServer {
    client: Client,
    name: String,
}

impl RedisServer {
    pub(crate) fn new(url: &str) -> Result<RedisServer, String> {
        let name = without_password(url);
        let client = Client::open(url).map_err(|error| format!("--redis {name}: {error}"))?;
        Ok(RedisServer { client, name })
    }

    /// Opens one more connection.
    pub(crate) fn connect(&self) -> Result<Connection, String> {
        let connection = self.client.get_connection_with_timeout(PATIENCE);
        let connection = connection
            .map_err(|error| format!("no Redis server answers at {}: {error}", self.name))?;
        let set = connection.set_read_timeout(Some(PATIENCE));
        set.and_then(|()| connection.set_write_timeout(Some(PATIENCE)))
            .map_err(|error| self.lost(&error))?;
        Ok(connection)
    }

    /// Says that an exchange with the server failed.
    pub(crate) fn lost(&self, error: &RedisError) -> String {
        if error.is_timeout() {
            return format!(
                "the Redis server at {} is silent for {PATIENCE:?}",
                self.name
            );
        }
        format!("the Redis server at {}: {error}", self.name)
    }
}

fn without_password(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return text.into();
    };
    let _ = url.set_password(None); // fails where there can be none
    url.into()
}
