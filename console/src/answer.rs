//! `Answer`: what is sent back.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

/// What the browser may do with the page: run its script, use its style, ask its server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A status, a type, and a body.
#[derive(Debug)]
pub(crate) struct Answer {
    status: &'static str,
    content_type: &'static str,
    /// A further line of the head, with its end; or nothing.
    further: &'static str,
    body: Cow<'static, str>,
}

impl Answer {
    /// A part of the page.
    pub(crate) fn page(content_type: &'static str, body: &'static str) -> Answer {
        Answer::new("200 OK", content_type, body.into())
    }

    pub(crate) fn text(body: String) -> Answer {
        Answer::new("200 OK", "text/plain; charset=utf-8", body.into())
    }

    /// What Prometheus asks for.
    pub(crate) fn open_metrics(body: String) -> Answer {
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        Answer::new("200 OK", content_type, body.into())
    }

    pub(crate) fn json(value: &impl Serialize) -> Answer {
        match serde_json::to_string(value) {
            Ok(body) => Answer::new("200 OK", "application/json", body.into()),
            Err(error) => Answer::failed(&error.to_string()),
        }
    }

    pub(crate) fn bad_request(why: &str) -> Answer {
        Answer::refusal("400 Bad Request", why)
    }

    pub(crate) fn unauthorized(why: &str) -> Answer {
        let further = "WWW-Authenticate: Bearer\r\n";
        Answer {
            further,
            ..Answer::refusal("401 Unauthorized", why)
        }
    }

    pub(crate) fn forbidden(why: &str) -> Answer {
        Answer::refusal("403 Forbidden", why)
    }

    pub(crate) fn not_found(why: &str) -> Answer {
        Answer::refusal("404 Not Found", why)
    }

    pub(crate) fn method_not_allowed() -> Answer {
        let further = "Allow: GET\r\n";
        Answer {
            further,
            ..Answer::refusal("405 Method Not Allowed", "only GET is understood")
        }
    }

    pub(crate) fn too_large() -> Answer {
        Answer::refusal(
            "431 Request Header Fields Too Large",
            "the head is too long",
        )
    }

    pub(crate) fn failed(why: &str) -> Answer {
        Answer::refusal("500 Internal Server Error", why)
    }

    fn refusal(status: &'static str, why: &str) -> Answer {
        let body = format!("{}\n", why.trim_end());
        Answer::new(status, "text/plain; charset=utf-8", body.into())
    }

    fn new(status: &'static str, content_type: &'static str, body: Cow<'static, str>) -> Answer {
        Answer {
            status,
            content_type,
            further: "",
            body,
        }
    }

    /// Sends it in one piece.
    pub(crate) fn send(&self, mut to: impl Write, keeps: bool) -> io::Result<()> {
        let connection = if keeps { "keep-alive" } else { "close" };
        let mut bytes = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: {connection}\r\n\
             Cache-Control: no-store\r\nContent-Security-Policy: {POLICY}\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\nReferrer-Policy: no-referrer\r\n\
             X-Content-Type-Options: nosniff\r\n{}\r\n",
            self.status,
            self.content_type,
            self.body.len(),
            self.further,
        );
        bytes.push_str(&self.body);
        to.write_all(bytes.as_bytes())
    }
}
