//! Coded bodies, in and out.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::super::DoorRules;
use super::engine::Stage;
use super::{forecasts, hourly};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).unwrap()
}

#[tokio::test]
async fn a_body_may_be_gzip_or_zstd() {
    let stage = Stage::new().await;
    let body = hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":1}"#);
    let half = body.len() / 2;
    let members = [gzip(&body.as_bytes()[..half]), gzip(&body.as_bytes()[half..])].concat();
    for (coding, coded) in [
        ("gzip", gzip(body.as_bytes())),
        ("X-GZIP", members),
        ("zstd", zstandard(body.as_bytes())),
        ("identity", body.clone().into_bytes()),
    ] {
        let heard =
            stage.write_with("POST", &forecasts(""), &[("content-encoding", coding)], coded).await;
        assert_eq!(heard.status, 200, "{coding}: {}", heard.text());
    }
}

#[tokio::test]
async fn a_damaged_or_unknown_coding_is_refused() {
    let stage = Stage::new().await;
    let body = hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":1}"#);
    let cut = |coded: Vec<u8>| coded[..coded.len() - 3].to_vec();
    let spoilt = |mut coded: Vec<u8>| {
        let last = coded.len() - 1;
        coded[last] ^= 0x55;
        coded
    };
    for (coding, coded, code) in [
        ("gzip", body.clone().into_bytes(), (400, "BROKEN_BODY")),
        ("gzip", cut(gzip(body.as_bytes())), (400, "BROKEN_BODY")),
        ("gzip", spoilt(gzip(body.as_bytes())), (400, "BROKEN_BODY")),
        ("zstd", cut(zstandard(body.as_bytes())), (400, "BROKEN_BODY")),
        ("zstd", gzip(body.as_bytes()), (400, "BROKEN_BODY")),
        ("identity", gzip(body.as_bytes()), (400, "UNREADABLE_BODY")),
        ("br", body.clone().into_bytes(), (415, "UNSUPPORTED_MEDIA_TYPE")),
        ("gzip, zstd", body.clone().into_bytes(), (415, "UNSUPPORTED_MEDIA_TYPE")),
    ] {
        let heard =
            stage.write_with("POST", &forecasts(""), &[("content-encoding", coding)], coded).await;
        assert_eq!(heard.code(), (code.0, code.1.to_owned()), "{coding}");
    }
}

#[tokio::test]
async fn a_bomb_of_ten_gigabytes_stops_at_the_bound() {
    let stage = Stage::new().await;
    // 640 members of 16 MiB of zeros: ten gigabytes in as many megabytes.
    let zeros = vec![0; 16 << 20];
    for (coding, member) in [("gzip", gzip(&zeros)), ("zstd", zstandard(&zeros))] {
        let bomb = member.repeat(640);
        assert!(bomb.len() < 16 << 20);
        let heard =
            stage.write_with("POST", &forecasts(""), &[("content-encoding", coding)], bomb).await;
        assert_eq!(heard.code(), (413, "BODY_TOO_LARGE".to_owned()), "{coding}");
    }
    // A header that asks for a window of gigabytes gets none.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8];
    frame.extend([0x01, 0x00, 0x00]);
    let heard =
        stage.write_with("POST", &forecasts(""), &[("content-encoding", "zstd")], frame).await;
    assert_eq!(heard.code(), (400, "BROKEN_BODY".to_owned()));
}

#[tokio::test]
async fn a_plain_body_stops_at_the_bound_too() {
    let stage = Stage::with(DoorRules { body_bytes: 1_000, ..DoorRules::default() }).await;
    let heard = stage.save(" ".repeat(1_001)).await;
    assert_eq!(heard.code(), (413, "BODY_TOO_LARGE".to_owned()));
    assert_eq!(stage.save(" ".repeat(1_000)).await.code(), (400, "UNREADABLE_BODY".to_owned()));
}

#[tokio::test]
async fn an_answer_is_coded_as_the_caller_takes_it() {
    let stage = Stage::new().await;
    stage.save(hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":1}"#)).await;
    let path = forecasts("/latest?from=2026-03-02T00:00Z");
    let plain = stage.get(&path).await;
    let gzipped = stage.get_with(&path, &[("accept-encoding", "gzip")]).await;
    assert_eq!(gzipped.header("content-encoding"), Some("gzip"));
    let mut text = Vec::new();
    GzDecoder::new(gzipped.body.as_slice()).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
    let zstd_coded = stage.get_with(&path, &[("accept-encoding", "gzip, zstd")]).await;
    assert_eq!(zstd::stream::decode_all(zstd_coded.body.as_slice()).unwrap(), plain.body);
    // Other bytes, other tag; and a tag is known under its own coding only.
    let tags =
        [&plain, &gzipped, &zstd_coded].map(|heard| heard.header("etag").unwrap().to_owned());
    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2]);
    let crossed = [("accept-encoding", "gzip"), ("if-none-match", tags[0].as_str())];
    assert_eq!(stage.get_with(&path, &crossed).await.status, 200);
    let own = [("accept-encoding", "gzip"), ("if-none-match", tags[1].as_str())];
    assert_eq!(stage.get_with(&path, &own).await.status, 304);
}
