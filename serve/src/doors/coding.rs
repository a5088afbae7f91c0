//! Content codings of answers: which one a caller takes, and the coded bytes.

use std::io::{self, Write};

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;
use flate2::Compression;
use flate2::write::GzEncoder;

/// The zstd level of answers: beyond it time grows faster than bytes shrink.
const ZSTD_LEVEL: i32 = 3;

/// A coding an answer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// `gzip`.
    Gzip,
    /// `zstd`.
    Zstd,
}

impl Coding {
    /// The coding the caller prefers, zstd where it does not care; none: as it is.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Coding> {
        let mut best: (u32, Option<Coding>) = (0, None);
        let values =
            headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        for choice in values.flat_map(|value| value.split(',')) {
            let (name, weight) = choice.split_once(';').unwrap_or((choice, "q=1"));
            let coding = match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => Coding::Gzip,
                "zstd" => Coding::Zstd,
                _ => continue,
            };
            let weight = thousandths(weight);
            if weight > best.0 || (weight == best.0 && weight > 0 && coding == Coding::Zstd) {
                best = (weight, Some(coding));
            }
        }
        best.1
    }

    /// The word of the headers.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Zstd => "zstd",
        }
    }

    /// `bytes` in this coding.
    pub(crate) fn encode(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Coding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Coding::Zstd => zstd::bulk::compress(bytes, ZSTD_LEVEL),
        }
    }
}

/// `q=0.5` as 500; what is no weight counts as 0.
fn thousandths(weight: &str) -> u32 {
    let Some(number) = weight.trim().strip_prefix("q=").or(weight.trim().strip_prefix("Q=")) else {
        return 0;
    };
    let weight = number.trim().parse::<f32>().unwrap_or(0.0);
    (weight.clamp(0.0, 1.0) * 1_000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heavier_coding_wins_and_zero_means_never() {
        let accepted = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, text.parse().unwrap());
            Coding::accepted(&headers)
        };
        assert_eq!(accepted("gzip, deflate, br, zstd"), Some(Coding::Zstd));
        assert_eq!(accepted("gzip;q=0.9, zstd;q=0.5"), Some(Coding::Gzip));
        assert_eq!(accepted("gzip;q=0, identity"), None);
        assert_eq!(accepted("br;q=1, x;;;=,,"), None);
        assert_eq!(accepted("gzip;q=banana"), None);
    }
}
