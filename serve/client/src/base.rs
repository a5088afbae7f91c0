//! Where a service is: the base URL, taken apart once.

use http::Uri;

use crate::error::Error;

/// Port of a URL that names none.
const HTTP_PORT: u16 = 80;

/// The parts of `http://host:port/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// What the `Host` header says.
    pub(crate) authority: String,
    /// A name or address to connect to, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What stands before every path; without a slash at its end.
    prefix: String,
}

impl Base {
    /// Takes a base URL apart; only plain `http` without a query is one.
    pub(crate) fn parse(url: &str) -> Result<Base, Error> {
        let refuse = |reason: &'static str| Error::BaseUrl { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|_| refuse("is no URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(refuse("must begin with http://: there is no TLS here"));
        }
        if uri.query().is_some() {
            return Err(refuse("must not have a query"));
        }
        let authority = uri.authority().ok_or_else(|| refuse("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("must not hold a user: give a token"));
        }
        Ok(Base {
            authority: authority.as_str().to_owned(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(HTTP_PORT),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The target of a request for `path`, which begins with a slash and may have a query.
    pub(crate) fn target(&self, path: &str) -> Result<Uri, Error> {
        let target = format!("{}{path}", self.prefix);
        let is_path = path.starts_with('/');
        target.parse().ok().filter(|_| is_path).ok_or_else(|| Error::Path { path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_host_port_and_prefix() {
        let base = Base::parse("http://127.0.0.1:8080").unwrap();
        assert_eq!((base.host.as_str(), base.port, base.prefix.as_str()), ("127.0.0.1", 8080, ""));
        assert_eq!(base.target("/a?b=1").unwrap(), "/a?b=1");
        let base = Base::parse("http://[::1]/inner/").unwrap();
        assert_eq!((base.host.as_str(), base.port), ("::1", 80));
        assert_eq!(base.authority, "[::1]");
        assert_eq!(base.target("/a").unwrap(), "/inner/a");
    }

    #[test]
    fn what_is_no_base_is_refused() {
        for url in ["", "8080", "https://a", "ftp://a", "http://u:p@a", "http://a?b", "/path"] {
            assert!(Base::parse(url).is_err(), "{url}");
        }
        let base = Base::parse("http://a").unwrap();
        assert!(base.target("a").is_err());
        assert!(base.target("/a b").is_err());
    }
}
