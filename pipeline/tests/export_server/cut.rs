//! Services that die and callers that go away in the middle of an export.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::process::{Server, run};
use super::runs::bytes_of;
use super::{export, export_stopped, serve_as_it_is};

/// Batches of the large folder, each with a note that does not compress: some 8 MB, far beyond what sockets
/// and queues hold.
const BATCHES: u32 = 40_000;
/// Characters of a note.
const NOTE: usize = 255;
/// How an answer begins when there is no place.
const BUSY: &[u8] = b"HTTP/1.1 503";
/// How long something that must happen may take: far beyond what it does.
const SOON: usize = 30_000;

/// Folders of exports under way in a data folder.
pub(super) fn exports_under_way(data: &Path) -> usize {
    fs::read_dir(data.join("exports")).map_or(0, Iterator::count)
}

/// A folder whose export of `batches` is large.
fn large_folder(room: &Path) -> std::path::PathBuf {
    let (source, data) = (room.join("in.csv"), room.join("data"));
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut rows = "unit_type,unit_no,provider,kind,valid_after,recorded,delivery_start,period_minutes,measure_unit,value,batch,note\n".to_owned();
    for batch in 0..BATCHES {
        let recorded =
            format!("2026-01-01T{:02}:{:02}:{:02}Z", batch / 3_600, batch / 60 % 60, batch % 60);
        write!(rows, "PP,1,P,,{recorded},,2026-02-01T00:00:00Z,60,MW,{batch},b{batch},").unwrap();
        rows.extend(
            (0..NOTE)
                .map(|_| char::from(rng.random_range(b'0'..=b'z')))
                .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }),
        );
        rows.push('\n');
    }
    fs::write(&source, rows).unwrap();
    run(&data, ["replay".as_ref(), source.as_os_str()]).succeeded();
    data
}

/// Asks for the large export and reads `bytes` of the answer. A place may be taken still by a caller that has gone
/// away: then it asks again.
fn begin(address: SocketAddr, bytes: usize) -> (TcpStream, Vec<u8>) {
    for _ in 0..SOON {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!("GET /api/v2.0/export/batches HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = vec![0; bytes];
        let (head, rest) = answer.split_at_mut(BUSY.len());
        stream.read_exact(head).unwrap();
        if head != BUSY {
            stream.read_exact(rest).unwrap();
            return (stream, answer);
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("no place became free");
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..SOON {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("{what}: not after {SOON} ms");
}

/// Hands one request on to `server`, and of its answer so many bytes, then kills it.
fn kill_after(server: Server, bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut request = vec![0; 4_096];
        let length = client.read(&mut request).unwrap();
        let mut behind = TcpStream::connect(server.address()).unwrap();
        behind.write_all(&request[..length]).unwrap();
        let mut answer = vec![0; bytes];
        behind.read_exact(&mut answer).unwrap();
        client.write_all(&answer).unwrap();
        server.kill();
        // What was on its way yet, then the end that the dead server's system makes.
        let mut rest = Vec::new();
        let _ = behind.read_to_end(&mut rest);
        let _ = client.write_all(&rest);
    });
    address
}

#[test]
fn a_service_that_dies_leaves_the_former_export_and_sweeps_at_its_next_start() {
    let room = tempfile::tempdir().unwrap();
    let data = large_folder(room.path());
    let out = room.path().join("out");
    export_stopped(
        &data,
        "batches",
        &out,
        &["--known-at".to_owned(), "2026-01-01T00:10:00Z".to_owned()],
    );
    let before = bytes_of(&out);
    for bytes in [10, 300, 100_000, 1_000_000] {
        let server = serve_as_it_is(&data);
        let proxy = kill_after(server, bytes);
        let ended = export(proxy, "batches", &out, &[]);
        assert_eq!(ended.code, Some(1), "{bytes} bytes: {ended:?}");
        assert!(
            ended.words.contains("cannot reach") || ended.words.contains("did not arrive"),
            "{ended:?}"
        );
        assert!(bytes_of(&out) == before, "{bytes} bytes: the former export has changed");
        let entries: Vec<_> =
            fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(entries, ["batches"], "{bytes} bytes");
        println!(
            "{bytes} bytes: {} left by the killed service; {}",
            exports_under_way(&data),
            ended.words.trim()
        );
    }
    assert_eq!(exports_under_way(&data), 1, "a killed service cannot clean up");
    let server = serve_as_it_is(&data);
    assert_eq!(exports_under_way(&data), 0, "its next start does");
    export(server.address(), "batches", &out, &[]).succeeded();
    let stopped = room.path().join("stopped");
    server.stop().succeeded();
    export_stopped(&data, "batches", &stopped, &[]);
    assert!(bytes_of(&out) == bytes_of(&stopped));
}

#[test]
fn a_caller_that_goes_away_leaves_nothing_and_frees_its_place() {
    let room = tempfile::tempdir().unwrap();
    let data = large_folder(room.path());
    let server = serve_as_it_is(&data);
    let (address, client) = (server.address(), server.client());
    for round in 0..3 {
        let (one, answer) = begin(address, 10_000);
        assert!(answer.starts_with(b"HTTP/1.1 200"), "round {round}");
        let (other, answer) = begin(address, 10_000);
        assert!(answer.starts_with(b"HTTP/1.1 200"), "round {round}");
        // Neither takes more: both wait in the middle, and a third is told so, while lookups go on.
        assert_eq!(exports_under_way(&data), 2, "round {round}");
        let refused = client.get("/api/v2.0/export/units").expect_status(503);
        assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("EXPORTS_BUSY", "1"));
        let history = "/api/v2.0/production-forecast/P/PP/1/forecasts/evolution";
        client.get(&format!("{history}?delivery=2026-02-01T00:00:00Z")).expect_status(200);
        drop((one, other));
        wait_for("no folder is left", || exports_under_way(&data) == 0);
        wait_for("a place is free", || client.get("/api/v2.0/export/units").status == 200);
        // Before the first byte: while the files are written.
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!("GET /api/v2.0/export/history HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        drop(stream);
        wait_for("no folder is left", || exports_under_way(&data) == 0);
        wait_for("a place is free", || client.get("/api/v2.0/export/units").status == 200);
    }
    // A service that is told to stop does not wait for a caller that takes nothing.
    let (stalled, _) = begin(address, 10_000);
    server.stop().succeeded();
    drop(stalled);
    assert_eq!(exports_under_way(&data), 0);
}
