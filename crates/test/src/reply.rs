//! One reply of the double of the network.

use bytes::Bytes;
use http::{Method, Response, Uri};

pub(crate) struct Reply {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) response: Response<Bytes>,
}

impl Reply {
    /// A reply, or what is wrong with it.
    pub(crate) fn new(method: &str, url: &str, response: Response<Bytes>) -> Result<Self, String> {
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| format!("`{method}` is not a method of HTTP"))?;
        let uri: Uri = url
            .parse()
            .ok()
            .filter(|uri: &Uri| uri.scheme().is_some() && uri.host().is_some())
            .ok_or_else(|| {
                format!("`{url}` is not an absolute URL such as `https://example.com/path`")
            })?;
        Ok(Self {
            method,
            uri,
            response,
        })
    }

    pub(crate) fn is_for(&self, method: &Method, uri: &Uri) -> bool {
        self.method == *method && self.uri == *uri
    }
}
