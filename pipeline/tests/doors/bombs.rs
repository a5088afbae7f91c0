//! Bodies that promise little and hold much: refused while they arrive, in bounded memory.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;

use flate2::{Compress, Compression, FlushCompress};

use super::client::forecasts;
use super::{Desk, raw};

/// Zeros that one part decodes to.
const PART: usize = 16 << 20;
/// Parts of a body: ten GiB of zeros.
const PARTS: usize = 640;
/// Memory that refusing one may take.
const MEMORY_KB: u64 = 64 << 10;

/// One part of a gzip member, complete in itself: the member is as long as parts follow.
fn gzip_part() -> Vec<u8> {
    let mut coder = Compress::new(Compression::best(), false);
    let zeros = vec![0; PART];
    let mut part = Vec::with_capacity(PART);
    coder.compress_vec(&zeros, &mut part, FlushCompress::Full).expect("zeros can be coded");
    assert_eq!(coder.total_in(), PART as u64);
    part
}

/// Streams a body of many parts; what the server answered before it closed.
fn stream(desk: &Desk, coding: &str, head: &[u8], part: &[u8]) -> (String, usize) {
    let address = desk.server.address();
    let mut socket = TcpStream::connect(address).expect("the server listens");
    let (answers, answer) = mpsc::channel();
    let mut reading = socket.try_clone().expect("a socket");
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = reading.read_to_end(&mut text);
        answers.send(String::from_utf8_lossy(&text).into_owned())
    });
    let length = head.len() + part.len() * PARTS;
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Encoding: {coding}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n",
        forecasts("UserForecast", 1)
    );
    let mut sent = 0;
    let parts = std::iter::repeat_n(part, PARTS);
    for bytes in [request.as_bytes(), head].into_iter().chain(parts) {
        // The server stops reading when it has seen enough.
        if socket.write_all(bytes).is_err() {
            break;
        }
        sent += bytes.len();
    }
    let _ = socket.shutdown(std::net::Shutdown::Write);
    (answer.recv().expect("the reader does not panic"), sent)
}

fn refuses(coding: &str, head: &[u8], part: &[u8]) {
    let desk = Desk::open();
    desk.client.save(1, 0, 1).expect_status(200);
    let before = desk.server.memory_kb("VmHWM");
    let all = head.len() + part.len() * PARTS;
    let (answer, sent) = stream(&desk, coding, head, part);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("BODY_TOO_LARGE"), "{answer}");
    let grown = desk.server.memory_kb("VmHWM") - before;
    println!(
        "{coding}: {all} bytes, {sent} sent before it was refused; {before} kB and {grown} kB more"
    );
    assert!(grown < MEMORY_KB, "{grown} kB");
    desk.close();
}

#[test]
fn ten_gigabytes_of_zeros_in_ten_megabytes_are_refused_in_bounded_memory() {
    refuses("gzip", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff], &gzip_part());
}

#[test]
fn the_same_in_another_coding_is_too() {
    refuses("zstd", &[], &zstd::encode_all(&vec![0; PART][..], 19).expect("zeros can be coded"));
}

#[test]
fn a_window_or_a_length_beyond_reason_reserves_nothing() {
    let desk = Desk::open();
    desk.client.save(1, 0, 1).expect_status(200);
    let before = desk.server.memory_kb("VmHWM");
    let path = forecasts("UserForecast", 1);
    let gzip = [("content-encoding", "gzip")];
    let zstd = [("content-encoding", "zstd")];
    // A frame header that asks for a window of 2 GiB, then a block.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
    for (headers, body) in [
        (&zstd, &window[..]),
        (&zstd, &b"no zstd"[..]),
        (&gzip, b"no gzip"),
        (&gzip, &[0x1f, 0x8b, 8]),
    ] {
        let refused = desk.client.send("POST", &path, headers, body);
        super::refused(refused, 400, "BROKEN_BODY");
    }
    let address = desk.server.address();
    let huge = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: 99999999999999\r\n\r\n{{"
    );
    let answer = raw(address, huge.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    let plain = vec![b' '; (16 << 20) + 1];
    super::refused(desk.post(plain), 413, "BODY_TOO_LARGE");
    let grown = desk.server.memory_kb("VmHWM") - before;
    assert!(grown < MEMORY_KB, "{grown} kB");
    desk.close();
}
