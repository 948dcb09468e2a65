//! HTTP/1.1 as it comes over a connection: what `http_server` and `web_proxy` take apart, and what
//! the tests and the fuzz targets give any bytes to.

pub(crate) mod buffer;
pub(crate) mod chunked;
pub(crate) mod head;
pub(crate) mod limits;
pub(crate) mod request;
pub(crate) mod status;
