//! Another engine beside the rows of points, as a process of its own: frames of points go to its standard
//! input, and it answers each with the nanoseconds that taking it in took (`benches/peers/dbsp`).

use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::flat::Point;

/// A count that says that nothing more comes.
const END: u32 = u32::MAX;

/// A peer at work; killed when it is dropped.
pub(crate) struct Peer {
    child: Child,
    input: BufWriter<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts `program` with that many workers.
    pub(crate) fn start(program: &Path, workers: usize) -> Result<Peer> {
        let mut child = Command::new(program)
            .arg(workers.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let input = BufWriter::new(child.stdin.take().context("no pipe")?);
        let output = BufReader::new(child.stdout.take().context("no pipe")?);
        Ok(Peer { child, input, output })
    }

    /// Has it take points in. `is_first`: of slots of which nothing has been said.
    pub(crate) fn apply(&mut self, points: &[Point], is_first: bool) -> Result<Duration> {
        let count = u32::try_from(points.len())?;
        self.input.write_all(&count.to_le_bytes())?;
        self.input.write_all(&[u8::from(is_first)])?;
        for point in points {
            let key = u64::from(point.series) << 32 | u64::from(point.slot);
            let (valid_after, sequence) = point.order;
            for field in [key, valid_after as u64, sequence, point.value as u64] {
                self.input.write_all(&field.to_le_bytes())?;
            }
        }
        Ok(Duration::from_nanos(self.answer()?))
    }

    /// One number of all its sums, after which it ends.
    pub(crate) fn digest(mut self) -> Result<u64> {
        self.input.write_all(&END.to_le_bytes())?;
        self.input.write_all(&[0])?;
        self.answer()
    }

    fn answer(&mut self) -> Result<u64> {
        self.input.flush()?;
        let mut answer = [0; 8];
        self.output.read_exact(&mut answer).context("the peer has failed; its words are above")?;
        Ok(u64::from_le_bytes(answer))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same number for the same sum, whatever the order in which they are added up: what the peer makes of
/// its sums.
pub(crate) fn mixed(key: u64, sum: i64, count: i64) -> u64 {
    let mut mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for field in [sum as u64, count as u64] {
        mixed = (mixed ^ field ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    mixed ^ (mixed >> 31)
}
