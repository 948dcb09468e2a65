//! `Response`: a status, a header or two and a body, and how they are written.

use std::borrow::Cow;
use std::fs::File;

use super::date::Millis;
use super::heads::{About, Heads, Persistence};
use super::status::Status;

const PLAIN: &str = "text/plain; charset=utf-8";

pub(crate) struct Response {
    status: Status,
    content_type: &'static str,
    header: Option<(&'static str, Cow<'static, str>)>,
    body: Body,
}

enum Body {
    Bytes(Cow<'static, [u8]>),
    /// The first so many bytes of it.
    File(File, u64),
}

impl Response {
    pub(crate) fn text(text: impl Into<Cow<'static, str>>) -> Response {
        let bytes = match text.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Response::new(Status::Ok, PLAIN, Body::Bytes(bytes))
    }

    pub(crate) fn bytes(content_type: &'static str, bytes: Vec<u8>) -> Response {
        Response::new(Status::Ok, content_type, Body::Bytes(Cow::Owned(bytes)))
    }

    /// The file from where it stands, `len` bytes: it is read when it is sent.
    pub(crate) fn file(content_type: &'static str, file: File, len: u64) -> Response {
        Response::new(Status::Ok, content_type, Body::File(file, len))
    }

    /// A page that says what is wrong.
    pub(crate) fn error(status: Status) -> Response {
        let page = Body::Bytes(Cow::Borrowed(status.page().as_bytes()));
        Response::new(status, PLAIN, page)
    }

    /// `value` must be free of line ends.
    pub(crate) fn with(self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        let header = Some((name, value.into()));
        Response { header, ..self }
    }

    fn new(status: Status, content_type: &'static str, body: Body) -> Response {
        Response {
            status,
            content_type,
            header: None,
            body,
        }
    }

    /// Appends the head to `out`, and then the body, if that is in memory.
    #[inline]
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        heads: &mut Heads,
        persistence: Persistence,
        now: Millis,
        is_head: bool,
    ) {
        let about = About {
            status: self.status,
            len: match &self.body {
                Body::Bytes(bytes) => bytes.len() as u64,
                Body::File(_, len) => *len,
            },
            content_type: self.content_type,
            persistence,
        };
        let header = self.header.as_ref().map(|(name, value)| (*name, &**value));
        heads.write(out, about, header, now);
        match &self.body {
            Body::Bytes(bytes) if !is_head => out.extend_from_slice(bytes),
            _ => {}
        }
    }

    /// The file that is to follow what was written, and how much of it.
    pub(crate) fn into_file(self) -> Option<(File, u64)> {
        match self.body {
            Body::File(file, len) => Some((file, len)),
            Body::Bytes(_) => None,
        }
    }
}
