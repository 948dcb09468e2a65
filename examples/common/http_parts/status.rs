//! `Status`: the statuses that the server knows.

/// Makes the enum, and what is sent of each status.
macro_rules! statuses {
    ($($name:ident = $text:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Status {
            $($name,)*
        }

        impl Status {
            /// How an answer begins.
            pub(crate) fn line(self) -> &'static str {
                match self {
                    $(Status::$name => concat!("HTTP/1.1 ", $text, "\r\n"),)*
                }
            }

            /// The page of an error.
            pub(crate) fn page(self) -> &'static str {
                match self {
                    $(Status::$name => concat!($text, "\n"),)*
                }
            }
        }
    };
}

statuses! {
    Ok = "200 OK",
    MovedPermanently = "301 Moved Permanently",
    BadRequest = "400 Bad Request",
    Forbidden = "403 Forbidden",
    NotFound = "404 Not Found",
    MethodNotAllowed = "405 Method Not Allowed",
    RequestTimeout = "408 Request Timeout",
    ContentTooLarge = "413 Content Too Large",
    UriTooLong = "414 URI Too Long",
    ExpectationFailed = "417 Expectation Failed",
    HeadersTooLarge = "431 Request Header Fields Too Large",
    InternalServerError = "500 Internal Server Error",
    NotImplemented = "501 Not Implemented",
    ServiceUnavailable = "503 Service Unavailable",
    VersionNotSupported = "505 HTTP Version Not Supported",
}
