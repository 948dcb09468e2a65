//! What `ftp_client` and `ftp_server` say to each other, in heads of frames (see `frame.rs`).
//!
//! | the client sends | the server answers |
//! |---|---|
//! | `list` | `ok`, `size` bytes of data: a line for each file, `SIZE NAME`, folders with a `/` behind |
//! | `get`, with what it `have`s of the file | `ok`, and the file's bytes behind `offset`, to `size` |
//! | `put` | `ok`, with what it has; the client sends `from`, and the bytes behind it; `ok` again |
//!
//! Any of them may be answered by `error`. Who has a part of a file says how long it is and what its
//! checksum is; who has the whole file decides whether that part may be continued.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub(crate) enum Request {
    List {
        #[serde(default)]
        path: String,
    },
    Get {
        path: String,
        #[serde(default)]
        have: Part,
    },
    Put {
        path: String,
        size: u64,
        /// Keep the part if the connection breaks, and go on from an earlier one.
        #[serde(default)]
        resume: bool,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(crate) enum Answer {
    Ok {
        /// The whole size of the data, in bytes.
        #[serde(default)]
        size: u64,
        /// Where the data that follow begin.
        #[serde(default)]
        offset: u64,
        /// What the server has of an upload.
        #[serde(default)]
        have: Part,
    },
    Error {
        message: String,
    },
}

/// Where the client's data of an upload begin.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct From {
    pub(crate) from: u64,
}

/// The first bytes of a file: how many, and their CRC-32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) size: u64,
    pub(crate) checksum: u32,
}

impl Part {
    /// The part that the next `size` bytes of `file` are, or all there are if those are fewer.
    pub(crate) fn of(file: &mut impl Read, size: u64) -> io::Result<Part> {
        let (mut hasher, mut piece) = (crc32fast::Hasher::new(), vec![0; 64 * 1024]);
        let (mut file, mut read) = (file.take(size), 0);
        loop {
            match file.read(&mut piece)? {
                0 => {
                    return Ok(Part {
                        size: read,
                        checksum: hasher.finalize(),
                    });
                }
                count => {
                    hasher.update(&piece[..count]);
                    read += count as u64;
                }
            }
        }
    }
}
